"""Tells what is heard beside the voice from pictures of the voice.

A text enters; the first words on a place, another sound, equipment or quality leave, or None. That waves crash is heard
beside the voice; waves of relief, a voice of thunder and words that fall like rain are how it sounds.
"""

import re

from fcaps_pipeline.annotate.verification.patterns import COMPARED, FEELING, STRAIGHT, VOICE_PART, first_of, whole

_BEING = r"(?:dogs?|cats?|birds?|crickets?|crowds?|audiences?|children|kids|bab(?:y|ies)|infants?)"
_ELEMENT = r"(?:wind|rain|thunder|waves|sea|ocean|water)"
_OBJECT = (
    rf"(?:{_ELEMENT}|bells?|sirens?|alarms?|cars?|trucks?|trains?|(?:aero|air)?planes?|helicopters?|motorcycles?|"
    r"engines?|machines?|machinery|fans?|air[- ]conditioners?|refrigerators?|clocks?|televisions?|tvs?|radios?|phones?|"
    r"keyboards?|doors?|applause|birdsong|footsteps|static|buzz|hiss|pianos?|guitars?|violins?|drums?|orchestras?|"
    r"choirs?)"
)
_THING = rf"(?:{_BEING}|{_OBJECT})"
"""What makes sounds of its own, and is nobody's voice."""
_SOUNDS = (
    r"(?:bark\w*|meow\w*|chirp\w*|ring(?:s|ing)?|wail\w*|honk\w*|blow\w*|fall(?:s|ing)?(?! asleep)|rumbl\w*|murmur\w*|"
    r"cheer\w*|clap(?:s|ping)?|clack\w*|slam\w*|creak\w*|hum(?:s|ming)?|buzz\w*|whir\w*|tick(?:s|ing)?|"
    r"pass(?:es|ing)?|cr(?:y|ies|ying)|scream\w*|patter\w*|drip\w*|splash\w*|crash\w*|roar\w*|howl\w*|crackl\w*|"
    r"play(?:s|ing)?|rustl\w*|clink\w*|break(?:s|ing)?|lap(?:s|ping)?|beat(?:s|ing)?|drum(?:s|ming)?|pour(?:s|ing)?|whistl\w*|"
    r"(?:is|are|can be|could be) (?:\w+ )?(?:heard|audible)|audible|nearby|overhead|outside|in the distance|underneath|"
    r"behind (?:her|his|him|them|the)|laugh(?:s|ing)?|idl\w*|accompan\w*|surround\w*)"
)
_SOUND_OF = (
    r"(?:hum|rumble|drone|roar|sounds?|murmur|whir|ticking|crackle|patter|rustle|clatter|chatter|barking|wail|blare|"
    r"howl)"
)
_PLACE = (
    r"(?:hall|church|cathedral|kitchen|cave|stairwell|auditorium|stadium|theat(?:er|re)|bathroom|office|corridor|street|"
    r"restaurant|caf[eé]|shop|vehicle)"
)
_BACKGROUND = whole(
    r"backgrounds?",
    r"nois(?:e|es|y|eless)(?! (?:breath|inhal|exhal|intake|sniff|sigh|gulp|swallow))(?! of (?:her|his|the) breath)",
    r"environments?",
    r"surroundings",
    r"rooms?",
    r"ambien(?:t|ce)",
    r"acoustics?",
    r"reverb(?:eration|erations|erant|s)?",
    r"echo(?:es|ing|y)?",
    r"record(?:ed|ings?)",
    r"microphones?",
    r"mic",
    r"studios?",
    r"audio",
    r"(?:sound|signal|line|audio) quality",
    r"(?:high|low|good|poor)[- ]fidelity",
    r"fidelity",
    r"static (?:noise|hiss|crackle|interference)",
    r"hiss",
    rf"distort(?:ed|ion|ions)(?! (?:by|with|in|of) (?:\w+ ){{0,2}}{FEELING})",
    r"clipping(?! (?:\w+ ){0,4}(?:words?|syllables?|ends?|endings?|consonants?|vowels?|phrases?|sentences?))",
    r"music",
    r"traffic",
    r"telephone|phone (?:line|call)",
    r"(?:barking|meowing|chirping|ringing|wailing|honking|howling|slamming|passing) "
    r"(?:dog|cat|bird|bell|phone|siren|car|wind|door|train)s?",
    r"applause|footsteps|sound effects?|typing",
    r"equipment|bit ?rates?|codecs?|sampl(?:e|ing) rates?",
    rf"what (?:sounds|seems|appears) (?:like|to be) (?:an?|the) (?:\w+ )?{_PLACE}",
)
_BESIDE_THE_VOICE = whole(
    rf"{_THING} (?:\w+ ){{0,3}}{_SOUNDS}",
    rf"{_SOUND_OF} (?:of|from) (?:an? |the )?(?:\w+ )?{_THING}",
    rf"(?:over|above|against|amid(?:st)?) (?:an?|the) (?:\w+ )?{_THING}",
    rf"(?:in|inside) (?:an?|the) (?:\w+ )?{_PLACE}(?! (?:\w+ )?{VOICE_PART})",
)
"""Things and places, which captions also take for pictures of a voice."""
_PICTURE = whole(
    # What stands behind a part of the voice ends there: in `behind her voice waves crash` no voice waves.
    rf"(?P<beside>(?:behind|beneath|under|over|above|around|beside|against) (?:\w+ ){{0,2}}{VOICE_PART})",
    r"in (?:\w+ ){0,2}waves",
    rf"(?:voice|tones?|timbre|delivery|breath) of (?:\w+ )?{_ELEMENT}",
    rf"(?:voice|tone|rhythm|cadence|pace|tempo|melody|force|weight) of an? (?:\w+ )?{_THING}",
    rf"{VOICE_PART} (?:is|are|was|becomes?|turns? (?:in)?to|stays?|remains?) "
    rf"(?:\w+ly |almost |all |pure |rather |quite |an? |the ){{0,2}}{_THING}",
    rf"as (?:an? |the )?(?:\w+ )?{_THING} \w+ing",
    rf"(?:{VOICE_PART}|s?he|it|they) (?:waves|fans?|drums?|rain|thunder|water|wind)",
    r"(?:wind|rain|water)(?:s|ing)? (?:down|up|along|her|his|its|each|every)",
    rf"{_OBJECT} of (?:\w+ ){{0,2}}{VOICE_PART}",
    rf"{_ELEMENT} of (?!(?:an?|the|some|these|those) )(?!(?:\w+ ){{0,2}}(?:surf|foam|traffic|{_THING}))\w+",
    rf"{_ELEMENT} (?:\w+ ){{1,2}}(?:in|into|within|through) (?:her|his|the|their|each|every) (?:\w+ )?"
    r"(?:voice|tone|pitch|timbre|breath|throat|laugh|laughter|vowels?)",
    rf"static(?: and \w+|, \w+| \w+)? {VOICE_PART}",
)
"""Things that stand for how the voice sounds, by grammar alone."""


def find_background(text: str) -> str | None:
    """Mentions of anything that is not the voice: place, other sounds, equipment, quality."""
    if found := first_of(_BACKGROUND, text):
        return found
    literal = _PICTURE.sub(_without_picture, text.translate(STRAIGHT))
    return first_of(_BESIDE_THE_VOICE, literal, unless_after=COMPARED)


def _without_picture(match: re.Match[str]) -> str:
    """Marks that no pattern reaches across, as long as what they stand for."""
    return match[0] if match["beside"] else "," * len(match[0])

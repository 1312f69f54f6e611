"""What a caption must not say, as patterns over its words.

A text enters; the first offending words leave, or None. Patterns match whole words, never parts of
them. They drop rather than doubt: a caption lost costs one more draw, a false one stays for ever.

Source: the faults that FCaps drops a caption for (arXiv 2601.03065), in words of our own.
"""

import re
import unicodedata
from collections.abc import Iterable


def _words(*alternatives: str) -> re.Pattern[str]:
    """Matches any alternative that is no part of a longer or hyphenated word."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])", re.IGNORECASE)


_FEELING = (
    r"(?:rage|anger|fury|pain|grief|fear|terror|laughter|tears|sobs?|crying|emotion|effort|excitement|strain|sorrow|"
    r"disgust|panic|joy|despair|shouting|screaming)"
)
_THING = (
    r"(?:dogs?|cats?|birds?|crickets?|bells?|sirens?|alarms?|cars?|trucks?|trains?|(?:aero|air)?planes?|helicopters?|"
    r"motorcycles?|engines?|machines?|machinery|fans?|air[- ]conditioners?|refrigerators?|clocks?|televisions?|tvs?|"
    r"radios?|phones?|keyboards?|doors?|wind|rain|thunder|waves|sea|ocean|water|crowds?|audiences?|children|kids|"
    r"bab(?:y|ies)|infants?|applause|birdsong|footsteps|static|buzz|hiss|pianos?|guitars?|violins?|drums?|orchestras?|choirs?)"
)
"""What makes sounds of its own, and is nobody's voice; a picture of a voice where `like` stands before it."""
_SOUNDS = (
    r"(?:bark\w*|meow\w*|chirp\w*|ring(?:s|ing)?|wail\w*|honk\w*|blow\w*|fall(?:s|ing)?|rumbl\w*|murmur\w*|cheer\w*|"
    r"clap(?:s|ping)?|clack\w*|slam\w*|creak\w*|hum(?:s|ming)?|buzz\w*|whir\w*|tick(?:s|ing)?|pass(?:es|ing)?|"
    r"cr(?:y|ies|ying)|scream\w*|patter\w*|drip\w*|splash\w*|crash\w*|roar\w*|howl\w*|crackl\w*|play(?:s|ing)?|"
    r"rustl\w*|clink\w*|(?:is|are|can be|could be) (?:\w+ )?(?:heard|audible)|audible|nearby|overhead|outside|"
    r"in the distance|underneath|behind (?:her|him|them|the)|laugh(?:s|ing)?|idl\w*|accompan\w*|surround\w*)"
)
_SOUND_OF = (
    r"(?:hum|rumble|drone|roar|sounds?|murmur|whir|ticking|crackle|patter|rustle|clatter|chatter|barking|wail|blare|"
    r"howl)"
)
_PLACE = (
    r"(?:hall|church|cathedral|kitchen|cave|stairwell|auditorium|stadium|theat(?:er|re)|bathroom|office|corridor|street|"
    r"restaurant|caf[eé]|shop|vehicle)"
)
_BACKGROUND = _words(
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
    rf"distort(?:ed|ion|ions)(?! (?:by|with|in|of) (?:\w+ ){{0,2}}{_FEELING})",
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
_BESIDE_THE_VOICE = _words(
    rf"{_THING} (?:\w+ ){{0,3}}{_SOUNDS}",
    rf"{_SOUND_OF} (?:of|from) (?:an? |the )?(?:\w+ )?{_THING}",
    rf"(?:over|above|against|amid(?:st)?) (?:an?|the) (?:\w+ )?{_THING}",
    rf"(?:in|inside) (?:an?|the) (?:\w+ )?{_PLACE}",
)
"""Things and places, which captions also take for pictures of a voice."""
_COMPARED = re.compile(
    r"\b(?:like|as if|as though|as one|as someone|as when|as in|as to|as with|reminiscent of|"
    r"of someone|of a person|of one)\b[^.;:]{0,80}$",
    re.IGNORECASE,
)
"""What ends before a picture."""

_COMPARED_REACH = 100

_ABSENCE = _words(
    r"no",
    r"not",
    r"none",
    r"nothing",
    r"never",
    r"neither",
    r"nor",
    r"without",
    r"lack(?:s|ed|ing)?",
    r"absen(?:t|ce)",
    r"devoid",
    r"free (?:of|from)",
    r"cannot",
    r"\w+n't",
)

_MULTIPLE_SPEAKERS = _words(
    r"speakers",
    r"(?:first|second|third|other|another|next|new) (?:\w+ )?(?:speaker|voice|person|man|woman|male|female)",
    r"(?:two|three|four|several|multiple|many|both|different|overlapping|alternating) (?:\w+ )?"
    r"(?:speakers|voices|people|persons|men|women|individuals|friends|colleagues|strangers|girls|boys|children|siblings)",
    r"(?:takes?|taking) turns|trad(?:e|es|ing) (?:\w+,? ){0,2}(?:remarks|words|jokes|lines|barbs|insults)",
    r"the interview(?:er|ee)",
    r"(?:conversation|dialogue|exchange|argument) (?:between|among)",
    r"(?:a )?man and (?:a )?woman|(?:a )?woman and (?:a )?man",
    r"male and (?:a )?female (?:speaker|voice)s?|female and (?:a )?male (?:speaker|voice)s?",
)

_PERSON = r"(?:man|woman|boy|girl|child|person|speaker|voice|friend|mother|father|lady|gentleman|baby|teenager)"
_SOMEBODY = _words(_PERSON, r"s?he|her|his|him")
_SOMEBODY_ELSE = _words(
    rf"(?:and|then|while|when|before|until|but) (?:an?|another) (?:\w+ ){{0,3}}{_PERSON} (?:\w+ ){{0,2}}"
    r"(?:answers?|repl(?:y|ies)|responds?|chimes?|joins?|interrupts?|interjects?|speaks?|asks?|laughs?|says?|shouts?|"
    r"talks?|adds?|giggles?)"
)
"""A person who is brought in after one was there."""

_META = _words(
    r"as an ai",
    r"language model",
    r"(?:i|i'(?:m|ll|ve)) (?:am|can(?:not|'t)?|hear|heard|think|would|will|sorry|apologi[sz]e)",
    r"i'm",
    r"sorry",
    r"here(?:'s| is| are)",
    r"(?:the|this|that|these|provided|given|following) "
    r"(?:audio|recording|clip|sample|file|segment|caption|description)s?",
    r"(?:(?:the|a) )?listeners?",
    r"(?:you|we|one) (?:can|could|may) hear",
    r"(?:caption|description|output|answer|note) ?:",
    r"certainly",
    r"of course",
)

_LEAKED = re.compile(
    r"<\|(?:[^<>|]{0,64}\|>)?|</?[a-z_]+>|\[/?INST\]|[{}]|\*\*|```|^#+ |\\[nu]|(?:^|\n)(?:assistant|user|system)\b ?:|"
    r"\ufffd|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]",
    re.IGNORECASE,
)

_MANNER = (
    r"(?:\w+ly|(?:each|every|the|her|his|all|these|those|this|it|them|one|a|an|its) (?:\w+ ){0,2}"
    r"(?:words?|syllables?|lines?|phrases?|sentences?|vowels?|names?|it|them|thing)|it|them|in|with|at|as|under|through|"
    r"over|while|like)\b"
)
"""How words are said: no content follows."""
_REPORTED_CONTENT = _words(
    rf"(?:says|saying|said|states|stating|announces|announcing|declares|declaring)(?! {_MANNER})(?! *[.,;])",
    r"(?:mentions|mentioning|discusses|discussing)",
    r"(?:talks|talking|speaks|speaking|asks|asking|complains|complaining) (?:about|if|whether|how|what|why|where|who)",
    r"explain(?:s|ing) (?:that|how|why|what)",
    r"(?:apologi[sz]|warn|promis|admitt?|confess|remind|insist|claim|argu|report|inform|urg|begg?|congratulat|"
    r"reminisc|jok|boast|bragg?|confid|offer|order)(?:e?s|ing) "
    r"(?:that|about|for|to|(?:the|an?|some|his|her|him|them|someone) (?:\w+ ){0,2}(?:to|that|about))",
    r"orders? (?:an?|some)",
    r"introduc(?:es|ing) (?:herself|himself)",
    r"(?:tells|telling) (?:an?|the|his|her) (?:\w+ )?(?:story|tale|joke|anecdote)",
    r"(?:tells|telling) (?:someone|somebody|him|her|them|us|me|people|everyone|(?:his|her|the|a) \w+) "
    r"(?:to|that|about|how|what|why)",
    rf"(?:describes|describing|recounts|recounting)(?! {_MANNER})(?! *[.,;])",
    r"(?:thanks|thanking) (?:her|his|him|the|an?|you|everyone|them|someone|somebody)",
    r"(?:subject|topic|theme|content) of (?:her|his|the|this) (?:\w+ )?"
    r"(?:speech|words|talk|sentence|line|phrase|message|remarks?)",
    r"(?:speaking|talking) of|on the (?:subject|topic) of",
    r"(?:weather forecasts?|news reports?|recipes?|shopping lists?)",
    r"the (?:word|words|sentence|phrase) [\"']",
)

_NO_SPEECH = _words(
    r"(?:no|any) (?:\w+ )?(?:speech|voice|voices|speaker|talking|words?) (?:\w+ )?(?:is|are|can be|was|were) "
    r"(?:heard|present|audible|detected|there|spoken)",
    r"no (?:\w+ )?(?:speech|voices?|speaker|talking)",
    r"(?:nobody|no one|no-one) (?:speaks|talks|is speaking|is talking|can be heard)",
    r"(?:contains?|consists? of|is) (?:only|entirely|just) (?:noise|silence|silent|music|sounds?)",
    r"without (?:any )?(?:\w+ )?(?:speech|voice|speaker)",
)

_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d\u00ab\u00bb", '\'\'""""')
_QUOTES = re.compile(r"\"(?P<double>[^\"]+)\"|(?<!\w)'(?P<single>(?:[^']|(?<=\w)'(?=\w))+)'(?!\w)")
_FOR_A_VOICE = re.compile(
    r",? (?:\w+ )?(?:voice|tone|quality|timbre|texture|delivery|edge|drawl|accent|manner|style|sound|lilt)\b",
    re.IGNORECASE,
)
"""What follows a word that is quoted because it is a picture."""
_TOOL_VALUE = _words(
    r"\d+(?:\.\d+)? ?(?:hz|khz|db|lufs|ms|bpm|wpm|percent|semitones?)",
    r"\d+(?:\.\d+)? ?%",
    r"\d+(?:\.\d+)? (?:words|syllables|phones|beats) (?:per|an?) (?:minute|second)",
    r"\d+\.\d+",
    r"probabilit(?:y|ies)",
    r"confidence (?:score|level|value|of)",
    r"(?:the |a )?(?:predicted |emotion |class |speaker )?labels?",
    r"classifi(?:er|ers|ed as|cation)",
    r"scor(?:e|es|ed) (?:of|at)",
    r"f0|snr|lufs|arousal|valence",
    r"\[[^\]\n]{0,80}\]",
)
_INTERJECTION = re.compile(
    r"a+h+|a+w+|e+h+|e+r+m*|h[ae](?:h[ae])*h?|h+m+|h+u+h+|m+|m+h+m+|o+h+|o+w+|u+h+|u+m+|"
    r"uh-?huh|ugh|phew|whoa|wow"
)
"""A sound that the voice makes: naming it quotes no words."""


def find_background(text: str) -> str | None:
    """Mentions of anything that is not the voice: place, other sounds, equipment, quality."""
    return _first(_BACKGROUND, text) or _first(_BESIDE_THE_VOICE, text, unless_after=_COMPARED)


def find_absence(text: str) -> str | None:
    """Statements that something is not there."""
    return _first(_ABSENCE, text)


def find_multiple_speakers(text: str) -> str | None:
    """Signs that more than one person speaks."""
    if found := _first(_MULTIPLE_SPEAKERS, text):
        return found
    match = _SOMEBODY_ELSE.search(text)
    return match[0] if match and _SOMEBODY.search(text, 0, match.start()) else None


def find_meta_phrase(text: str) -> str | None:
    """Talk about the task, the file or the writer instead of the voice."""
    return _first(_META, text)


def find_leaked_token(text: str) -> str | None:
    """Remains of templates, markup, a script other than the caption's, or characters that nobody sees.

    The last are controls, marks of direction and of no width, surrogates, private and unassigned ones.
    """
    unseen = next((one for one in text if unicodedata.category(one)[0] == "C" and one not in "\t\n"), None)
    return _first(_LEAKED, text) or (None if unseen is None else f"U+{ord(unseen):04X}")


def find_reported_content(text: str) -> str | None:
    """Verbs that introduce what is said instead of how; `as if telling someone to hurry` is how."""
    return _first(_REPORTED_CONTENT, text, unless_after=_COMPARED)


def find_no_speech(text: str) -> str | None:
    """Statements that nobody speaks."""
    return _first(_NO_SPEECH, text)


def find_quotation(text: str) -> str | None:
    """Quoted words; interjections such as "hmm" describe sounds, and a 'smoky' voice quotes nobody."""
    text = text.translate(_STRAIGHT)
    for match in _QUOTES.finditer(text):
        quoted = next(filter(None, match.groups()))
        words = re.findall(r"[\w-]+", quoted.lower())
        if words and all(_INTERJECTION.fullmatch(word) for word in words):
            continue
        if len(words) != 1 or _FOR_A_VOICE.match(text, match.end()) is None:
            return match[0]
    return None


def find_tool_value(text: str) -> str | None:
    """Measured numbers and the words of tools, which nobody who listens would write."""
    return _first(_TOOL_VALUE, text)


def find_shared_ngram(text: str, transcript: str, *, length: int) -> str | None:
    """The first run of `length` words that text and transcript share."""
    spoken = set(_ngrams(split_words(transcript), length))
    return next((" ".join(ngram) for ngram in _ngrams(split_words(text), length) if ngram in spoken), None)


def find_repetition(text: str) -> str | None:
    """Words that go round in circles: a word four times running, or four words three times over."""
    words = split_words(text)
    for start in range(len(words) - 3):
        if len(set(words[start : start + 4])) == 1:
            return " ".join(words[start : start + 4])
    seen: dict[tuple[str, ...], int] = {}
    for ngram in _ngrams(words, 4):
        seen[ngram] = seen.get(ngram, 0) + 1
        if seen[ngram] == 3:
            return " ".join(ngram)
    return None


def split_words(text: str) -> list[str]:
    """Lower-case words, with apostrophes and without other punctuation."""
    return re.findall(r"\w+(?:'\w+)*", text.translate(_STRAIGHT).lower())


def _ngrams(words: list[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[offset:] for offset in range(length)), strict=False)


def _first(pattern: re.Pattern[str], text: str, unless_after: re.Pattern[str] | None = None) -> str | None:
    """The first hit, passing over those that stand after what `unless_after` ends with."""
    text = text.translate(_STRAIGHT)
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - _COMPARED_REACH) : match.start()]
        if unless_after is None or unless_after.search(before) is None:
            return match[0].strip()
    return None

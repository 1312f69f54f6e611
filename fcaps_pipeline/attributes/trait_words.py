"""The words of style captions for the speaker and the voice: who, from where, in what mood, with what timbre."""

from typing import Literal, NamedTuple

from fcaps_pipeline.attributes.lexicon import listed, verb_forms

TIMBRES: tuple[str, ...] = listed(
    "warm cold bright dark rich thin full resonant husky smooth silky velvety mellow sweet crisp clear harsh sharp "
    "shrill metallic muffled rough round rounded booming sonorous light heavy thick dull reedy throaty guttural "
    "piercing airy"
)
"""Words for the colour of a voice; they count beside `TIMBRE_HEADS` alone."""
TIMBRE_HEADS = frozenset(listed("voice voices vocals tone tones timbre speech texture quality"))


VOICE_QUALITIES: dict[str, tuple[str, ...]] = {
    "whisper": ("whisper", "whispers", "whispered", "whispering", "whispery"),
    "breathy": ("breathy", "breathiness", "breathily"),
    "creaky": ("creaky", "creak", "creaking", "creakiness", "croaky", "vocal fry", "glottal fry"),
    "hoarse": ("hoarse", "raspy", "hoarseness", "rasp", "rasping", "gravelly", "gravel", "gruff", "scratchy"),
    "nasal": ("nasal", "nasality", "nasally"),
    "strained": ("strained", "strain"),
    "tremulous": ("tremulous", "trembling", "trembles", "quivering", "quivers", "quavering", "shaky", "wavering"),
    "falsetto": ("falsetto",),
    "shout": ("shout", "shouts", "shouted", "shouting", "yell", "yells", "yelled", "yelling", "screams", "screaming"),
}


class EmotionWords(NamedTuple):
    """The words for one emotion; of each kind the first is the plainest."""

    adjectives: tuple[str, ...]
    nouns: tuple[str, ...] = ()
    adverbs: tuple[str, ...] = ()


def _words(adjectives: str, nouns: str = "", adverbs: str = "") -> EmotionWords:
    return EmotionWords(tuple(adjectives.split()), tuple(nouns.split()), tuple(adverbs.split()))


EMOTIONS: dict[str, EmotionWords] = {
    "happy": _words("happy joyful cheerful delighted", "happiness joy", "happily joyfully cheerfully"),
    "amused": _words("amused playful", "amusement playfulness mirth", "playfully"),
    "excited": _words("excited enthusiastic eager", "excitement enthusiasm", "excitedly enthusiastically eagerly"),
    "animated": _words("animated lively energetic upbeat", "", "energetically"),
    "calm": _words("calm relaxed serene peaceful", "calmness serenity", "calmly"),
    "content": _words("contented satisfied", "contentment satisfaction", "contentedly"),
    "tender": _words("tender affectionate loving", "tenderness affection admiration", "tenderly"),
    "confident": _words("confident assured authoritative", "confidence authority", "confidently"),
    "serious": _words("serious solemn earnest stern", "seriousness solemnity", "seriously"),
    "sad": _words("sad sorrowful melancholic mournful gloomy", "sadness sorrow melancholy", "sadly mournfully"),
    "angry": _words("angry furious irate enraged", "anger fury rage", "angrily furiously"),
    "annoyed": _words(
        "annoyed irritated impatient frustrated agitated", "annoyance irritation impatience frustration agitation"
    ),
    "fearful": _words("fearful scared frightened terrified afraid", "fear terror", "fearfully"),
    "nervous": _words("nervous anxious worried uneasy", "nervousness anxiety worry", "nervously anxiously"),
    "surprised": _words("surprised astonished amazed startled", "surprise astonishment amazement"),
    "disgusted": _words("disgusted revolted", "disgust"),
    "contemptuous": _words("contemptuous scornful sarcastic mocking", "contempt scorn sarcasm", "sarcastically"),
    "bored": _words("bored monotonous disinterested", "boredom"),
    "tired": _words("tired weary sleepy exhausted", "tiredness weariness fatigue", "wearily sleepily"),
    "confused": _words("confused puzzled bewildered", "confusion bewilderment"),
    "curious": _words("curious inquisitive", "curiosity", "curiously"),
    "desirous": _words("desirous longing yearning", "desire"),
    "neutral": _words("neutral matter-of-fact unemotional", "neutrality"),
}

SOUNDS: dict[str, tuple[str, ...]] = {
    "laugh": (*verb_forms("laugh", "chuckle", "giggle", "snicker"), "laughter"),
    "sigh": tuple(verb_forms("sigh")),
    "gasp": tuple(verb_forms("gasp")),
    "breath": (*verb_forms("inhale", "exhale"), "breath", "breaths", "inhalation", "exhalation"),
    "sob": (*verb_forms("sob", "weep"), "sobbing", "sobbed", "crying"),
    "cough": tuple(verb_forms("cough")),
    "hum": ("hum", "hums", "humming", "hummed"),
    "groan": tuple(verb_forms("groan", "moan")),
    "sniff": tuple(verb_forms("sniff", "sniffle")),
    "yawn": tuple(verb_forms("yawn")),
    "grunt": tuple(verb_forms("grunt", "snort")),
    "lip smack": ("smack", "smacks", "smacking"),
}
SOUND_NOUNS = frozenset(word for words in SOUNDS.values() for word in words) | frozenset(
    listed(
        "exclamation exclamations squeal squeals shriek shrieks yelp yelps squeak sound sounds syllable syllables note "
        "interjection burst whistle outburst"
    )
)
SURROUNDINGS = frozenset(
    listed(
        "environment environments room rooms background setting surroundings space studio music recording audio "
        "atmosphere place"
    )
)
"""Nouns whose adjectives say nothing about the voice."""

ACCENTS: tuple[str, ...] = listed(
    "american british english scottish irish welsh australian canadian indian pakistani chinese japanese korean german "
    "french spanish italian portuguese russian polish dutch swedish norwegian danish finnish greek turkish arabic "
    "hebrew mexican brazilian nigerian kenyan ghanaian jamaican caribbean african filipino vietnamese thai ukrainian "
    "southern northern midwestern texan cockney hispanic latino scandinavian european"
)
ACCENT_PREFIXES = frozenset({"south", "north", "new", "southern", "northern", "african", "west", "east"})
NEUTRAL_ACCENT_WORDS = frozenset({"standard", "general", "neutral", "typical", "native"})
ACCENT_ONLY = frozenset({"english", "southern", "northern"})
"""Say an accent before the word accent alone: an English speaker is one who speaks English."""

PERSONS: dict[str, tuple[str, str]] = {
    "woman": ("female", "man"),
    "women": ("female", "men"),
    "girls": ("female", "boys"),
    "female": ("female", "male"),
    "lady": ("female", "gentleman"),
    "girl": ("female", "boy"),
    "feminine": ("female", "masculine"),
    "man": ("male", "woman"),
    "men": ("male", "women"),
    "boys": ("male", "girls"),
    "male": ("male", "female"),
    "gentleman": ("male", "lady"),
    "guy": ("male", "woman"),
    "boy": ("male", "girl"),
    "masculine": ("male", "feminine"),
}
"""Word, gender, and the word of the other gender."""
PRONOUNS: dict[str, str] = {
    **dict.fromkeys(("she", "her", "hers", "herself"), "female"),
    **dict.fromkeys(("he", "him", "his", "himself"), "male"),
}
CHILDREN = frozenset(listed("child children kid kids toddler infant boy boys girl girls"))
PERSON_NOUNS = frozenset((*PERSONS, "speaker", "talker", "person", "adult", "narrator", "individual", "voice"))
AGE_WORDS: dict[str, Literal["young adult", "middle-aged", "elderly"]] = {
    **dict.fromkeys(("young", "youthful", "teenage", "teenager", "teen", "adolescent"), "young adult"),
    **dict.fromkeys(("middle-aged",), "middle-aged"),
    **dict.fromkeys(("elderly", "senior"), "elderly"),
}
ADJECTIVE_AGES: dict[str, Literal["middle-aged", "elderly"]] = {
    "mature": "middle-aged",
    "old": "elderly",
    "older": "elderly",
    "aged": "elderly",
}
"""Say an age before a person alone."""

"""Which words take the place of others when one attribute of a caption changes.

A span's form says what kind of word stands there: `FORMS` lists what can stand in the same place
for another value, `counterpart` finds the answer to a word that has a single opposite.
"""

from fcaps_pipeline.attributes import lexicon, trait_words
from fcaps_pipeline.attributes.lexicon import listed

FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "pitch:pitch": {"low": ("low", "deep"), "medium": ("medium", "mid-range"), "high": ("high",)},
    "pitch:voice": {
        "low": ("deep", "low-pitched"),
        "medium": ("medium-pitched", "mid-range"),
        "high": ("high-pitched", "high"),
    },
    "pitch:pitched": {"low": ("low",), "medium": ("medium",), "high": ("high",)},
    "pitch:-pitched": {"low": ("low-pitched",), "medium": ("medium-pitched",), "high": ("high-pitched",)},
    "pitch:-voiced": {"low": ("deep-voiced",), "high": ("high-voiced",)},
    "rate:rate": {
        "slow": listed("slow unhurried leisurely"),
        "measured": listed("measured moderate"),
        "fast": listed("fast quick rapid"),
    },
    "rate:voice": {"slow": ("slow", "unhurried"), "measured": ("measured",), "fast": ("fast", "rapid")},
    "rate:paced": {"slow": ("slow",), "fast": ("fast",)},
    "rate:-paced": {"slow": ("slow-paced",), "fast": ("fast-paced",)},
    "rate:-talking": {"slow": ("slow-talking",), "fast": ("fast-talking",)},
    "rate:adverb": {"slow": ("slowly", "unhurriedly"), "fast": ("quickly", "rapidly")},
    "volume:volume": {"soft": ("low", "soft"), "moderate": ("moderate", "medium"), "loud": ("high", "loud")},
    "volume:level": {"soft": ("soft", "quiet"), "moderate": ("moderate",), "loud": ("loud", "strong")},
    "volume:voice": {"soft": ("soft", "quiet"), "loud": ("loud", "strong")},
    "volume:adverb": {"soft": ("softly", "quietly"), "loud": ("loudly",)},
    "volume:flat": {"soft": ("softly", "quietly"), "loud": ("loudly", "loud")},
    "volume:-volume": {"soft": ("low-volume",), "loud": ("high-volume",)},
    "age": {"young adult": ("young",), "middle-aged": ("middle-aged",), "elderly": ("elderly",)},
    "accent": {
        name: (name.title(),)
        for name in listed("american british scottish irish australian indian german french russian spanish nigerian")
    },
}
"""Form, value, and the words for it, as many as one statement may need."""

EMOTION_OPPOSITES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(listed("happy amused excited animated content tender"), listed("sad angry annoyed fearful bored")),
    **dict.fromkeys(listed("sad angry annoyed fearful disgusted contemptuous"), listed("happy amused content tender")),
    **dict.fromkeys(listed("nervous surprised confused curious"), listed("bored confident")),
    **dict.fromkeys(listed("bored tired neutral desirous"), listed("excited angry surprised")),
    "calm": listed("excited angry nervous"),
    "confident": listed("nervous confused fearful"),
    "serious": listed("amused happy"),
}
"""Labels that no caption of the same moment could carry as well."""

_TIMBRE_PAIRS = (
    *(("warm", "cold"), ("bright", "dark"), ("rich", "thin"), ("full", "thin"), ("smooth", "rough")),
    *(("silky", "rough"), ("velvety", "harsh"), ("mellow", "shrill"), ("sweet", "harsh"), ("clear", "muffled")),
    *(("crisp", "dull"), ("light", "heavy"), ("resonant", "reedy"), ("round", "sharp"), ("booming", "thin")),
)
_QUALITIES = listed("breathy creaky hoarse nasal strained tremulous")
_QUALITY_ADJECTIVES = dict(
    zip(
        listed("breathy creaky hoarse raspy gravelly nasal strained tremulous shaky"),
        listed("breathy creaky hoarse hoarse hoarse nasal strained tremulous tremulous"),
        strict=True,
    )
)
_WHISPERS = dict(
    zip(listed("whisper whispers whispered whispering"), listed("shout shouts shouted shouting"), strict=True)
)
_SHOUTS = {shout: whisper for whisper, shout in _WHISPERS.items()}
_SOUND_VERBS = {stem: (stem, f"{stem}s", f"{stem}ing", f"{stem}ed") for stem in listed("laugh sigh gasp cough")}
_LAUGHS = dict(
    zip(
        listed("chuckle chuckles chuckling chuckled giggle giggles giggling giggled"),
        2 * _SOUND_VERBS["laugh"],
        strict=True,
    )
)
_PLACES = (
    ("early on", "late on"),
    ("early", "late"),
    *((f"{where} the beginning", f"{where} the end") for where in ("at", "near", "towards", "toward")),
    *((f"{where} the start", f"{where} the close") for where in ("at", "near", "towards", "toward")),
    ("soon after the start", "shortly before the close"),
    ("shortly after the start", "shortly before the end"),
    ("right after the beginning", "right before the end"),
)
_MANNERS = (
    *(("loudly", "softly"), ("loudly", "quietly"), ("loud", "soft"), ("loud", "quiet"), ("loud", "hushed")),
    *(("quickly", "slowly"), ("rapidly", "slowly"), ("briskly", "slowly"), ("fast", "slow"), ("rapid", "slow")),
    *(("hurried", "unhurried"), ("quick", "deliberate"), ("forcefully", "softly")),
)


def _both_ways(*pairs: tuple[str, str]) -> dict[str, str]:
    """A dictionary of opposites in which the first pair with a phrase answers it."""
    opposites: dict[str, str] = {}
    for first, second in pairs:
        opposites.setdefault(first, second)
        opposites.setdefault(second, first)
    return opposites


_COURSES = _both_ways(
    *(pair for pairs in lexicon.FIXED_MOVES.values() for pair in pairs),
    *(("louder", "softer"), ("louder", "quieter"), ("louder", "fainter"), ("faster", "slower"), ("quicker", "slower")),
    *(("higher", "lower"), ("higher", "deeper")),
    *(pair for rising, falling in lexicon.MOVES for pair in zip(rising, falling, strict=True)),
    *((f"{verb} up", f"{verb} down") for verb in ("goes", "going", "comes", "moves", "moving")),
    *(("picks up", "slackens"), ("picking up", "slackening")),
    *((f"more {noun}", f"less {noun}") for noun in ("force", "volume", "speed")),
    *(
        (f"{grade} {first}", f"{grade} {second}")
        for grade in ("more", "less", "increasingly", "progressively")
        for first, second in _MANNERS
    ),
)
_TIMBRES = _both_ways(*_TIMBRE_PAIRS)
_PLACE_OPPOSITES = _both_ways(*_PLACES)


_TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {"female": ("male",), "male": ("female",)},
    "emotion": EMOTION_OPPOSITES,
    "voice_quality": {
        **{quality: tuple(other for other in _QUALITIES if other != quality) for quality in _QUALITIES},
        "whisper": ("shout",),
        "shout": ("whisper",),
    },
    "sound": {sound: tuple(other for other in _SOUND_VERBS if other != sound) for sound in _SOUND_VERBS},
}
OPPOSITE = "opposite"


def counterpart(form: str, words: str) -> str | None:
    """The opposite of words that have one; None for others.

    Args:
        form: of the span.
        words: in lower case.
    """
    if form == "course":
        first, hyphen, rest = words.partition("-")
        found = _COURSES.get(first)
        return found and f"{found}{hyphen}{rest}"
    tables = {"timbre": _TIMBRES, "place": _PLACE_OPPOSITES}
    return tables[form].get(words) if form in tables else None


def emotion_word(words: str, target: str) -> str | None:
    """The word of another emotion that is the same part of speech."""
    for kinds in trait_words.EMOTIONS.values():
        for kind, others in zip(kinds, trait_words.EMOTIONS[target], strict=True):
            if words in kind:
                return others[0] if others else None
    return None


def quality_word(words: str, target: str) -> str | None:
    """The adjective or the form of the verb for another voice quality."""
    if words in _QUALITY_ADJECTIVES:
        return target if target in _QUALITIES else None
    return (_WHISPERS if target == "shout" else _SHOUTS).get(words)


def sound_word(words: str, target: str) -> str | None:
    """The same form of the word for another sound."""
    words = _LAUGHS.get(words, words)
    for forms in _SOUND_VERBS.values():
        if words in forms and target in _SOUND_VERBS:
            return _SOUND_VERBS[target][forms.index(words)]
    return None


def targets(field: str, form: str, value: str) -> tuple[str, ...]:
    """Values that a value may change to, `OPPOSITE` where the words alone decide."""
    if form in FORMS:
        return tuple(other for other in FORMS[form] if other != value)
    return _TARGETS[field].get(value, ()) if field in _TARGETS else (OPPOSITE,)

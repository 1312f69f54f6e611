"""The words of style captions, by what they say.

Classes of pitch, rate and volume say nothing by themselves: `scales` binds them to a head noun of
`HEADS`, because high pitch, high volume and high spirits are three different things.
"""

from typing import Literal

from fcaps_pipeline.attributes.stated import Direction


def listed(words: str) -> tuple[str, ...]:
    """The words of a list separated by spaces."""
    return tuple(words.split())


Scale = Literal["pitch", "rate", "volume"]
HeadKind = Literal["pitch", "rate", "volume", "level", "voice", "tone", "speech", "speaker"]

SCALE_VALUES: dict[Scale, tuple[str, str, str]] = {
    "pitch": ("low", "medium", "high"),
    "rate": ("slow", "measured", "fast"),
    "volume": ("soft", "moderate", "loud"),
}
"""From the lower to the upper class."""

_MIDDLES = dict.fromkeys(("medium", "mid", "middle", "average", "normal"), 1)
_SLOW_FAST = {
    **dict.fromkeys(("slow", "unhurried", "leisurely", "deliberate", "sluggish", "languid", "plodding", "glacial"), 0),
    **dict.fromkeys(
        ("fast", "quick", "rapid", "brisk", "swift", "hurried", "rushed", "speedy", "hasty", "frantic", "rapid-fire"), 2
    ),
}
_SOFT_LOUD = {
    **dict.fromkeys(("soft", "quiet", "hushed", "faint"), 0),
    **dict.fromkeys(("loud", "strong", "raised"), 2),
}
_PITCHES = {
    **dict.fromkeys(("low", "deep", "bass"), 0),
    **dict.fromkeys(("medium", "mid", "middle", "mid-range", "midrange"), 1),
    "high": 2,
}

CLASSES: dict[HeadKind, dict[Scale, dict[str, int]]] = {
    "pitch": {"pitch": {**_PITCHES, **_MIDDLES, "moderate": 1}},
    "rate": {
        "rate": {**_SLOW_FAST, **_MIDDLES, "relaxed": 0}
        | dict.fromkeys(("measured", "middling", "moderate", "conversational", "ordinary"), 1)
        | {"low": 0, "high": 2}
    },
    "volume": {
        "volume": {**_SOFT_LOUD, **_MIDDLES, "moderate": 1, "conversational": 1, "ordinary": 1, "low": 0, "high": 2}
    },
    "level": {"volume": {**_SOFT_LOUD, "moderate": 1}},
    "voice": {
        "pitch": _PITCHES,
        "volume": {**_SOFT_LOUD, "moderate": 1},
        "rate": {"slow": 0, "unhurried": 0, "fast": 2, "rapid": 2, "hurried": 2},
    },
    "tone": {"pitch": _PITCHES, "volume": {**_SOFT_LOUD, "moderate": 1}},
    "speech": {"rate": {**_SLOW_FAST, "measured": 1}, "volume": {"soft": 0, "quiet": 0, "hushed": 0, "loud": 2}},
    "speaker": {
        "rate": {"slow": 0, "fast": 2, "quick": 2, "rapid": 2},
        "volume": {"soft": 0, "quiet": 0, "loud": 2},
    },
}
"""What a word says before or after a head of each kind; 0, 1, 2 are the places in `SCALE_VALUES`."""

HEADS: dict[str, HeadKind] = {
    **dict.fromkeys(("pitch", "pitches", "register", "frequency"), "pitch"),
    **dict.fromkeys(("pace", "tempo", "speed", "rate", "rhythm", "cadence", "clip"), "rate"),
    **dict.fromkeys(("volume", "loudness"), "volume"),
    **dict.fromkeys(("level", "force"), "level"),
    **dict.fromkeys(("voice", "voices", "vocals"), "voice"),
    **dict.fromkeys(("soprano", "alto", "contralto", "tenor", "baritone", "falsetto"), "voice"),
    **dict.fromkeys(("tone", "tones", "timbre"), "tone"),
    **dict.fromkeys(("speech", "delivery", "articulation", "phrasing", "drawl"), "speech"),
    **dict.fromkeys(("speaker", "talker"), "speaker"),
}

COMPOUND_HEADS: dict[str, HeadKind] = {
    **dict.fromkeys(("pitched", "pitch", "register"), "pitch"),
    **dict.fromkeys(("paced", "pace", "tempo", "speed", "talking", "speaking"), "rate"),
    **dict.fromkeys(("volume",), "volume"),
    **dict.fromkeys(("voiced", "toned"), "tone"),
    "spoken": "speech",
}
"""Second halves such as in high-pitched, fast-paced, soft-spoken."""

ADVERBS: dict[str, tuple[Scale, int]] = {
    **dict.fromkeys(("slowly", "unhurriedly", "sluggishly", "slow"), ("rate", 0)),
    **dict.fromkeys(("quickly", "rapidly", "briskly", "swiftly", "hurriedly", "fast"), ("rate", 2)),
    **dict.fromkeys(("softly", "quietly", "faintly", "soft", "quiet"), ("volume", 0)),
    **dict.fromkeys(("loudly", "loud"), ("volume", 2)),
}
"""Adverbs that say a class when they stand with a verb of speaking."""


def verb_forms(*stems: str) -> frozenset[str]:
    """Regular forms of verbs: speak, speaks, speaking, speaked."""
    endings = ("", "s", "es", "ing", "ed", "d")
    return frozenset(form for stem in stems for end in endings for form in (stem + end, stem.removesuffix("e") + end))


SPEAKING = verb_forms(
    "speak", "talk", "deliver", "read", "narrate", "articulate", "utter", "recite", "say", "pronounce", "address"
) | {"spoke", "spoken", "said"}
PHASES = verb_forms("begin", "start", "open", "continue", "proceed", "end", "finish", "conclude", "close") | {
    "beginning"
}
"""Verbs that may stand for speaking: begins softly."""
COPULAS = frozenset(
    listed(
        "is was are were being be remains remained remaining stays stayed staying sits keeps kept sounds sounded seems "
        "appears feels has"
    )
)
BECOMING = verb_forms(
    *listed("become grow get turn move go climb shift settle jump slide drift sink dip sound step come swing")
) | {"getting", "grew", "became", "becoming", "went", "goes", "turning", "rises", "drops", "falls", "rising", "is"}

STOPS = frozenset(
    listed(
        "a an the this that these those her his their its my your our each every some any one "
        "she he they it who which whose what whom him them i you we "
        "in at of on with by for from into onto over under through throughout across between during until till "
        "towards toward upon within about against along around after before beyond near off out up down to as than "
        "like per via when while where whenever because since if then though although so yet but nor once whereas "
        "despite again later is was are were be been being am has have had having does do did can could will would "
        "may might must shall"
    )
) | (SPEAKING | PHASES | COPULAS | BECOMING)
"""Words that no chain of modifiers goes across."""

CONNECTORS = frozenset({",", "and", "or", "but", "yet", "-", "/"})

DEGREES = frozenset(
    listed(
        "very quite rather fairly slightly somewhat moderately extremely relatively noticeably distinctly particularly "
        "more most less much far still even too so bit almost nearly just generally mostly consistently overall"
    )
)

PLAIN_ADJECTIVES = frozenset(
    listed(
        "young old adult male female calm gentle tense plain firm single steady even fresh broad narrow wide pleasant "
        "distinct modest own vocal general overall usual same big small neutral serious sincere casual formal mild "
        "subtle bold weak solid stern grave tender human good great short long brief pure raw dry cool senior "
        "singsong sing-song"
    )
)
"""Modifiers that no ending gives away; they may stand between a class and its head."""
ADJECTIVE_ENDINGS = (
    *("ly", "y", "ful", "ous", "ive", "ed", "ing", "al", "ic", "able", "ible", "less", "ant", "ent", "ish", "ary"),
    *("ate", "ile", "ine", "ese", "ian"),
)
NOUN_ENDINGS = ("ity", "gy", "cy", "ry", "ment", "phy", "ony", "ody", "accent", "boy", "lady")

COMPARATIVES: dict[str, tuple[Literal["loudness", "pitch", "rate"], Direction]] = {
    "louder": ("loudness", "rising"),
    "softer": ("loudness", "falling"),
    "quieter": ("loudness", "falling"),
    "fainter": ("loudness", "falling"),
    "higher": ("pitch", "rising"),
    "lower": ("pitch", "falling"),
    "deeper": ("pitch", "falling"),
    "faster": ("rate", "rising"),
    "quicker": ("rate", "rising"),
    "slower": ("rate", "falling"),
}

MOVES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("rise", "rises", "rising", "rose", "risen"), ("fall", "falls", "falling", "fell", "fallen")),
    (("climb", "climbs", "climbing", "climbed"), ("drop", "drops", "dropping", "dropped")),
    (("increase", "increases", "increasing", "increased"), ("decrease", "decreases", "decreasing", "decreased")),
    (("raises", "raising", "raised"), ("lowers", "lowering", "lowered")),
    (("ascend", "ascends", "ascending", "ascended"), ("descend", "descends", "descending", "descended")),
    (("soar", "soars", "soaring", "soared"), ("sink", "sinks", "sinking", "sank")),
    (("build", "builds", "building", "built"), ("decline", "declines", "declining", "declined")),
    (("swell", "swells", "swelling", "swelled"), ("diminish", "diminishes", "diminishing", "diminished")),
    (("jump", "jumps", "jumping", "jumped"), ("dip", "dips", "dipping", "dipped")),
)
"""Verbs of rising and falling; what rises stands beside them. The forms of a pair answer each other."""

FIXED_MOVES: dict[Literal["loudness", "rate"], tuple[tuple[str, str], ...]] = {
    "loudness": (
        ("swells", "fades"),
        ("swelling", "fading"),
        ("swelled", "faded"),
        ("swell", "fade"),
        ("crescendo", "diminuendo"),
        ("gains volume", "loses volume"),
        ("gaining volume", "losing volume"),
        ("gains force", "loses force"),
        ("gaining force", "losing force"),
        ("gains strength", "loses strength"),
        ("gathers force", "loses force"),
        ("swells", "trails off"),
        ("swelling", "trailing off"),
        ("swells", "trails away"),
        ("swells", "dies away"),
        ("swells", "tapers off"),
        ("swells", "softens"),
        ("swelling", "softening"),
    ),
    "rate": (
        ("speeds up", "slows down"),
        ("speeding up", "slowing down"),
        ("sped up", "slowed down"),
        ("speed up", "slow down"),
        ("accelerates", "decelerates"),
        ("accelerating", "decelerating"),
        ("accelerate", "decelerate"),
        ("quickens", "slackens"),
        ("quickening", "slackening"),
        ("picks up pace", "eases off the pace"),
        ("picks up the pace", "eases off the pace"),
        ("picks up speed", "loses speed"),
        ("picking up speed", "losing speed"),
        ("picking up pace", "easing off the pace"),
        ("picking up the pace", "easing off the pace"),
        ("gathers pace", "loses pace"),
        ("gains speed", "loses speed"),
        ("gaining speed", "losing speed"),
        ("gathers speed", "loses speed"),
        ("speeds up", "slows"),
        ("speeding up", "slowing"),
        ("sped up", "slowed"),
    ),
}
"""Verbs that name the quantity themselves, as (rising, falling) pairs of one form.

A phrase that stands in several pairs is answered by the first.
"""

"""The words of the captions: for every fact several ways to say it.

Greedy decoding takes the likeliest word, so the values of a fact share their chances among equally
many words: a value said in four ways would lose to one that is said in a single way.

`grammar` draws from these lists and `reading` looks the same facts up in finished captions, so each
phrase must point to one fact alone: `soft` is a volume, `softer` a change of it.
Square brackets mark the words that carry a fact; they are stripped before anyone reads the text.
"""

GENDER_NOUNS = {
    "female": ("[woman]", "[female] speaker", "[female] talker", "[woman]"),
    "male": ("[man]", "[male] speaker", "[male] talker", "[man]"),
}
PRONOUNS = {"female": "she", "male": "he"}

PITCHES = {"low": ("[low]",), "medium": ("[medium]",), "high": ("[high]",)}
RATES = {
    "slow": ("[slow]", "[slow]", "[slow]", "[unhurried]"),
    "measured": ("[measured]", "[measured]", "[measured]", "[middling]"),
    "fast": ("[fast]", "[fast]", "[fast]", "[quick]"),
}
VOLUMES = {"soft": ("[soft]",), "moderate": ("[moderate]",), "loud": ("[loud]",)}

CHANGING = ("grows", "becomes", "turns")
COMPARATIVES = {
    "loudness": {"rising": "louder", "falling": "softer"},
    "pitch": {"rising": "higher in pitch", "falling": "lower in pitch"},
    "rate": {"rising": "faster", "falling": "slower"},
}
CHANGE_ENDINGS = ("as the words go on", "step by step", "in the later part", "towards the close")
STEADY = (
    "[keeps] one even level and tone from start to finish",
    "[stays] steady in force and tone all the way through",
    "[holds] the same force and tone throughout",
)
"""A change and its absence are said with as many verbs each, so that the likelier of the two has the likelier verb."""

ONE_PAUSE = {
    "beginning": (
        "[pauses] [early] on",
        "makes a [pause] near the [beginning]",
        "takes a [break] soon after the [start]",
    ),
    "middle": (
        "[pauses] [midway]",
        "makes a [pause] in the [middle]",
        "takes a [break] around the [halfway] point",
    ),
    "end": (
        "[pauses] [late] on",
        "makes a [pause] towards the [end]",
        "takes a [break] shortly before the [close]",
    ),
}
SEVERAL_PAUSES = (
    "[pauses] [more than once] between the phrases",
    "makes [several] [pauses] between the phrases",
    "takes a [break] [repeatedly] between the phrases",
)
CONTINUOUS = (
    "[runs] from phrase to phrase in one continuous stream",
    "[links] all the words in a single flowing line",
    "[carries] straight on from one word to the next",
)

NO_SPEECH_FINE = (
    "There is [no speech] to describe here, and every moment from start to end passes in the same wordless way.",
    "There is [no voice] to follow here, from the first moment to the last.",
    "There is [no speech] here at any moment, so the delivery cannot be described.",
)
NO_SPEECH_GLOBAL = (
    "There is [no speech] to profile here, so every trait stays unknown.",
    "There is [no voice] here, and therefore every trait stays unknown.",
)
CLOSINGS = (
    "The delivery comes to its close in that manner.",
    "The last words arrive in that same manner.",
)
"""Added to captions that would fall short of the length the pipeline asks for."""

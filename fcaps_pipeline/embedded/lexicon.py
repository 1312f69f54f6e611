"""The words of the captions: for every fact several ways to say it.

`grammar` draws from these lists and `reading` looks the same facts up in finished captions, so each
phrase must point to one fact alone: `soft` is a volume, `softer` a change of it.
Square brackets mark the words that carry a fact; they are stripped before anyone reads the text.
"""

GENDER_NOUNS = {
    "female": ("[woman]", "[female] speaker", "[female] talker", "[woman]"),
    "male": ("[man]", "[male] speaker", "[male] talker", "[man]"),
}
PRONOUNS = {"female": ("she", "her"), "male": ("he", "his")}

PITCHES = {
    "low": ("[low]", "[deep]"),
    "medium": ("[medium]", "[mid-range]"),
    "high": ("[high]", "[high]"),
}
RATES = {
    "slow": ("[slow]", "[unhurried]", "[slow]"),
    "measured": ("[measured]", "[measured]", "[middling]"),
    "fast": ("[fast]", "[quick]", "[rapid]"),
}
VOLUMES = {
    "soft": ("[soft]", "[quiet]"),
    "moderate": ("[moderate]", "[moderate]"),
    "loud": ("[loud]", "[strong]"),
}

LOUDNESS_COURSES = {
    "rising": (
        "[grows louder] as the words go on",
        "[gains volume] step by step",
        "[becomes louder] on the way to the last words",
        "[swells] and ends with far more force",
    ),
    "falling": (
        "[grows softer] as the words go on",
        "[loses volume] step by step",
        "[becomes softer] on the way to the last words",
        "[fades] and ends with far less force",
    ),
}
PITCH_COURSES = {
    "rising": (
        "[moves higher] in tone later on",
        "[climbs in pitch] through the second half",
        "[ends higher] than it began",
    ),
    "falling": (
        "[moves lower] in tone later on",
        "[drops in pitch] through the second half",
        "[ends lower] than it began",
    ),
}
RATE_COURSES = {
    "rising": (
        "[speeds up] in the later part",
        "[becomes faster] as it proceeds",
        "[picks up pace] towards the close",
    ),
    "falling": (
        "[slows down] in the later part",
        "[becomes slower] as it proceeds",
        "[eases off the pace] towards the close",
    ),
}
STEADY = (
    "[keeps] one even level and tone from start to finish",
    "[stays] steady in force and tone all the way through",
    "[remains] even and settled from the first word to the last",
    "[holds] the same force and tone throughout",
)

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

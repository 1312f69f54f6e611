"""How words of a caption are looked for: whole words, in linear time, and apart from comparisons.

Enters: alternatives, a text. Leaves: patterns, the first words of the text that one hits.
"""

import re

STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d\u00ab\u00bb", '\'\'""""')
"""Makes typographic quotation marks plain."""

FEELING = (
    r"(?:rage|anger|fury|pain|grief|fear|terror|laughter|tears|sobs?|crying|emotions?|effort|excitement|strain|sorrow|"
    r"disgust|panic|joy|despair|shouting|screaming|tenderness|sadness|delight|energy|tension|warmth|feelings?)"
)
VOICE_PART = (
    r"(?:voice|tones?|pitch|timbre|breath(?:s|ing)?|throat|words?|syllables?|vowels?|consonants?|phrases?|sentences?|"
    r"lines?|laugh(?:s|ter)?|chuckles?|giggles?|sighs?|whispers?|speech|delivery|melody|intonation|inflection|cadence|"
    rf"rhythm|register|tempo|pace|volume|emphasis|stress(?:es)?|{FEELING})"
)
"""What is the voice's own, and what is heard in it."""

COMPARED = re.compile(
    r"\b(?:like|as if|as though|as one|as someone|as when|as in|as to|as with|reminiscent of|of someone|of a person|"
    r"of one|as (?!well |soon |long |far |much )\w+ as|evok(?:es|ing)|resembl(?:es|ing)|recall(?:s|ing)|the way)\b"
    r"(?:(?! while |, (?:and|but|then|as|that|which|while|until|before) )[^.;:]){0,80}$",
    re.IGNORECASE,
)
"""What ends within a comparison; a comma and a conjunction lead out of it."""

_REACH = 110
"""Characters before a hit in which a comparison is looked for."""


def whole(*alternatives: str) -> re.Pattern[str]:
    """Matches any alternative that is no part of a longer or hyphenated word."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(alternatives)})(?![\w-])", re.IGNORECASE)


def first_of(
    pattern: re.Pattern[str], text: str, *, start: int = 0, unless_after: re.Pattern[str] | None = None
) -> str | None:
    """The first hit from `start` on, passing over those that stand after what `unless_after` ends with."""
    text = text.translate(STRAIGHT)
    for match in pattern.finditer(text, start):
        before = text[max(0, match.start() - _REACH) : match.start()]
        if unless_after is None or unless_after.search(before) is None:
            return match[0].strip()
    return None

"""Where in a caption's story something happens: beginning, middle or end.

A place belongs to what stands in the same clause: after it (`pauses midway`), before it
(`halfway through she pauses`), or as an introduction of its own (`towards the end, she pauses`).
"""

import re
from itertools import takewhile

from fcaps_pipeline.attributes.mentions import Span
from fcaps_pipeline.attributes.stated import Place

_BEGIN = r"(?:beginning|start|outset|opening|onset)"
_END = r"(?:end|close|ending|finish|conclusion)"
_PHRASES: dict[Place, str] = {
    "beginning": rf"early(?: on)?|at first|initially|(?:near|at|in|from|towards?) the (?:very )?{_BEGIN}|"
    rf"(?:soon|shortly|right|just) after (?:the|its|her|his) {_BEGIN}|in the first (?:half|part|third|words?|phrase)",
    "middle": r"midway(?: through)?|half-?way(?: through)?|(?:in|around|near|at|towards?|about) the "
    r"(?:middle|halfway(?: point)?|midpoint|centre|center)|partway(?: through)?|mid-(?:phrase|sentence|speech)",
    "end": r"late(?:r)? on|late|later|finally|at last|"
    rf"(?:towards?|near|at|in|by|until) the (?:very )?{_END}|"
    rf"(?:(?:shortly|just|right|soon|briefly) )?before (?:the|its|her|his) (?:{_END}|(?:last|final) \w+)|"
    r"(?:in|through|during|over|on|towards?) the (?:second half|later part|latter (?:half|part)|"
    r"(?:last|final) (?:part|third|words?|phrase|syllables?))",
}
_INTRODUCING: dict[Place, str] = {
    "beginning": r"begins?|beginning|starts?|starting|opens?|opening",
    "middle": r"(?!)",
    "end": r"ends?|ending|finish(?:es|ing)|conclud(?:es|ing)|clos(?:es|ing)",
}
_AFTER = {place: re.compile(rf"(?<![\w-])(?:{phrase})(?![\w-])") for place, phrase in _PHRASES.items()}
_BEFORE = {
    place: re.compile(rf"(?<![\w-])(?:{phrase}|{_INTRODUCING[place]})(?![\w-])") for place, phrase in _PHRASES.items()
}
_WHOLE = {place: re.compile(rf"(?:and |then )*(?:{phrase})") for place, phrase in _PHRASES.items()}
_BOUNDARY = re.compile(r"[.;:!?,]|\b(?:and|then|while|but)\b|\bbefore\b(?! (?:the|its|her|his) )|\bas\b")

CLAUSE_REACH = 400
"""Characters to either side that can belong to one clause, at most: what each statement costs is bounded."""


def find_place(text: str, start: int, end: int) -> tuple[Place, Span] | None:
    """Place of what the characters `[start, end)` of a text in lower case state, with the words that say so."""
    after = _BOUNDARY.search(text, end, end + CLAUSE_REACH)
    last = after.start() if after else end + CLAUSE_REACH
    earliest = max(0, start - CLAUSE_REACH)
    boundaries = list(takewhile(lambda match: match.end() <= start, _BOUNDARY.finditer(text, earliest)))
    first = boundaries[-1].end() if boundaries else earliest
    return (
        _search(_AFTER, text, end, last)
        or _search(_BEFORE, text, first, start)
        or _introduction(text, boundaries[-2].end() if len(boundaries) > 1 else earliest, boundaries)
    )


def _search(patterns: dict[Place, re.Pattern[str]], text: str, start: int, end: int) -> tuple[Place, Span] | None:
    """The first phrase of place between two characters."""
    hits = [
        (match.start(), place, match)
        for place, pattern in patterns.items()
        if (match := pattern.search(text, start, end))
    ]
    if not hits:
        return None
    _, place, match = min(hits, key=lambda hit: hit[0])
    return place, Span(match.start(), match.end(), "place")


def _introduction(text: str, start: int, boundaries: list[re.Match[str]]) -> tuple[Place, Span] | None:
    """The clause before, where it is nothing but a phrase of place and a comma."""
    if not boundaries or boundaries[-1][0] != ",":
        return None
    clause = text[start : boundaries[-1].start()]
    for place, pattern in _WHOLE.items():
        if pattern.fullmatch(clause.strip()):
            first = start + len(clause) - len(clause.lstrip())
            return place, Span(first, boundaries[-1].start(), "place")
    return None

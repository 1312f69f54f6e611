"""Finds what a caption says about pauses: none, one with its place, or several.

Enters: tokens. Leaves: mentions with the count as value. `The pause` and `this pause` speak of one
that was mentioned before.
"""

import re
from collections.abc import Iterator

from fcaps_pipeline.attributes import trait_words
from fcaps_pipeline.attributes.lexicon import listed
from fcaps_pipeline.attributes.mentions import Mention, Span
from fcaps_pipeline.attributes.phrases import is_modifier, passed_over
from fcaps_pipeline.attributes.places import CLAUSE_REACH, find_place
from fcaps_pipeline.attributes.tokens import Tokens

_NONE = re.compile(
    r"\b(?:no|without(?: an?| any)?|free of|free from)(?: (?!long|extended)\w+){0,2} "
    r"(?:pauses?|pausing|breaks?(?! (?:into|in (?:the|her|his|their) voice)))\b|"
    r"\b(?:never|does not|doesn't|not)(?: (?!long|extended)\w+){0,2} (?:pauses?|pausing)\b|"
    # A voice that does not break, and a speaker who does not break into laughter, may still pause.
    r"\b(?:never|does not|doesn't|not)(?: \w+){0,2} (?:an?|any|single) breaks?\b"
)
_UNBROKEN = re.compile(
    r"\b(?:uninterrupted(?:ly)?|unbroken|non-?stop)\b|"
    r"\b(?:continuous|single flowing|unceasing) (?:stream|flow|line)\b|\bstraight on from one word\b"
)
_REPEATED = re.compile(
    r"\bmore than once\b|\brepeatedly\b|\boften\b|\bfrequently\b|\b(?:several|many|a few|two|three) times\b|\btwice\b|"
    r"\bagain and again\b|\bbetween (?:the |her |his |each )?(?:phrases|words|sentences|clauses)\b|\bnow and then\b"
)
_CLAUSE_END = re.compile(r"[.;:!?]|,|\band\b(?! again)")
_SEVERAL = frozenset(
    listed("several many frequent occasional multiple some few numerous two three repeated regular each every more")
)
_DEFINITE = frozenset({"the", "this", "that"})
_TAKING = frozenset(listed("take takes taking took make makes making made"))
_REACH = 5


def find_pauses(tokens: Tokens) -> Iterator[Mention]:
    """Statements about pauses, in the order of the text within each kind."""
    caption = tokens.plain
    for match in _NONE.finditer(caption):
        yield Mention("pauses", "none", (Span(*match.span(), None),))
    for match in _UNBROKEN.finditer(caption):
        if tokens.states(*match.span()):
            yield Mention("pauses", "none", (Span(*match.span(), None),))
    for index in range(len(tokens)):
        count = _count(tokens, index) if tokens.is_stated(index) else None
        if count is not None:
            yield _mention(tokens, index, count)


def _count(tokens: Tokens, index: int) -> str | None:
    """`one` or `several` where the word is a pause that was not mentioned before."""
    text = tokens.text(index)
    if text in {"break", "breaks"} and _has_before(tokens, index, _TAKING):
        return "several" if text == "breaks" or _is_repeated(tokens, index) else "one"
    if text == "silence" and _has_before(tokens, index, frozenset({"a"})):
        return "one"
    if text not in {"pause", "pauses", "paused", "pausing"}:
        return None
    before = _determiner(tokens, index)
    if _is_repeated(tokens, index) or before in _SEVERAL or _has_before(tokens, index, _SEVERAL):
        return "several"
    if text == "pauses" and _is_noun(tokens, index):
        return "several"
    return None if text == "pause" and before in _DEFINITE else "one"


def _determiner(tokens: Tokens, index: int) -> str:
    """The word before the noun's modifiers."""
    return tokens.text(passed_over(tokens, index - 1, -1, is_modifier))


def _has_before(tokens: Tokens, index: int, words: frozenset[str]) -> bool:
    """Whether one of the words stands before the noun, with nothing but modifiers and articles between."""
    for before in range(index - 1, index - 1 - _REACH, -1):
        text = tokens.text(before)
        if text in words:
            return True
        if not (is_modifier(text) or text in {"a", "an", "any", "moment", "of"}):
            return False
    return False


def _is_noun(tokens: Tokens, index: int) -> bool:
    """Tells `natural pauses` from `she pauses`, `briefly pauses` and `and pauses`."""
    before = tokens.text(index - 1)
    if before in {"with", "of", "by", "between", "for", "in", "her", "his", "the", "their", "to", "after", "into"}:
        return True
    return is_modifier(before) and not before.endswith("ly") and before not in trait_words.PERSON_NOUNS


def _is_repeated(tokens: Tokens, index: int) -> bool:
    caption, start = tokens.plain, tokens[index].end
    last = start + CLAUSE_REACH
    end = _CLAUSE_END.search(caption, start, last)
    return _REPEATED.search(caption, start, end.start() if end else last) is not None


def _mention(tokens: Tokens, index: int, count: str) -> Mention:
    span = Span(tokens[index].start, tokens[index].end, None)
    found = find_place(tokens.plain, span.start, span.end) if count == "one" else None
    if found is None:
        return Mention("pauses", count, (span,))
    return Mention("pauses", count, (span, found[1]), found[0])

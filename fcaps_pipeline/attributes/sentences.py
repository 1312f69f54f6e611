"""Where the sentences and clauses of a caption begin and end.

A text enters, character spans leave, in order, without the white space around them. Every character that is no white
space is in exactly one sentence, and in exactly one clause.
"""

import re
from collections.abc import Iterator

_SENTENCE_END = re.compile(r"[.!?]+[\"')\]\u2019\u201d]*(?=\s)|\n")
_CLAUSE_END = re.compile(
    rf"{_SENTENCE_END.pattern}|[;\u2013\u2014]|,(?= (?:and|then|while|but|yet|before|until|whereas)\b)|"
    r"(?= (?:and then|while|but|whereas)\b)"
)
_BLANK = re.compile(r"\s*")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """`[start, end)` of each sentence, with the mark that ends it."""
    return list(_spans(text, _SENTENCE_END))


def clause_spans(text: str) -> list[tuple[int, int]]:
    """`[start, end)` of each clause: part of a sentence that says something of its own."""
    return list(_spans(text, _CLAUSE_END))


def _spans(text: str, border: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for end in (*(match.end() for match in border.finditer(text)), len(text)):
        blank = _BLANK.match(text, start)
        first = blank.end() if blank else start
        last = first + len(text[first:end].rstrip())
        if last > first:
            yield first, last
        start = end

"""Takes a caption apart into tokens, and knows which of them state something.

Quoted words are one opaque token each. Tokens in the scope of a negation (`without any rasp`) or of
a comparison (`as if whispering`) are there for the grammar around them but state nothing.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from fcaps_pipeline.attributes.lexicon import SPEAKING, listed
from fcaps_pipeline.attributes.trait_words import PRONOUNS

QUOTE = "<quote>"
_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d\u00ab\u00bb", '\'\'""""')
_QUOTATION = re.compile(r"\"[^\"]*\"|(?<!\w)'(?:[^']|(?<=\w)'(?=\w))+'(?!\w)")
_TOKEN = re.compile(rf"{_QUOTATION.pattern}|[^\W\d_]+(?:['-][^\W\d_]+)*|\d+s?|[^\w\s]")
_CONTRACTED = re.compile(r"(?<=\w)'(?:s|ll|d|re|ve)$")
_SENTENCE_ENDS = frozenset(".!?;:")
_NEGATIONS = frozenset(listed("not no never neither nor without lacks lacking lack hardly cannot devoid"))
_NEGATING_PAIRS = frozenset({("rather", "than"), ("instead", "of"), ("free", "of"), ("free", "from"), ("far", "from")})
_COMPARING_PAIRS = frozenset({("as", "if"), ("as", "though")})
_AFTER_NOT = frozenset(listed("only just merely"))
_SCOPE_ENDS = frozenset(listed("but yet while though although before after then because until"))
_LIST_REACH = 5


@dataclass(frozen=True)
class Token:
    """A word, a punctuation mark or a whole quotation."""

    text: str
    """In lower case, with straight apostrophes and without a possessive or contracted ending."""
    start: int
    end: int
    is_stated: bool = True

    @property
    def is_word(self) -> bool:
        """False for punctuation and quotations."""
        return self.text[0].isalnum()


class Tokens:
    """The tokens of one caption; asking beyond either end gives the empty text."""

    def __init__(self, caption: str) -> None:
        """Splits the caption."""
        text = "".join(map(_lower, caption.translate(_STRAIGHT)))
        matches = list(_TOKEN.finditer(text))
        self.texts = [_normal(match[0]) for match in matches]
        self.plain = _QUOTATION.sub(lambda match: " " * len(match[0]), text)
        """The caption in lower case with blanks for quotations, character for character."""
        self._items = [
            Token(text, match.start(), match.end() if text == QUOTE else match.start() + len(text), is_stated)
            for text, match, is_stated in zip(self.texts, matches, _stated(self.texts), strict=True)
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Token:
        return self._items[index]

    def text(self, index: int) -> str:
        """The token's text; empty outside of the caption."""
        return self.texts[index] if 0 <= index < len(self.texts) else ""

    def is_stated(self, *indices: int) -> bool:
        """Whether all of them state something."""
        return all(self._items[index].is_stated for index in indices)

    def states(self, start: int, end: int) -> bool:
        """Whether all tokens in the characters `[start, end)` of the caption state something."""
        index = bisect_right(self._items, start, key=lambda token: token.end)
        while index < len(self._items) and self._items[index].start < end:
            if not self._items[index].is_stated:
                return False
            index += 1
        return True

    def has(self, index: int, words: tuple[str, ...]) -> bool:
        """Whether these words stand at `index`."""
        return tuple(self.texts[index : index + len(words)]) == words

    def ends_clause(self, index: int) -> bool:
        """Whether a clause ends before this token: sentence mark, or either end of the caption."""
        text = self.text(index)
        return not text or text in _SENTENCE_ENDS


def _lower(character: str) -> str:
    """Lower case where that keeps the length, so that places in the text stay the same."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _normal(token: str) -> str:
    return QUOTE if len(token) > 1 and token[0] in "\"'" else _CONTRACTED.sub("", token)


def _stated(texts: list[str]) -> list[bool]:
    stated = []
    in_scope = False
    for index in range(len(texts)):
        if _opens_scope(texts, index):
            in_scope = True
        elif in_scope and _closes_scope(texts, index):
            in_scope = False
        stated.append(not in_scope)
    return stated


def _opens_scope(texts: list[str], index: int) -> bool:
    text, following = texts[index], texts[index + 1] if index + 1 < len(texts) else ""
    if (text, following) in _NEGATING_PAIRS | _COMPARING_PAIRS:
        return True
    return (text in _NEGATIONS or text.endswith("n't")) and following not in _AFTER_NOT


def _closes_scope(texts: list[str], index: int) -> bool:
    """At the end of the clause; a comma inside a list that `or` or `nor` ends does not close it."""
    text = texts[index]
    if text == "though" and texts[index - 1] == "as":
        return False
    if text in _SENTENCE_ENDS or text in _SCOPE_ENDS or text in {"(", ")", "\u2014", "\u2013"}:
        return True
    if text == ",":
        ahead = texts[index + 1 : index + 1 + _LIST_REACH]
        return not {"or", "nor"} & set(ahead[: ahead.index(",")] if "," in ahead else ahead)
    following = texts[index + 1] if index + 1 < len(texts) else ""
    return text == "and" and (following in PRONOUNS or following in SPEAKING or following in {"the", "a", "an"})

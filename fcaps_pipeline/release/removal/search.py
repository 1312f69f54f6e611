"""Many values looked for at once in bytes and in columns, whatever their number.

Enters: values, each with what it is. Leaves: those that are met, and where. A value of eight bytes and more is found
anywhere, also as JSON escapes it; a name only where no other character of a name goes on beside it. A shorter one would
be met by chance, and counts only as a whole value. Eight or 24 bytes of each value are looked up for every place of
the bytes at once; what they find is compared whole.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

SHORTEST = 8
"""Bytes of the shortest value that is found inside others."""
_LONG = 24
_TABLE_BITS = 22
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_CHUNK_BYTES = 1_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OF_NAMES = re.compile(rb"[A-Za-z0-9_]")

Words = npt.NDArray[np.uint64]


class Needle(NamedTuple):
    """A value that is looked for."""

    value: str
    what: str
    """`recording id`, `transcript`, …"""
    how: Literal["anywhere", "name", "whole"]
    """Where it counts: wherever it stands, where no character of a name goes on beside it, or as a whole value."""


class _Form(NamedTuple):
    """How a value may stand in bytes."""

    content: bytes
    needle: Needle


class Search:
    """Finds needles; more of them cost memory, not time."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        """Takes them in."""
        self.by_value = {one.value: one for one in needles if one.value}
        forms = [form for one in self.by_value.values() if one.how != "whole" for form in _forms(one)]
        self._anchors = [
            _Anchors(width, [form for form in forms if _width(form) == width]) for width in (SHORTEST, _LONG)
        ]
        self._longest = max((len(form.content) for form in forms), default=0)

    @property
    def overlap(self) -> int:
        """Bytes that a reader keeps of what it read before, so that no needle is cut apart, and one beside it."""
        return self._longest + 1

    def whole(self, values: Iterable[str | None]) -> Iterator[Needle]:
        """Needles that are one of the values, whole."""
        return (self.by_value[one] for one in values if one is not None and one in self.by_value)

    def inside(self, content: bytes) -> Iterator[tuple[int, Needle]]:
        """Needles inside bytes, with their places; those that are too short are not looked for."""
        step = max(_CHUNK_BYTES, 2 * self._longest)
        for start in range(0, len(content), step):
            chunk = content[start : start + step + self._longest]
            for anchors in self._anchors:
                for place, form in anchors.inside(chunk):
                    if place < step and _ends(content, start + place, form):
                        yield start + place, form.needle

    def names_any(self, text: str) -> bool:
        """Whether a text is or holds one of them."""
        return text in self.by_value or next(self.inside(text.encode(errors="surrogateescape")), None) is not None


class _Anchors:
    """Forms that are found by so many bytes from their middle."""

    def __init__(self, width: int, forms: list[_Form]) -> None:
        self._width = width
        self._forms: dict[int, list[tuple[int, _Form]]] = {}
        for form in forms:
            offset = (len(form.content) - width) // 2
            (word,) = self._words(form.content[offset : offset + width]).tolist()
            self._forms.setdefault(word, []).append((offset, form))
        self._sorted = np.array(sorted(self._forms), np.uint64)
        self._table = np.zeros(1 << _TABLE_BITS, bool)
        self._table[_slots(self._sorted)] = True

    def inside(self, content: bytes) -> Iterator[tuple[int, _Form]]:
        if not self._forms or len(content) < self._width:
            return
        words = self._words(content)
        places = np.flatnonzero(self._table[_slots(words)])
        found = words[places]
        nearest = np.minimum(np.searchsorted(self._sorted, found), len(self._sorted) - 1)
        is_anchor = self._sorted[nearest] == found
        for place, word in zip(places[is_anchor].tolist(), found[is_anchor].tolist(), strict=True):
            for offset, form in self._forms[word]:
                start = place - offset
                if start >= 0 and content.startswith(form.content, start):
                    yield start, form

    def _words(self, content: bytes) -> Words:
        """What tells the bytes that begin at each place."""
        eights: Words = np.ndarray((len(content) - 7,), np.uint64, content, 0, (1,)).copy()
        if self._width == SHORTEST:
            return eights
        count = len(content) - self._width + 1
        parts = (eights[8 * part : 8 * part + count] * np.uint64(_FACTORS[part]) for part in range(3))
        mixed: Words = sum(parts, np.zeros(count, np.uint64))
        return mixed


def _slots(words: Words) -> npt.NDArray[np.int64]:
    slots: Words = (words * np.uint64(_FACTORS[0])) >> np.uint64(64 - _TABLE_BITS)
    return slots.view(np.int64)


def _width(form: _Form) -> int | None:
    if len(form.content) < SHORTEST:
        return None
    return _LONG if len(form.content) >= _LONG else SHORTEST


def _forms(needle: Needle) -> Iterator[_Form]:
    """As text, as JSON escapes it, and a checksum also as bytes."""
    texts = {needle.value, *(json.dumps(needle.value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))}
    contents = {text.encode(errors="surrogateescape") for text in texts}
    if _DIGEST.fullmatch(needle.value):
        contents.add(bytes.fromhex(needle.value))
    return (_Form(content, needle) for content in sorted(contents))


def _ends(content: bytes, start: int, form: _Form) -> bool:
    """Whether a name is not part of another."""
    if form.needle.how == "anywhere":
        return True
    end = start + len(form.content)
    around = content[max(0, start - 1) : start], content[end : end + 1]
    return not any(map(_OF_NAMES.match, around))

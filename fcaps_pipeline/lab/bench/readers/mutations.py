"""Damage to the bytes of a file, decided by a seed.

Enters: bytes and a generator. Leaves: other bytes. Heads are hit more often than the rest, and with the numbers that
length fields are wrong by: none, all ones, half of that, one more, one less.
"""

from collections.abc import Callable
from random import Random

_HEAD_BYTES = 256
_MAX_PIECE_BYTES = 2_048
_NUMBERS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)


def mutate(content: bytes, random: Random) -> bytes:
    """One to three kinds of damage, one after the other."""
    for _ in range(random.randint(1, 3)):
        content = random.choice(_KINDS)(content, random)
    return content


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[_place(len(changed), random)] = random.randrange(256)
    return bytes(changed)


def _number(content: bytes, random: Random) -> bytes:
    """A field of two, four or eight bytes becomes a number that it should not hold."""
    size = random.choice((2, 4, 8))
    at = _place(len(content), random)
    value = random.choice((*_NUMBERS, random.getrandbits(32))) & ((1 << 8 * size) - 1)
    field = value.to_bytes(size, random.choice(("big", "little")))
    return content[:at] + field + content[at + size :]


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _leave_out(content: bytes, random: Random) -> bytes:
    at, size = _piece(content, random)
    return content[:at] + content[at + size :]


def _double(content: bytes, random: Random) -> bytes:
    at, size = _piece(content, random)
    return content[: at + size] + content[at:]


def _insert(content: bytes, random: Random) -> bytes:
    at, size = _piece(content, random)
    return content[:at] + random.randbytes(size) + content[at:]


def _overwrite(content: bytes, random: Random) -> bytes:
    at, size = _piece(content, random)
    return content[:at] + random.randbytes(size) + content[at + size :]


def _place(num_bytes: int, random: Random) -> int:
    return random.randrange(max(1, min(num_bytes, _HEAD_BYTES) if random.random() < 0.6 else num_bytes))


def _piece(content: bytes, random: Random) -> tuple[int, int]:
    return _place(len(content), random), random.randint(1, _MAX_PIECE_BYTES)


_KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _flip,
    _number,
    _number,
    _cut,
    _leave_out,
    _double,
    _insert,
    _overwrite,
)

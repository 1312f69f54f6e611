"""The headers of a tar, one after the other, without reading what they stand before.

Enters: a ByteSource. Leaves: entries with their places in it, as `tarfile` would name them. What is damaged becomes an
entry that is refused, and reading goes on at the next header; zeros and further tars behind the end are read on, as
tars that were joined hold them. Long names and pax records are read up to a bound.

Source: POSIX.1-2017, pax, ustar and pax interchange formats; GNU tar manual, section Basic Tar Format.
"""

import tarfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fcaps_pipeline.audio.byte_source import ByteSource

_BLOCK = tarfile.BLOCKSIZE
_CHUNK_BYTES = 2_048 * _BLOCK
_MAX_NAME_BYTES = 1_000_000
"""Of a long name, or of all pax records of a member."""
_MAX_MEMBER_BYTES = 64_000_000_000
"""A day of sound takes a fourth of it, at 48 kHz and on two channels."""
_LENGTH_DIGITS = 20
_MAGIC_AT, _MAGIC = 257, b"ustar"
_NOT_FOLLOWED = "and nothing is followed; put the file itself into the tar"
_KINDS = {
    tarfile.LNKTYPE: f"is a link to another member, {_NOT_FOLLOWED}",
    tarfile.SYMTYPE: f"is a symbolic link, {_NOT_FOLLOWED}",
    tarfile.CHRTYPE: "is a device, not a regular file; take it out of the tar",
    tarfile.BLKTYPE: "is a device, not a regular file; take it out of the tar",
    tarfile.FIFOTYPE: "is a named pipe, not a regular file; take it out of the tar",
    tarfile.CONTTYPE: None,
    tarfile.REGTYPE: None,
    tarfile.AREGTYPE: None,
}
_WITHOUT_CONTENT = {tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
_GNU_TYPES = {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_SPARSE}
"""Of which no name has a prefix."""
_SPARSE = "is stored as a sparse file, whose bytes do not lie together; write the tar again without --sparse"


class TarEntry(NamedTuple):
    """A member, or a stretch that should have been one."""

    name: str
    """Without `./` before it."""
    offset: int
    """Of its content."""
    num_bytes: int
    refusal: str | None
    """Why it is not read, as it follows the name; None for a regular file."""

    @property
    def stem(self) -> str:
        """The name without its suffix, folders included."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """With its dot; empty where there is none. Millions of names are looked at: no path is made of them."""
        base, dot, end = self.name.rpartition(".")
        return f".{end}" if dot and end and "/" not in end and base and not base.endswith("/") else ""

    @property
    def is_hidden(self) -> bool:
        """Whether it, or a folder that it lies in, has a name that begins with a dot."""
        return f"/{self.name}".replace("/../", "//").find("/.") >= 0


class _Head(NamedTuple):
    """What is read of a header; `tarfile` reads owners, modes and times too, and is five times as slow."""

    name: str
    size: int
    type: bytes


class TarHeaders:
    """Iterate once; afterwards `has_end` tells whether the tar was closed as tars are."""

    def __init__(self, source: ByteSource) -> None:
        """Reads nothing yet."""
        self._source = source
        self._at = 0
        self.has_end = False
        """Whether the last thing in it is a block of zeros, as its writer leaves them."""
        self._common: dict[str, str] = {}
        self._own: dict[str, str] = {}

    def __iter__(self) -> Iterator[TarEntry]:
        """Yields what is no folder.

        Raises:
            StorageError: the storage fails.
        """
        while self._at < self._source.num_bytes:
            block = self._source.at(self._at, _BLOCK)
            if not any(block):
                self.has_end = True
                self._at = self._behind_zeros()
                continue
            self.has_end = False
            if len(block) < _BLOCK:
                yield self._damaged("breaks off in the middle of a header", self._source.num_bytes)
                continue
            entry = self._read(block)
            if entry is not None:
                yield entry

    def _read(self, block: bytes) -> TarEntry | None:
        """What one header says; None of a folder, and of what belongs to the next member."""
        try:
            head = _head(block)
            if head.size < 0:
                raise tarfile.ReadError("negative size")
            if head.type in {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_PAX_TYPES}:
                self._take_in(head)
                return None
            return self._member(head)
        except (tarfile.TarError, ValueError):
            return self._damaged("has a damaged header, so that its name and length are lost", None)

    def _damaged(self, what: str, behind: int | None) -> TarEntry:
        """A stretch up to the next header that is whole."""
        start, self._own = self._at, {}
        self._at = self._next_header(start + _BLOCK) if behind is None else behind
        return TarEntry(f"byte {start}", start, self._at - start, f"{what}; copy or write the tar again")

    def _take_in(self, head: _Head) -> None:
        """Reads a long name or pax records, for the member behind them."""
        if head.size > _MAX_NAME_BYTES:
            raise tarfile.ReadError("beyond all measure")
        content = self._source.at(self._at + _BLOCK, head.size)
        if len(content) < head.size:
            raise tarfile.ReadError("breaks off")
        if head.type == tarfile.GNUTYPE_LONGNAME:
            self._own["path"] = _text(content.partition(b"\0")[0])
        elif head.type == tarfile.XGLTYPE:
            self._common |= _pax_records(content)
        elif head.type in _PAX_TYPES:
            self._own |= _pax_records(content)
        self._at += _BLOCK + _padded(head.size)

    def _member(self, head: _Head) -> TarEntry | None:
        records, self._own = self._common | self._own, {}
        num_bytes = int(records.get("size", head.size))
        if num_bytes < 0:
            raise tarfile.ReadError("negative size")
        name = _plain(records.get("path", head.name))
        content_at = self._at + _BLOCK
        if head.type == tarfile.GNUTYPE_SPARSE:
            self._at = self._next_header(content_at)
        else:
            has_content = head.type not in _WITHOUT_CONTENT | {tarfile.DIRTYPE}
            self._at = content_at + (_padded(num_bytes) if has_content else 0)
        if head.type == tarfile.DIRTYPE:
            return None
        return TarEntry(name, content_at, num_bytes, _refusal(head.type, name, num_bytes, records))

    def _behind_zeros(self) -> int:
        at = self._at
        while chunk := self._source.at(at, _CHUNK_BYTES):
            rest = chunk.lstrip(b"\0")
            if rest:
                return at + (len(chunk) - len(rest)) // _BLOCK * _BLOCK
            at += len(chunk)
        return at

    def _next_header(self, at: int) -> int:
        """Place of the next block that is a header beyond doubt."""
        while chunk := self._source.at(at, _CHUNK_BYTES):
            for place in range(0, len(chunk), _BLOCK):
                mark = place + _MAGIC_AT
                if chunk[mark : mark + len(_MAGIC)] == _MAGIC and _is_header(chunk[place : place + _BLOCK]):
                    return at + place
            at += len(chunk)
        return self._source.num_bytes


_PAX_TYPES = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}


def _head(block: bytes) -> _Head:
    """The fields of a header, as `tarfile.TarInfo.frombuf` reads them.

    Raises:
        TarError: its checksum is of something else.
        ValueError: a number is none.
    """
    stated, unsigned = _number(block[148:156]), sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if stated != unsigned and stated != unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
        raise tarfile.ReadError("bad checksum")
    kind, name = block[156:157], _text(block[:100].partition(b"\0")[0])
    if kind == tarfile.AREGTYPE and name.endswith("/"):
        kind = tarfile.DIRTYPE  # as tars were before there was a type for folders
    prefix = "" if kind in _GNU_TYPES else _text(block[345:500].partition(b"\0")[0])
    return _Head(f"{prefix}/{name}" if prefix else name, _number(block[124:136]), kind)


def _number(field: bytes) -> int:
    """Octal digits, or of GNU tar bytes behind a mark.

    Raises:
        ValueError: it is neither.
    """
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    if field[0] == 0xFF:
        return int.from_bytes(field, signed=True)
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


def _is_header(block: bytes) -> bool:
    try:
        _head(block)
    except (tarfile.TarError, ValueError):
        return False
    return True


def _pax_records(content: bytes) -> dict[str, str]:
    """Records of the form `LENGTH KEY=VALUE`, the length counted from its own first digit.

    Raises:
        ValueError: one is not of that form.
    """
    found: dict[str, str] = {}
    at, end = 0, len(content.rstrip(b"\0"))
    while at < end:
        begin = content.index(b" ", at, at + _LENGTH_DIGITS) + 1
        behind = at + int(content[at : begin - 1])
        key, equals, value = content[begin : behind - 1].partition(b"=")
        if behind <= begin or content[behind - 1 : behind] != b"\n" or not equals:
            raise ValueError("no pax record")
        found[_text(key)] = _text(value)
        at = behind
    return found


def _refusal(kind: bytes, name: str, num_bytes: int, records: Mapping[str, str]) -> str | None:
    if kind == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse.") for key in records):
        return _SPARSE
    if (reason := _KINDS.get(kind, f"is a member of the unknown kind {kind!r}; take it out of the tar")) is not None:
        return reason
    if not name or name.startswith("/") or ".." in name.split("/"):
        return "has a name that leads out of the tar; write the tar again with relative names"
    if num_bytes > _MAX_MEMBER_BYTES:
        return f"claims to have {num_bytes:,} bytes, more than any recording; write the tar again"
    return None


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // _BLOCK) * _BLOCK


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")

"""Files that come out the same, byte for byte, whenever they are written: lines of JSON, tars, folders of FLACs."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

_MODE = 0o644
_COMPRESSION = 6


def json_text(content: Any) -> str:
    """On one line, as readable as the texts in it."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


class JsonLines:
    """A file with one JSON object a line; as gzip where its name ends in `.gz`."""

    def __init__(self, path: Path) -> None:
        """Begins the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = path.open("wb")
        self._is_gzip = path.suffix == ".gz"
        # Neither name nor time of the file goes into the header.
        self._file = gzip.GzipFile("", "wb", _COMPRESSION, self._raw, mtime=0) if self._is_gzip else self._raw
        self.num_bytes = 0
        """Written so far, before compression."""

    def add(self, content: Any) -> None:
        """Writes a line."""
        self.num_bytes += self._file.write(f"{json_text(content)}\n".encode())

    def close(self) -> None:
        """Ends the file."""
        try:
            self._file.close()
        finally:
            self._raw.close()


class TarShard:
    """A tar without owners and times."""

    def __init__(self, path: Path) -> None:
        """Begins the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - closed by `close`

    @property
    def num_bytes(self) -> int:
        """Written so far: where the next member begins."""
        return int(self._tar.offset)

    def add(self, name: str, content: bytes) -> None:
        """Writes a member."""
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), _MODE, 0
        self._tar.addfile(info, io.BytesIO(content))

    def close(self) -> None:
        """Ends the file."""
        self._tar.close()


def write_clip(folder: Path, name: str, flac: bytes) -> None:
    """One clip as a file below a folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(flac)

"""A folder as a Store: files written beside their place, synced, and put there in one step.

What a file system cannot do is done without where that is safe: a folder that cannot be synced is not synced, and
where there are no hard links, a record that must not be overwritten is created in its place.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.storage.files import (
    is_temporary,
    reading_file,
    sync_folder,
    temporary_beside,
    write_durably,
    writing,
    written_beside,
)
from fcaps_pipeline.storage.store import Found

_NO_LINK = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL}


class LocalStore:
    """The files below a folder; see `Store`."""

    def __init__(self, root: Path) -> None:
        """Takes an absolute path, which need not exist."""
        self.root = root

    @property
    def uri(self) -> str:
        """The folder."""
        return str(self.root).rstrip("/")

    def path(self, key: str) -> Path:
        """Where an object is."""
        return self.root / key

    def read(self, key: str) -> bytes:
        """See `Store`."""
        with reading_file(self.path(key)):
            return self.path(key).read_bytes()

    def read_range(self, key: str, start: int, num_bytes: int) -> bytes:
        """See `Store`."""
        with reading_file(self.path(key)), self.path(key).open("rb") as file:
            return os.pread(file.fileno(), num_bytes, start)

    def num_bytes(self, key: str) -> int | None:
        """See `Store`."""
        try:
            with reading_file(self.path(key)):
                status = self.path(key).stat()
        except MissingFileError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def put(self, key: str, content: bytes | Iterable[bytes]) -> None:
        """See `Store`."""
        path = self.path(key)
        with writing(path):
            write_durably(path, content)

    def put_file(self, key: str, file: Path) -> None:
        """See `Store`."""
        path = self.path(key)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as content:
                os.fsync(content.fileno())
            try:
                file.replace(path)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _move(file, path)
            sync_folder(path.parent)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Store`."""
        path = self.path(key)
        with writing(path):
            is_ours = _create(path, content)
        return is_ours or self.read(key) == content

    def list(self, prefix: str) -> Iterator[Found]:
        """See `Store`."""
        base = self.path(prefix) if prefix else self.root
        skipped = len(f"{self.uri}/")
        with reading_file(base):
            for folder, folders, names in os.walk(base):
                folders.sort()
                for name in sorted(names):
                    if not is_temporary(name):
                        path = os.path.join(folder, name)  # noqa: PTH118 - of hundreds of thousands, ten times faster
                        with suppress(FileNotFoundError):
                            yield Found(path[skipped:], os.stat(path).st_size)  # noqa: PTH116 - likewise

    def delete(self, key: str) -> None:
        """See `Store`."""
        with writing(self.path(key)):
            try:
                self.path(key).unlink(missing_ok=True)
            except NotADirectoryError:
                return


def _create(path: Path, content: bytes) -> bool:
    with written_beside(path, [content]) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            return _create_in_place(path, content)
        sync_folder(path.parent)
    return True


def _create_in_place(path: Path, content: bytes) -> bool:
    """Without hard links: a writer that is killed here leaves a torn record, which its readers refuse by name."""
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    sync_folder(path.parent)
    return True


def _move(file: Path, path: Path) -> None:
    """To another file system: whole there before it is gone here."""
    temporary = temporary_beside(path)
    try:
        shutil.copyfile(file, temporary)
        with temporary.open("rb") as content:
            os.fsync(content.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    file.unlink()

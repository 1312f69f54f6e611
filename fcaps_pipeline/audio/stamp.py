"""What an audio file looks like without decoding it, so that a change between planning and reading is noticed.

Enters: a path. Leaves: its size, its time and a hash of its beginning, or what changed since an earlier look.
"""

import hashlib
from contextlib import closing
from pathlib import Path

from fcaps_pipeline.audio.view import FileView, storage_error
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import AudioWarning, FileStamp

_HEADER_BYTES = 65_536


def take_stamp(path: Path) -> FileStamp:
    """The file as it is.

    Raises:
        RecordingError: it is no regular file, or empty.
        StorageError: the storage does not give it.
    """
    with closing(FileView(path)) as view:
        header = view.at(0, _HEADER_BYTES)
    try:
        status = path.stat()
    except OSError as error:
        raise storage_error(path, error) from error
    return FileStamp(
        size_bytes=status.st_size, modified_ns=status.st_mtime_ns, header_sha256=hashlib.sha256(header).hexdigest()
    )


def compare_stamps(path: Path, before: FileStamp, now: FileStamp) -> tuple[AudioWarning, ...]:
    """What a person should know of a file that may be another than the planned one; empty where it is the same.

    Raises:
        RecordingError: it certainly is another.
    """
    changes = []
    if before.size_bytes != now.size_bytes:
        changes.append(f"it had {before.size_bytes} bytes and has {now.size_bytes}")
    if before.header_sha256 != now.header_sha256:
        changes.append("its first 64 KiB are others")
    if changes:
        raise RecordingError(
            f"{path} changed after it was planned: {' and '.join(changes)}; put the planned file back, or annotate the "
            "new one in another run"
        )
    if before.modified_ns != now.modified_ns:
        detail = "written again after it was planned, with the same size and the same first 64 KiB"
        return (AudioWarning(name="written_again", detail=detail),)
    return ()

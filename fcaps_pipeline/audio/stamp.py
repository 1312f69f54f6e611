"""What audio looks like without decoding it, so that a change between planning and reading is noticed.

Enters: a location. Leaves: its size, its time and a hash of its beginning, or what changed since an earlier look.
"""

import hashlib
from contextlib import closing

from fcaps_pipeline.audio.byte_source import ByteSource, open_bytes
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import AudioWarning, FileStamp

_HEADER_BYTES = 65_536


def take_stamp(location: str) -> FileStamp:
    """The audio as it is.

    Raises:
        RecordingError: it is no regular file, or empty.
        StorageError: the storage does not give it.
    """
    with closing(open_bytes(location)) as source:
        return _stamp(source)


def changes_since(before: FileStamp, location: str) -> tuple[AudioWarning, ...]:
    """What a person should know of audio that may be another than the planned one; empty where it is the same.

    Raises:
        RecordingError: it certainly is another, or cannot be opened.
        StorageError: the storage does not give it.
    """
    with closing(open_bytes(location)) as source:
        now, name = _stamp(source), source.name
    changes = []
    if before.size_bytes != now.size_bytes:
        changes.append(f"it had {before.size_bytes} bytes and has {now.size_bytes}")
    if before.header_sha256 != now.header_sha256:
        changes.append("its first 64 KiB are others")
    if changes:
        raise RecordingError(
            f"{name} changed after it was planned: {' and '.join(changes)}; put the planned file back, or annotate "
            "the new one in another run"
        )
    if None not in (before.modified_ns, now.modified_ns) and before.modified_ns != now.modified_ns:
        detail = "written again after it was planned, with the same size and the same first 64 KiB"
        return (AudioWarning(name="written_again", detail=detail),)
    return ()


def _stamp(source: ByteSource) -> FileStamp:
    return FileStamp(
        size_bytes=source.num_bytes,
        modified_ns=source.modified_ns,
        header_sha256=hashlib.sha256(source.at(0, _HEADER_BYTES)).hexdigest(),
    )

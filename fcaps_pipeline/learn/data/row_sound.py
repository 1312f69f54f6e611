"""The sound of single rows, read where it lies: one mechanism for disks, stores and files that rows refer to.

Enters: rows of a store. Leaves: samples, or what is wrong with them. Sound that stands in Parquet rows is read by the
range of its bytes, so that an epoch in any order reads each byte once and nothing is kept for later: what a reader
holds is the batch it makes. Ranges of one file that nearly touch are one request, and requests of a batch go out
together, which hides the distance of a store. Of files that rows refer to only what a row is of is decoded; of a long
recording all that comes before it too, so that corpora of those are better packed first.

Shape suffix: T samples.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.location import FilePart, is_url, local_path, parts_of
from fcaps_pipeline.errors import MissingFileError, RecordingError
from fcaps_pipeline.records.audio import Cut, Recording
from fcaps_pipeline.shards.schema import Row, channel_of
from fcaps_pipeline.storage.path import StorePath, store_path

_THREADS = 16
_GAP_BYTES = 64 * 2**10
"""A page of Parquet has a header of some hundred bytes between two values."""
_MAX_REQUEST_BYTES = 8 * 2**20
_ANY_LENGTH = PlanRules(min_segment_samples=1, max_segment_samples=2**62, max_pause_samples=0, padding_samples=0)

Pcm = npt.NDArray[np.int16]
Sound = Pcm | RecordingError


@dataclass
class Request:
    """Bytes of one file, and the rows whose sound they hold."""

    file: str
    start: int
    end: int
    rows: list[tuple[int, FilePart]] = field(default_factory=list)

    def can_take(self, part: FilePart) -> bool:
        """Whether what lies behind it is near, and the whole no longer than a request may be."""
        is_near = part.file == self.file and part.offset - self.end <= _GAP_BYTES
        return is_near and part.offset + part.num_bytes - self.start <= _MAX_REQUEST_BYTES


class RowSound:
    """Reads in one process."""

    def read(self, rows: Sequence[Row]) -> list[Sound]:
        """The samples of each row, compared with their checksum: decoders pass over some damage without a word.

        Raises:
            StorageError: a file is gone, or its storage does not give it.
        """
        referred = {
            place: self._threads.submit(_referred, row) for place, row in enumerate(rows) if row["channel"] is not None
        }
        sounds = {place: _decoded(content, rows[place]) for place, content in self.stored(rows)}
        sounds |= {place: sound.result() for place, sound in referred.items()}
        return [sounds[place] for place in range(len(rows))]

    def stored(self, rows: Sequence[Row]) -> Iterator[tuple[int, bytes]]:
        """The FLACs that stand in rows, each with the place of its row.

        Raises:
            StorageError: as `read`.
        """
        requests = requests_of(rows)
        contents = [self._threads.submit(_bytes_of, request) for request in requests]
        for request, content in zip(requests, contents, strict=True):
            for place, part in request.rows:
                start = part.offset - request.start
                yield place, content.result()[start : start + part.num_bytes]

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Started in the process that reads."""
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="row-sound")


def requests_of(rows: Sequence[Row]) -> list[Request]:
    """What is asked of files for the rows that hold their sound."""
    parts = [(place, parts_of(row["location"])) for place, row in enumerate(rows) if row["channel"] is None]
    stored = [(place, part) for place, part in parts if isinstance(part, FilePart)]
    requests: list[Request] = []
    for place, part in sorted(stored, key=lambda one: (one[1].file, one[1].offset)):
        last = requests[-1] if requests else None
        if last is None or not last.can_take(part):
            last = Request(part.file, part.offset, part.offset)
            requests.append(last)
        last.rows.append((place, part))
        last.end = part.offset + part.num_bytes
    return requests


def _bytes_of(request: Request) -> bytes:
    path = _path_of(request.file)
    return path.store.read_range(path.key, request.start, request.end - request.start)


def _path_of(file: str) -> StorePath:
    return store_path(file if is_url(file) else local_path(file))


def _decoded(content: bytes, row: Row) -> Sound:
    try:
        return _checked(decode_flac(content), row)
    except RecordingError as error:
        return error


def _referred(row: Row) -> Sound:
    cut = Cut(start_samples=row["start_samples"], end_samples=row["end_samples"], channel=channel_of(row))
    recording = Recording(
        recording_id=row["recording_id"], location=row["location"], source=row["location"], cuts=(cut,)
    )
    try:
        (found,) = cut_out(recording, _ANY_LENGTH, SegmentationTally(), open_recording, max_damaged_share=1.0)
        return _checked(found.pcm_T, row)
    except (RecordingError, MissingFileError) as error:
        return RecordingError(str(error))


def _checked(pcm_T: Pcm, row: Row) -> Pcm:
    if not len(pcm_T):
        raise RecordingError("its audio has no samples")
    if row["audio_sha256"] not in {None, hashlib.sha256(pcm_T.tobytes()).hexdigest()}:
        raise RecordingError("its audio was changed: the samples do not have the recorded sha256")
    return pcm_T

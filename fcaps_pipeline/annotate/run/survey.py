"""What the plan sees of the audio before anything is decoded: is it there, how long is it, is its source right.

Enters: tables of Recordings in order. Leaves: the same with lengths from headers where their source tells none, and
counts with examples. A file whose length is told is looked at too: the first ten thousand, then one in a hundred.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.annotate.run.border import Border
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.audio.location import file_of, shown_name
from fcaps_pipeline.audio.probe import AudioHeader, probe
from fcaps_pipeline.audio.stamp import take_stamp
from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.records.audio import FileStamp, Recording
from fcaps_pipeline.shards.recording_table import STAMP, recordings_of

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

_BATCH = 1024
_THREADS = 16
_ALL_OF_THE_FIRST = 10_000
_ONE_IN = 100
_MAX_EXAMPLES = 20
_ASSUMED_BYTES_PER_S = 8_000
"""64 kbit/s: sound of unknown length is rather taken for too long than for too short."""
_SAME_LENGTH_S = 0.5
_SAME_LENGTH_SHARE = 0.02


class Seen(NamedTuple):
    """Recordings as the plan takes them."""

    table: pa.Table
    lengths_s: Floats
    """By source or header; without either, assumed from the size of the file."""
    num_bytes: Longs
    """Of their files; 0 where nobody looked."""


class _Look(NamedTuple):
    recording: Recording
    length_s: float
    looked_at: bool
    num_bytes: int | None
    """None where a file is missing."""
    header: AudioHeader | None
    """None where it was not read."""


@dataclass
class Survey:
    """Counts while Recordings pass through."""

    num_looked_at: int = 0
    num_missing: int = 0
    missing: list[str] = field(default_factory=list)
    num_other_length: int = 0
    other_lengths: list[str] = field(default_factory=list)
    num_tagged: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    """Recordings of whose sound something shows before it is decoded, by the name of the warning."""
    folders: Counter[str] = field(default_factory=Counter)
    """Where missing files were looked for."""

    def look(self, tables: Iterable[pa.Table]) -> Iterator[Seen]:
        """Passes Recordings on, many files looked at together since network folders are slow."""
        number = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            for table in tables:
                yield self._look(table, number, pool)
                number += len(table)

    def _look(self, table: pa.Table, number: int, pool: ThreadPoolExecutor) -> Seen:
        self.num_tagged += len(table) - table["tags"].null_count
        durations_s = table["duration_s"].to_numpy().copy()
        seen = Seen(table, durations_s.copy(), np.zeros(len(table), np.int64))
        stamps: dict[int, FileStamp] = {}
        chosen = iter(np.flatnonzero(_is_looked_at(table, durations_s, number)))
        while rows := list(islice(chosen, _BATCH)):
            for row, look in zip(rows, pool.map(_look, recordings_of(table.take(rows))), strict=True):
                self._count(look)
                seen.lengths_s[row], seen.num_bytes[row] = look.length_s, look.num_bytes or 0
                if look.recording.duration_s is not None:
                    durations_s[row] = look.recording.duration_s
                if look.recording.stamp is not None:
                    stamps[row] = look.recording.stamp
        return seen._replace(table=_as_seen(table, durations_s, stamps))

    def _count(self, look: _Look) -> None:
        recording = look.recording
        self.num_looked_at += look.looked_at
        if look.looked_at and look.num_bytes is None:
            self.num_missing += 1
            self.missing += [recording.source][: _MAX_EXAMPLES - len(self.missing)]
            self.folders[_root_of(recording)] += 1
        if look.header is None:
            return
        self.warnings.update({warning.name for warning in look.header.warnings})
        stated_s, real_s = recording.duration_s, look.header.duration_s
        if real_s is not None and stated_s is not None and not _same_length(stated_s, real_s):
            self.num_other_length += 1
            line = f"{recording.source}: {stated_s:.2f} s stated, {real_s:.2f} s by its header"
            self.other_lengths += [line][: _MAX_EXAMPLES - len(self.other_lengths)]

    def remarks(self, num_recordings: int) -> list[str]:
        """One line each for what is wrong."""
        whole = self.num_looked_at == num_recordings
        of = f"of {num_recordings} files" if whole else f"of the {self.num_looked_at} files looked at"
        lines = []
        if self.num_missing:
            folder, _ = self.folders.most_common(1)[0]
            lines.append(
                f"{self.num_missing} {of} do not exist: {_some(self.missing)}; looked in {folder}, for instance; "
                f"source.audio_root sets the folder that relative paths of a list start from"
            )
        if self.num_other_length:
            lines.append(
                f"{self.num_other_length} {of} are not as long as their source says: {_some(self.other_lengths)}"
            )
        return lines


def _is_looked_at(table: pa.Table, durations_s: Floats, number: int) -> npt.NDArray[np.bool_]:
    """The first of all, one in so many of the others, and those whose length nobody tells."""
    numbers = number + np.arange(len(table))
    is_sampled = (numbers < _ALL_OF_THE_FIRST) | (numbers % _ONE_IN == 0)
    chosen: npt.NDArray[np.bool_] = is_sampled | np.isnan(durations_s) | table["shard"].is_valid().to_numpy()
    return chosen


def _as_seen(table: pa.Table, durations_s: Floats, stamps: dict[int, FileStamp]) -> pa.Table:
    """The Recordings with what was seen of their files."""
    lengths = pa.array(durations_s, mask=np.isnan(durations_s))
    table = table.set_column(table.schema.get_field_index("duration_s"), "duration_s", lengths)
    if not stamps:
        return table
    stored = table["stamp"].to_pylist()
    for row, stamp in stamps.items():
        stored[row] = stamp.model_dump()
    return table.set_column(table.schema.get_field_index("stamp"), "stamp", pa.array(stored, STAMP))


def _look(recording: Recording) -> _Look:
    stated_s = recording.duration_s
    if recording.shard is not None:
        return _Look(recording, _length_of_cuts(recording), looked_at=False, num_bytes=None, header=None)
    num_bytes = _size(recording)
    header = None if num_bytes is None else _header(recording)
    if header is not None:
        length_s = header.duration_s if stated_s is None else stated_s
        recording = recording.model_copy(update={"duration_s": length_s, "stamp": _stamp(recording)})
    length_s = _length_s(recording, header, num_bytes or 0)
    return _Look(recording, length_s, looked_at=True, num_bytes=num_bytes, header=header)


def _length_of_cuts(recording: Recording) -> float:
    """Of a Recording that is read from the rows of a run, what there is of it."""
    return sum(cut.duration_s for cut in recording.cuts or ())


def _header(recording: Recording) -> AudioHeader | None:
    """None where it cannot be read: decoding finds the same error again, and tells it."""
    with Border():
        return probe(recording.location)
    return None


def _stamp(recording: Recording) -> FileStamp | None:
    """None where there are several files, or the one cannot be read."""
    if recording.files is not None:
        return None
    with Border():
        return take_stamp(recording.location)
    return None


def _length_s(recording: Recording, header: AudioHeader | None, num_bytes: int) -> float:
    if recording.duration_s is not None:
        return recording.duration_s
    if header is not None and header.estimate_s is not None:
        return header.estimate_s
    return num_bytes / _ASSUMED_BYTES_PER_S


def _size(recording: Recording) -> int | None:
    """Bytes of its files; None where one is missing."""
    sizes = [_size_at(location) for location in recording.locations]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _size_at(location: str) -> int | None:
    with Border() as border, closing(open_bytes(location)) as source:
        return source.num_bytes
    return None if isinstance(border.error, MissingFileError) else 0


def _same_length(stated_s: float, real_s: float) -> bool:
    return abs(stated_s - real_s) <= max(_SAME_LENGTH_S, _SAME_LENGTH_SHARE * real_s)


def _root_of(recording: Recording) -> str:
    """The folder that the path of the source starts from."""
    return shown_name(file_of(recording.location).removesuffix(recording.source)) or recording.location


def _some(examples: list[str]) -> str:
    return ", ".join(examples[:3]) + (" and others" if len(examples) > 3 else "")

"""What the plan sees of the audio before anything is decoded: is it there, how long is it, is its source right.

Enters: Recordings in order. Leaves: the same with lengths from headers where their source tells none, and counts with
examples. A file whose length is told is looked at too: the first ten thousand, then one in a hundred.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from fcaps_pipeline.annotate.run.border import Border
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.audio.location import file_of, shown_name
from fcaps_pipeline.audio.probe import AudioHeader, probe
from fcaps_pipeline.audio.stamp import take_stamp
from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.records.audio import FileStamp, Recording

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
    """A Recording as the plan takes it."""

    recording: Recording
    length_s: float
    """By source or header; without either, assumed from the size of the file."""


class _Look(NamedTuple):
    seen: Seen
    looked_at: bool
    is_missing: bool
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

    def look(self, recordings: Iterable[Recording]) -> Iterator[Seen]:
        """Passes Recordings on, many files looked at together since network folders are slow."""
        remaining = enumerate(recordings)
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(remaining, _BATCH)):
                for look in pool.map(_look, batch):
                    self._count(look)
                    yield look.seen

    def _count(self, look: _Look) -> None:
        recording = look.seen.recording
        self.num_tagged += bool(recording.tags)
        self.num_looked_at += look.looked_at
        if look.is_missing:
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


def _look(numbered: tuple[int, Recording]) -> _Look:
    number, recording = numbered
    sampled = number < _ALL_OF_THE_FIRST or number % _ONE_IN == 0
    stated_s = recording.duration_s
    if recording.shard is not None:
        return _Look(Seen(recording, _length_of_cuts(recording)), looked_at=False, is_missing=False, header=None)
    if stated_s is not None and not sampled:
        return _Look(Seen(recording, stated_s), looked_at=False, is_missing=False, header=None)
    num_bytes = _size(recording)
    header = None if num_bytes is None else _header(recording)
    if header is not None:
        length_s = header.duration_s if stated_s is None else stated_s
        recording = recording.model_copy(update={"duration_s": length_s, "stamp": _stamp(recording)})
    seen = Seen(recording, _length_s(recording, header, num_bytes or 0))
    return _Look(seen, looked_at=True, is_missing=num_bytes is None, header=header)


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

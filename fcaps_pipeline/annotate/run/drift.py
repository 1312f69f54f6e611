"""A stored plan against its source as it is now: Recordings that came, went, or are no longer what was planned.

Enters: a run with a plan, and its job. Leaves: a `Drift` that names them, and, where that was asked for, a plan with
the new ones in units of their own. A Recording is remembered by 16 bytes, so that millions can be compared.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.run.plan import extend, source_stamp
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.stamp import changes_since
from fcaps_pipeline.errors import FcapsError, SourceError, StorageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.audio import FileStamp, Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load_tables
from fcaps_pipeline.shards.recording_table import ID_HASH, RECORDING_SCHEMA, Hashes, id_hashes, recordings_of
from fcaps_pipeline.shards.taken_back import LeftOut
from fcaps_pipeline.shards.tombstones import read_tombstones

_OF_PLANNING = frozenset({"duration_s", "stamp", "num_cuts"})
"""Columns that the source alone does not decide."""
_PLACES = frozenset({"location", "files", "shard"})
_COMMIT = r"(hf://\w+/[^/@]+/[^/@]+)@[0-9a-f]{40}"
_BETWEEN, _NOTHING = "\x1e", "\x00"
_MAX_NAMED = 100
_FEW = 3
_BATCH = 1024
_THREADS = 16


@dataclass
class _Names:
    """How many there are, and the first of them."""

    num: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, recordings: pa.Table) -> None:
        self.num += len(recordings)
        self.first += recordings["source"].slice(0, _MAX_NAMED - len(self.first)).to_pylist()

    def some(self) -> str:
        """For one line."""
        return ", ".join(self.first[:_FEW]) + (" and others" if self.num > _FEW else "")

    def each(self, what: str) -> Iterator[str]:
        """A line each, and one for those that are too many."""
        yield from (f"{name}: {what}" for name in self.first)
        if self.num > len(self.first):
            yield f"and {self.num - len(self.first)} more: {what}"


@dataclass
class Drift:
    """In what a source differs from the plan that was made of it."""

    new: _Names = field(default_factory=_Names)
    gone: _Names = field(default_factory=_Names)
    changed: _Names = field(default_factory=_Names)
    """Described otherwise, or, where files were looked at, other files."""
    left_out: str | None = None
    """What of the source was taken back before."""

    def line(self) -> str | None:
        """All of it in one line; None where nothing differs."""
        parts = [
            f"{names.num} {what} ({names.some()})"
            for what, names in (("new", self.new), ("gone", self.gone), ("changed", self.changed))
            if names.num
        ]
        if not parts:
            return None
        hint = "; --extend takes the new ones in" if self.new.num else ""
        return f"the source is no longer what was planned, of its recordings are {', '.join(parts)}{hint}"

    def lines(self) -> tuple[str, ...]:
        """What a run that was extended names."""
        taken = [f"{self.new.num} new recordings were taken in"] if self.new.num else []
        return (
            *taken,
            *([] if self.left_out is None else [self.left_out]),
            *self.gone.each("no longer in the source; what was made of it stays"),
            *self.changed.each("no longer what was planned; what was made of it stays, annotate it in another run"),
        )


def drift_line(layout: RunLayout, job: Job, plan: Plan) -> str | None:
    """In what the source differs from the stored plan, in one line; None where nothing does. Opens no audio."""
    if plan.source_stamp is not None and plan.source_stamp == source_stamp(job):
        return None
    known = _Known(layout)
    try:
        for _ in known.unknown(list_recordings(job.source).blocks()):
            pass
    except (SourceError, StorageError) as error:
        return f"the source cannot be compared with what was planned: {error}"
    known.note_gone()
    return known.drift.line()


def extend_plan(layout: RunLayout, job: Job, plan: Plan) -> tuple[Plan, Drift]:
    """Takes new Recordings into the plan, and looks at the files of the others.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    known, listing = _Known(layout), list_recordings(job.source)
    extended = extend(layout, job, plan, known.unknown(listing.blocks()), listing)
    known.note_gone()
    known.note_changed_files()
    return extended, known.drift


class _Known:
    """What the Recordings of a plan are, by hashes in the order of their ids, and what became of them."""

    def __init__(self, layout: RunLayout) -> None:
        self.drift = Drift()
        self._layout = layout
        pairs = [(id_hashes(table["recording_id"]), _said(table)) for table in load_tables(layout)]
        nothing = np.empty(0, np.uint64)
        ids, said = (np.concatenate([nothing, *(pair[part] for pair in pairs)]) for part in (0, 1))
        order = np.argsort(ids)
        self._ids, self._said = ids[order], said[order]
        self._is_met = np.zeros(len(order), bool)
        self._is_changed = np.zeros(len(order), bool)

    def unknown(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yields what the plan has not, and notes what it has otherwise; what was taken back is none of both."""
        left_out = LeftOut(read_tombstones(self._layout.tombstones))
        for table in left_out.pass_on(tables):
            places = self._places(table)
            is_new = places < 0
            is_changed = ~is_new & (self._said[places] != _said(table))
            self._is_met[places[~is_new]] = True
            self._is_changed[places[is_changed]] = True
            self.drift.changed.add(table.filter(pa.array(is_changed)))
            if is_new.any():
                fresh = table.filter(pa.array(is_new))
                self.drift.new.add(fresh)
                yield fresh
        self.drift.left_out = left_out.line()

    def note_gone(self) -> None:
        """Names what the source has no more; call it after `unknown`."""
        for table in () if self._is_met.all() else load_tables(self._layout):
            self.drift.gone.add(table.filter(pa.array(~self._is_met[self._places(table)])))

    def note_changed_files(self) -> None:
        """Names planned files that are other files now, or cannot be read; call it after `unknown`."""
        with ThreadPoolExecutor(_THREADS) as pool:
            for table in load_tables(self._layout):
                places = self._places(table)
                is_open = self._is_met[places] & ~self._is_changed[places] & table["stamp"].is_valid().to_numpy()
                rows = iter(np.flatnonzero(is_open).tolist())
                while batch := list(islice(rows, _BATCH)):
                    part = table.take(batch)
                    is_same = list(pool.map(_is_same_file, recordings_of(part)))
                    self.drift.changed.add(part.filter(pa.array(np.logical_not(is_same))))

    def _places(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Where each Recording stands in the order of the plan; -1 where it does not."""
        is_hashed = ID_HASH in table.column_names
        hashes = table[ID_HASH].to_numpy() if is_hashed else id_hashes(table["recording_id"])
        if not len(self._ids):
            return np.full(len(table), -1)
        places = np.minimum(np.searchsorted(self._ids, hashes), len(self._ids) - 1)
        return np.where(self._ids[places] == hashes, places, -1)


def _said(table: pa.Table) -> Hashes:
    """Hashes of what the source says; a length that only the header told is none of that, nor a commit of the Hub."""
    names = [field.name for field in RECORDING_SCHEMA if field.name not in _OF_PLANNING]
    columns = [_without_commit(_as_text(table[name])) if name in _PLACES else _as_text(table[name]) for name in names]
    return id_hashes(pc.binary_join_element_wise(*columns, _BETWEEN))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.binary_join(column, _BETWEEN) if pa.types.is_list(column.type) else column.cast(pa.string())
    return pc.fill_null(text, _NOTHING)


def _without_commit(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(texts, _COMMIT, r"\1")


def _is_same_file(recording: Recording) -> bool:
    stamp = recording.stamp
    assert isinstance(stamp, FileStamp)
    try:
        changes_since(stamp, recording.location)
    except FcapsError:
        return False
    return True

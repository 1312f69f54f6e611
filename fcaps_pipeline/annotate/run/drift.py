"""A stored plan against its source as it is now: Recordings that came, went, or are no longer what was planned.

Enters: a run with a plan, and its job. Leaves: a `Drift` that names them, and, where that was asked for, a plan with
the new ones in units of their own. A Recording is remembered by 16 bytes, so that millions can be compared.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from fcaps_pipeline.annotate.run.plan import extend, source_stamp
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.stamp import changes_since
from fcaps_pipeline.errors import FcapsError, SourceError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.audio import FileStamp, Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load_units

_MAX_NAMED = 100
_FEW = 3
_BATCH = 1024
_THREADS = 16


@dataclass
class _Names:
    """How many there are, and the first of them."""

    num: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.num += 1
        if len(self.first) < _MAX_NAMED:
            self.first.append(name)

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
            *self.gone.each("no longer in the source; what was made of it stays"),
            *self.changed.each("no longer what was planned; what was made of it stays, annotate it in another run"),
        )


def drift_line(layout: RunLayout, job: Job, plan: Plan) -> str | None:
    """In what the source differs from the stored plan, in one line; None where nothing does. Opens no audio."""
    if plan.source_stamp is not None and plan.source_stamp == source_stamp(job):
        return None
    known = _Known(layout)
    try:
        for _ in known.unknown(list_recordings(job.source)):
            pass
    except SourceError as error:
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
    extended = extend(layout, job, plan, known.unknown(listing), listing)
    known.note_gone()
    known.note_changed_files()
    return extended, known.drift


class _Known:
    """What the Recordings of a plan are, by hashes in the order of their ids, and what became of them."""

    def __init__(self, layout: RunLayout) -> None:
        self.drift = Drift()
        self._layout = layout
        pairs = ((_hash(one.recording_id), _said(one)) for one in self._planned())
        hashes = np.fromiter(pairs, dtype=[("id", np.uint64), ("said", np.uint64)])
        order = np.argsort(hashes["id"])
        self._ids, self._said = hashes["id"][order], hashes["said"][order]
        self._is_met = np.zeros(len(order), bool)
        self._is_changed = np.zeros(len(order), bool)

    def unknown(self, recordings: Iterable[Recording]) -> Iterator[Recording]:
        """Yields what the plan has not, and notes what it has otherwise."""
        for recording in recordings:
            place = self._place(recording)
            if place is None:
                self.drift.new.add(recording.source)
                yield recording
                continue
            self._is_met[place] = True
            if self._said[place] != _said(recording):
                self._is_changed[place] = True
                self.drift.changed.add(recording.source)

    def note_gone(self) -> None:
        """Names what the source has no more; call it after `unknown`."""
        if self._is_met.all():
            return
        for recording in self._planned():
            place = self._place(recording)
            if place is not None and not self._is_met[place]:
                self.drift.gone.add(recording.source)

    def note_changed_files(self) -> None:
        """Names planned files that are other files now, or cannot be read; call it after `unknown`."""
        stamped = (one for one in self._planned() if one.stamp is not None and self._is_open(one))
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(stamped, _BATCH)):
                for recording, is_same in zip(batch, pool.map(_is_same_file, batch), strict=True):
                    if not is_same:
                        self.drift.changed.add(recording.source)

    def _is_open(self, recording: Recording) -> bool:
        """Whether it was planned and nothing is known against it."""
        place = self._place(recording)
        return place is not None and bool(self._is_met[place]) and not self._is_changed[place]

    def _planned(self) -> Iterator[Recording]:
        return (recording for unit in load_units(self._layout) for recording in unit.recordings)

    def _place(self, recording: Recording) -> int | None:
        key = np.uint64(_hash(recording.recording_id))
        place = int(np.searchsorted(self._ids, key))
        return place if place < len(self._ids) and self._ids[place] == key else None


def _said(recording: Recording) -> int:
    """What the source says of it; a length that only the header told is none of that."""
    return _hash(recording.model_dump_json(exclude={"duration_s", "stamp"}))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _is_same_file(recording: Recording) -> bool:
    stamp = recording.stamp
    assert isinstance(stamp, FileStamp)
    try:
        changes_since(stamp, recording.location)
    except FcapsError:
        return False
    return True

"""What earlier runs spare a run: their answers and Segments, indexed in its folder, and the models they come from.

Enters: finished runs and a job. Leaves: where the answers are, and, if every model of the job is one of theirs, who
answered, so that a pass without any engine can take over what is known.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.captioning.earlier_answers import build_answers
from fcaps_pipeline.annotate.captioning.reusing_engine import earlier_identity
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.earlier_segments import build_segments
from fcaps_pipeline.annotate.run.engines_file import read_engines
from fcaps_pipeline.errors import MissingFileError, UsageError
from fcaps_pipeline.jobs.annotate_job import CascadeEngineConfig, Job
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_index
from fcaps_pipeline.shards.run_folder import existing
from fcaps_pipeline.shards.tombstones import joined_tombstones, read_tombstones, write_tombstones
from fcaps_pipeline.storage.path import StorePath, Where
from fcaps_pipeline.storage.scratch import fetched_to_disk, made_on_disk

_HOPELESS_SHARE = 0.5
"""Share of unknown Segments above which a pass without engines would only decode the corpus twice."""
_TRIED_SEGMENTS = 200
"""From so many on the share is believed."""


@dataclass(frozen=True)
class Reuse:
    """Earlier answers, as every process of a run finds them."""

    answers: StorePath
    """The index, in the run folder, which all nodes share."""
    segments: StorePath
    """The index of earlier Segments, likewise."""
    scratch: Path
    """Folder of any machine for copies of indices that lie far away."""
    identities: dict[str, EngineIdentity]
    """By engine of the job; without those that no earlier run had."""

    def answers_here(self) -> Path:
        """The index of answers, on this machine.

        Raises:
            StorageError: the storage does not give it.
            OutputError: there is no room for a copy.
        """
        return fetched_to_disk(self.answers, self.scratch)

    def segments_here(self) -> Path:
        """The index of Segments, on this machine.

        Raises:
            StorageError: the storage does not give it.
            OutputError: there is no room for a copy.
        """
        return fetched_to_disk(self.segments, self.scratch)

    def knows_all(self, job: Job) -> bool:
        """Whether every model of the job answered before."""
        return self.identities.keys() == job.engines.keys()


class _Sources(Record):
    """What an index was made of, beside it."""

    runs: dict[str, str]
    """sha256 of `index.json`, by run."""
    fcaps_version: str
    """That made it: another one may find other Segments."""


def prepare_reuse(job: Job, layout: RunLayout, runs: Sequence[Where]) -> Reuse:
    """Indexes the answers of earlier runs, unless that was done for the same runs before.

    Raises:
        UsageError: a folder is no run, or stands there twice, or is the one that is written; or two runs disagree.
        CorruptRunError: a run is not finished, of another schema version or damaged, or an answer has no key.
        JobError: it is open which revision of a model is meant.
        OutputError: the index cannot be written.
    """
    layouts = [existing(run) for run in runs]
    roots = [_resolved(one) for one in layouts]
    if _resolved(layout) in roots:
        raise UsageError(f"{layout.root} cannot reuse itself; give another --out")
    if len(set(roots)) < len(roots):
        raise UsageError("a run is given twice with --reuse; name it once")
    for one in layouts:
        read_index(one)
    digests = {str(one.root): hashlib.sha256(one.index.read()).hexdigest() for one in layouts}
    sources = _Sources(runs=digests, fcaps_version=__version__)
    if not layout.answers.exists() or not layout.segments.exists() or _made_of(layout) != sources:
        layout.answers_of.delete()
        with made_on_disk(layout.answers, layout.scratch) as path:
            build_answers(path, layouts)
        with made_on_disk(layout.segments, layout.scratch) as path:
            build_segments(path, layouts, job)
        layout.answers_of.put(sources.model_dump_json(indent=1))
    earlier = [identity for one in layouts for identity in read_engines(one).values()]
    found = {name: earlier_identity(name, config, earlier) for name, config in job.engines.items()}
    identities = {name: one for name, one in found.items() if one is not None}
    return Reuse(layout.answers, layout.segments, layout.scratch, identities)


def inherit_tombstones(layout: RunLayout, runs: Sequence[Where]) -> str | None:
    """Takes over what was taken back from earlier runs, before anything is planned.

    Returns:
        What to do where that is new and Recordings are planned already; else None.

    Raises:
        UsageError: a folder is no run.
        CorruptRunError: a list of tombstones is unreadable.
        OutputError: the run folder cannot be written.
    """
    before = read_tombstones(layout.tombstones)
    joined = joined_tombstones([before, *(read_tombstones(existing(run).tombstones) for run in runs)])
    if joined is None or joined == before:
        return None
    write_tombstones(layout.tombstones, joined)
    if not layout.plan.exists():
        return None
    return (
        f"what was taken back from a reused run may be in this one: `fcaps release remove {layout.root}` takes it "
        "back here too"
    )


def without_engines(job: Job) -> Job:
    """The same job with nothing that takes a GPU or a core of its own."""
    return job.model_copy(update={"engines": {name: CascadeEngineConfig(kind="cascade") for name in job.engines}})


class HopefulUnits:
    """Units to be done; a pass without engines may end early where most of what it meets is unknown."""

    def __init__(self, units: Iterator[WorkUnit], *, gives_up: bool = False) -> None:
        """Starts with all of them ahead."""
        self._units = units
        self._gives_up = gives_up
        self._num_segments = 0
        self._num_unasked = 0

    def __iter__(self) -> Iterator[WorkUnit]:
        """Yields units as long as there is hope."""
        for unit in self._units:
            is_hopeless = self._num_unasked > max(_TRIED_SEGMENTS, self._num_segments) * _HOPELESS_SHARE
            if self._gives_up and is_hopeless:
                return
            yield unit

    def note(self, commit: UnitCommit) -> None:
        """Takes in how a unit ended."""
        self._num_segments += commit.num_segments
        self._num_unasked += commit.num_unasked


def _made_of(layout: RunLayout) -> _Sources | None:
    try:
        return _Sources.model_validate(json.loads(layout.answers_of.read()))
    except (MissingFileError, ValueError):
        return None


def _resolved(layout: RunLayout) -> str:
    return str(layout.root if layout.root.local is None else layout.root.local.resolve())

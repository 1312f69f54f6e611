"""The plan: which Recordings make up which WorkUnit. Computed once and stored.

It never changes, but that it may grow, and lose what is taken back. Boundaries follow from the order of the source and
the lengths in the files' headers alone, so that numbers of workers and restarts change nothing. Units lie in Parquet
files and are read one at a time. The summary names the files that count: what a killed process wrote beside them does
not.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fcaps_pipeline.annotate.run.border import Border
from fcaps_pipeline.annotate.run.division import Division, dealt
from fcaps_pipeline.annotate.run.survey import Seen, Survey
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.audio.location import is_url, location_of
from fcaps_pipeline.audio.stamp import take_stamp
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.jobs.sources import ManifestSource
from fcaps_pipeline.records.audio import FileStamp
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load
from fcaps_pipeline.shards.plan_file import PlanFile, PlanFileWriter
from fcaps_pipeline.shards.taken_back import LeftOut
from fcaps_pipeline.shards.tombstones import read_tombstones


def load_or_make(layout: RunLayout, job: Job) -> Plan:
    """The stored plan, or a new one from the job's source.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    if layout.plan.exists():
        return load(layout)
    stamp = source_stamp(job)
    listing, survey, units = list_recordings(job.source), Survey(), _PlannedUnits(Division(job.shards))
    left_out = LeftOut(read_tombstones(layout.tombstones))
    file = units.store(layout, 1, left_out.pass_on(listing.blocks()), survey, job)
    seen = _seen_of(survey, listing, units.num_recordings, job)
    if (line := left_out.line()) is not None:
        seen["remarks"] += (line,)
    return _keep(layout, Plan(**units.sums(), **seen, source_stamp=stamp, files=(file,)))


def source_stamp(job: Job) -> FileStamp | None:
    """What a manifest looks like, which alone decides its Recordings; None for other sources, and where it is gone.

    What is on a store has no time of its own, and could be another one that begins alike.
    """
    if not isinstance(job.source, ManifestSource) or is_url(job.source.path):
        return None
    with Border():
        return take_stamp(location_of(resolve_path(job.source.path)))
    return None


def extend(layout: RunLayout, job: Job, plan: Plan, fresh: Iterable[pa.Table], listing: Listing) -> Plan:
    """Adds Recordings to a stored plan, in units of their own behind the others.

    Args:
        layout: of the run.
        job: of the run.
        plan: as it is stored.
        fresh: tables of what the source has and the plan has not, with hashes of ids.
        listing: that they come from, which knows what was passed over once they are read.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    stamp = source_stamp(job)
    survey, units = Survey(), _PlannedUnits(Division(job.shards, plan.num_units))
    file = units.store(layout, len(plan.files) + 1, fresh, survey, job)
    if not units.num_recordings:
        layout.plan_file(len(plan.files) + 1).delete()
        return plan
    layout.index.delete()  # the dataset is whole no more
    seen = _seen_of(survey, listing, units.num_recordings, job)
    more = Plan(**units.sums(), **seen, source_stamp=stamp, files=(*plan.files, file))
    sums = {name: getattr(plan, name) + getattr(more, name) for name in _ADDED}
    warnings = dict(Counter(plan.warnings) + Counter(more.warnings))
    return _keep(layout, more.model_copy(update={**sums, "warnings": warnings}))


_ADDED = ("num_recordings", "num_without_length", "duration_s", "num_segments_expected", "num_looked_at", "num_missing")


@dataclass
class _PlannedUnits:
    """Counts Recordings on their way to a file."""

    division: Division
    num_recordings: int = 0
    num_without_length: int = 0
    num_segments: int = 0
    duration_s: float = 0.0

    def store(self, layout: RunLayout, number: int, tables: Iterable[pa.Table], survey: Survey, job: Job) -> PlanFile:
        """Looks at Recordings, divides them, and writes one file of the plan."""
        typical_s = (job.segmentation.min_segment_s + job.segmentation.max_segment_s) / 2
        with PlanFileWriter(layout, number) as file:
            for seen in self._seen(tables, survey, job.shards.deal_seed):
                self._count(seen.table, typical_s)
                file.write(self.division.units_of(seen), seen.table)
            return file.finish()

    def sums(self) -> dict[str, Any]:
        """What a Plan says of its units."""
        return {
            "num_units": self.division.num_units,
            "num_recordings": self.num_recordings,
            "num_without_length": self.num_without_length,
            "duration_s": self.duration_s,
            "num_segments_expected": self.num_segments,
        }

    def _seen(self, tables: Iterable[pa.Table], survey: Survey, deal_seed: int | None) -> Iterable[Seen]:
        seen = survey.look(tables)
        return seen if deal_seed is None else dealt(seen, deal_seed)

    def _count(self, table: pa.Table, typical_s: float) -> None:
        self.num_recordings += len(table)
        self.num_without_length += table["duration_s"].null_count
        self.duration_s += float(np.nan_to_num(table["duration_s"].to_numpy()).sum())
        self.num_segments += num_expected_segments(table, typical_s)


def num_expected_segments(table: pa.Table, typical_s: float) -> int:
    """Of a Recording whose source declares no Segments, continuous speech in Segments of the typical length."""
    lengths_s = np.nan_to_num(table["duration_s"].to_numpy())
    expected = np.maximum(1, np.rint(lengths_s / typical_s))
    declared = table["num_cuts"].to_numpy()
    return int(np.where(np.isnan(declared), expected, declared).sum())


def _seen_of(survey: Survey, listing: Listing, num_recordings: int, job: Job) -> dict[str, Any]:
    """What a Plan says of the look at the source."""
    passed_over = listing.passed_over
    return {
        "num_missing": survey.num_missing,
        "num_looked_at": survey.num_looked_at,
        "num_ignored_files": dict(passed_over.by_suffix),
        "num_read_beside": passed_over.num_read_beside,
        "warnings": dict(survey.warnings),
        "remarks": (
            *survey.remarks(num_recordings),
            *_unasked_tags(survey.num_tagged, job),
            *passed_over.first_notes(),
        ),
    }


def _keep(layout: RunLayout, plan: Plan) -> Plan:
    layout.plan.put(plan.model_dump_json(indent=1))
    return plan


def check_audio_exists(layout: RunLayout, plan: Plan) -> None:
    """Refuses to start engines for a source none of whose files is there; the next call plans anew.

    Raises:
        SourceError: every file that was looked at is missing.
    """
    if plan.num_missing and plan.num_missing == plan.num_looked_at:
        layout.plan.delete()
        raise SourceError(plan.remarks[0])


def _unasked_tags(num_tagged: int, job: Job) -> list[str]:
    without = [granularity.value for granularity, one in job.captions.items() if one.prompt_with_tags is None]
    if not num_tagged or len(without) < len(job.captions):
        return []
    remark = f"{num_tagged} recordings have human tags, which no prompt of this job asks for"
    return [f"{remark}: give captions.{without[0]}.prompt_with_tags to use them"]

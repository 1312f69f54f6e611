"""What a run would be asked for after earlier ones, found out by judging their answers again without any sound.

Enters: a planned job and the runs it reuses. Leaves: Segments that are answered whole, and those that engines must be
asked about, counted on a sample where there are many. What captions say of a part of a Segment is not held against
that part, which takes its sound.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fcaps_pipeline.annotate.captioning.earlier_answers import EarlierAnswers
from fcaps_pipeline.annotate.captioning.reusing_engine import AnswersAlone
from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.run.placement import captions_of
from fcaps_pipeline.annotate.run.reckoning import tokens_of
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.verification.bounds import load_bounds
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.records.audio import Acoustics, AudioWarning, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout
from fcaps_pipeline.shards.plan import load_units
from fcaps_pipeline.shards.reader import read_index, read_rows
from fcaps_pipeline.shards.schema import Row, channel_of

_SAMPLE = 20_000
_COLUMNS = [
    "segment_id",
    "recording_id",
    "channel",
    "start_samples",
    "end_samples",
    "speaker",
    "speaker_gender",
    "transcript",
    "audio_sha256",
    "warnings",
    *Acoustics.model_fields,
]


class Rehearsal(Record):
    """How much of a job earlier runs answer."""

    num_segments: int
    """Of the earlier runs, in Recordings that the job has too."""
    num_answered: int
    """Of these, Segments that are answered whole."""
    num_new_segments: int
    """Expected in Recordings that the earlier runs do not have."""
    asked_share: dict[Granularity, float]
    """Share of the Segments of the earlier runs that must be asked about at each granularity."""

    def num_to_ask(self, job: Job) -> dict[str, float]:
        """Segments that each engine is asked about, each of its granularities counted by the tokens it takes."""
        return {name: self._share(job, name) * self.num_segments + self.num_new_segments for name in job.engines}

    def _share(self, job: Job, engine: str) -> float:
        """What would be probed is not rehearsed: an engine that writes nothing counts as asked about every Segment."""
        tokens = {granularity: tokens_of(granularity, one) for granularity, one in captions_of(job, engine).items()}
        if not tokens:
            return 1.0
        return sum(self.asked_share[one] * number for one, number in tokens.items()) / sum(tokens.values())


@dataclass(frozen=True)
class _KnownSound(SegmentAudio):
    """A Segment of which only the checksum of its samples is at hand."""

    sha256: str = ""

    @cached_property
    def samples_sha256(self) -> str:
        """As it was recorded."""
        return self.sha256


def rehearse(
    job: Job, layout: RunLayout, runs: Sequence[RunLayout], reuse: Reuse, num_segments_expected: int
) -> Rehearsal:
    """Judges earlier answers by the rules of a job.

    Args:
        job: what would be asked.
        layout: where its plan is.
        runs: those that are reused.
        reuse: their answers.
        num_segments_expected: of the whole plan, from lengths alone.

    Raises:
        CorruptRunError: a run cannot be read.
    """
    for run in runs:
        read_index(run)
    met = {row["recording_id"] for run in runs for row in read_rows(run, "recordings", ["recording_id"])}
    planned = {one.recording_id for one in _recordings(layout)}
    known = met & planned
    sampled, share = _sampled(row for run in runs for row in _rows(run) if row["recording_id"] in known)
    wanted = {row["recording_id"] for row in sampled}
    recordings = {one.recording_id: one for one in _recordings(layout) if one.recording_id in wanted}
    asked = Counter[Granularity]()
    num_answered = 0
    with EarlierAnswers(reuse.answers_here()) as answers:
        annotators = _annotators(job, reuse, answers)
        for row in sampled:
            unasked = _unasked(annotators, _segment(row, recordings[row["recording_id"]]), job)
            num_answered += not unasked
            asked.update(unasked)
    share_new = 1 - len(known) / len(planned) if planned else 0.0
    return Rehearsal(
        num_segments=round(len(sampled) / share),
        num_answered=round(num_answered / share),
        num_new_segments=round(share_new * num_segments_expected),
        asked_share={one: asked[one] / len(sampled) if sampled else 0.0 for one in job.captions},
    )


def _rows(run: RunLayout) -> Iterator[Row]:
    for table in OUTCOME_TABLES:
        for row in read_rows(run, table, _COLUMNS):
            if row["segment_id"] is not None and row["voiced_share"] is not None:
                yield row


def _sampled(rows: Iterable[Row]) -> tuple[list[Row], float]:
    """Each Segment once, and the share of them that is kept: a hash of their ids decides, however many there are."""
    kept: dict[str, Row] = {}
    share = 1.0
    for row in rows:
        if _place(row["segment_id"]) < share:
            kept[row["segment_id"]] = row
            while len(kept) > _SAMPLE:
                share /= 2
                kept = {name: one for name, one in kept.items() if _place(name) < share}
    return list(kept.values()), share


def _place(segment_id: str) -> float:
    """Somewhere in [0, 1), always the same."""
    return int.from_bytes(hashlib.blake2b(segment_id.encode(), digest_size=6).digest()) / 2**48


def _recordings(layout: RunLayout) -> Iterator[Recording]:
    """Those of the plan."""
    for unit in load_units(layout):
        for recording in unit.recordings:
            yield recording.model_copy(update={"cuts": None})


def _annotators(job: Job, reuse: Reuse, answers: EarlierAnswers) -> Mapping[str, SegmentAnnotator | None]:
    """By engine; None where no earlier run had its model, so that everything must be asked."""
    prompts = load_prompts(job.prompt_references())
    bounds = load_bounds(job.verification.bounds)
    return {
        name: SegmentAnnotator(
            AnswersAlone(reuse.identities[name], answers), captions_of(job, name), job.verification, prompts, bounds
        )
        if name in reuse.identities
        else None
        for name in job.engines
    }


def _unasked(annotators: Mapping[str, SegmentAnnotator | None], segment: SegmentAudio, job: Job) -> set[Granularity]:
    """Granularities at which a Segment must be asked about."""

    async def judge() -> set[Granularity]:
        unasked: set[Granularity] = set()
        for name, annotator in annotators.items():
            if annotator is None:
                unasked |= captions_of(job, name).keys()
            else:
                unasked |= {one.granularity for one in await annotator.caption(segment) if one.is_unasked}
        return unasked

    return asyncio.run(judge())


def _segment(row: Row, recording: Recording) -> SegmentAudio:
    segment = Segment(
        segment_id=row["segment_id"],
        recording_id=row["recording_id"],
        channel=channel_of(row),
        start_samples=row["start_samples"],
        end_samples=row["end_samples"],
        transcript=row["transcript"],
        speaker=row["speaker"],
    )
    acoustics = Acoustics(**{name: row[name] for name in Acoustics.model_fields})
    warnings = tuple(AudioWarning.model_validate(one) for one in row["warnings"] or ())
    known = recording.model_copy(update={"speaker_gender": row["speaker_gender"], "warnings": warnings})
    return _KnownSound(known, segment, acoustics, np.zeros(0, np.int16), sha256=row["audio_sha256"])

"""A small finished run with everything that a run may hold, every caption and transcript of its own words."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fcaps_pipeline.annotate.run.report import LastCall, make_report
from fcaps_pipeline.annotate.run.watch.run_log import FailureLine, RunLog, UnitCommitted, utc_now
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity, job_sha256
from fcaps_pipeline.jobs.started import remember
from fcaps_pipeline.records.annotations import Candidate, Failure, SegmentOutcome
from fcaps_pipeline.records.audio import Cut, Recording, Segment, SegmentAudio
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.plan import Plan
from fcaps_pipeline.shards.plan_file import PlanFileWriter
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.recording_table import table_of, with_hashes
from fcaps_pipeline.shards.sums import sum_up
from fcaps_pipeline.shards.writer import UnitWriter

NUM_SAMPLES = 1_600
_SPACING = 10_000

Decide = Callable[[SegmentAudio], SegmentOutcome]


@dataclass(frozen=True)
class Decisions:
    """How Segments become outcomes."""

    make_audio: Callable[..., SegmentAudio]
    annotate: Decide
    reject: Decide
    fail: Decide


UNITS: tuple[tuple[str, ...], ...] = (
    ("anna-one", "bob-one"),
    ("anna-broken", "talk-both", "anna-silent", "bob-two"),
    ("anna-last",),
)
"""Recordings by unit; the first word says who speaks."""
FATES = {
    "anna-one": "aar",
    "bob-one": "af",
    "anna-broken": "",
    "talk-both": "aaa",
    "anna-silent": "",
    "bob-two": "ar",
    "anna-last": "a",
}
"""What becomes of each Segment: annotated, rejected or failed."""
TALKERS = ("speaker-anna", "speaker-bob", "speaker-anna")
"""Of the Segments that the source declares of `talk-both`."""
LICENSES = {"bob-two": "license-of-two"}


def everything(run: RunLayout) -> bytes:
    """All bytes of the folder, hidden files too; names of files with them."""
    files = sorted(path for path in run.root.on_disk().rglob("*") if path.is_file())
    return b"\n".join(str(path.relative_to(run.root.on_disk())).encode() + path.read_bytes() for path in files)


def recording(name: str, folder: Path) -> Recording:
    """As the source tells of it."""
    who = name.partition("-")[0]
    cuts = tuple(
        Cut(
            start_samples=place * _SPACING,
            end_samples=place * _SPACING + NUM_SAMPLES,
            channel=0,
            speaker=speaker,
            transcript=f"words {place} of {name} “here”",
        )
        for place, speaker in enumerate(TALKERS)
    )
    return Recording(
        recording_id=name,
        location=str(folder / f"{name}.wav"),
        source=f"{name}.wav",
        duration_s=3.0,
        speaker=None if who == "talk" else f"speaker-{who}",
        license=LICENSES.get(name, "license-of-all"),
        transcript=f"all the words of {name}",
        cuts=cuts if who == "talk" else None,
    )


def segment_ids(name: str) -> list[str]:
    """Of the Segments of a Recording."""
    return [_segment_id(name, place) for place in range(len(FATES[name]))]


def _segment_id(name: str, place: int) -> str:
    return Segment.make_id(name, 0, place * _SPACING, place * _SPACING + NUM_SAMPLES)


def write_spoken_run(root: Path, decisions: Decisions) -> RunLayout:
    """Writes the run: one unit was done twice, and the log names what failed."""
    layout, folder = RunLayout(root), root.parent
    job = make_job(folder / "m.jsonl")
    layout.job.put(json.dumps(job_identity(job)))
    remember(layout.started, job)
    for unit_index in (0, *range(len(UNITS))):
        _write_unit(layout, unit_index, folder, decisions)
    plan = _write_plan(layout, folder)
    with RunLog(layout.log) as log:
        sums = sum_up(read_commits(layout))
        log.append(
            UnitCommitted(
                at=utc_now(), unit_index=0, num_units_done=1, audio_hours=1, annotations=3, rejections=1, failures=1
            )
        )
        for message in sums.failures:
            log.append(FailureLine(at=utc_now(), unit_index=0, message=message))
    layout.report.put(make_report(layout, plan, sums, {}, LastCall()).model_dump_json(indent=1))
    lines = (line for commit in read_commits(layout) for line in index_lines(commit))
    write_index(layout, sums.totals(), lines, job_sha256=job_sha256(job), plan_sha256=plan.sha256)
    layout.answers.put(b"SQLite format 3\0 an answer about anna-one")
    layout.answers_of.put(json.dumps({"runs": {"/runs/earlier": "0" * 64}, "fcaps_version": "0"}))
    return layout


def make_job(manifest: Path) -> Job:
    """A job of the rules engine."""
    return Job.model_validate(
        {
            "source": {"kind": "manifest", "path": str(manifest)},
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
            "shards": {"unit_recordings": 2},
        }
    )


def _write_unit(layout: RunLayout, unit_index: int, folder: Path, decisions: Decisions) -> None:
    names = UNITS[unit_index]
    with UnitWriter(layout, unit_index, row_group_bytes=20_000) as writer:
        for name in names:
            one = recording(name, folder)
            for place, fate in enumerate(FATES[name]):
                audio = _audio(one, place, decisions)
                decide = {"a": decisions.annotate, "r": decisions.reject, "f": decisions.fail}[fate]
                writer.add(_worded(decide(audio), f"{name} number {place}"), audio)
            if name == "anna-broken":
                message = f"{one.location}: no audio"
                failure = Failure(recording=one, segment=None, stage="decode", error="RecordingError", message=message)
                writer.add_recording_failure(failure)
        outcomes = tuple(_outcome(name) for name in names)
        writer.commit(outcomes, sum(one.num_segments for one in outcomes), 1.0)


def _audio(one: Recording, place: int, decisions: Decisions) -> SegmentAudio:
    cut = None if one.cuts is None else one.cuts[place]
    segment = Segment(
        segment_id=_segment_id(one.recording_id, place),
        recording_id=one.recording_id,
        channel=0,
        start_samples=place * _SPACING,
        end_samples=place * _SPACING + NUM_SAMPLES,
        speaker=cut.speaker if cut else one.speaker,
        transcript=cut.transcript if cut else None,
    )
    seed = [place, *one.recording_id.encode()]
    pcm_T = np.random.default_rng(seed).integers(-3000, 3000, NUM_SAMPLES).astype(np.int16)
    heard = one.model_copy(update={"sha256": file_sha256(one.recording_id), "cuts": None})
    return replace(decisions.make_audio(), recording=heard, segment=segment, pcm_T=pcm_T)


def file_sha256(name: str) -> str:
    """Of the bytes of a file that is not there."""
    return hashlib.sha256(name.encode()).hexdigest()


def _worded(outcome: SegmentOutcome, words: str) -> SegmentOutcome:
    """The outcome with captions that no other Segment has."""

    def word(candidate: Candidate) -> Candidate:
        text = f"{candidate.text} It is {words}."
        completion = candidate.completion.model_copy(update={"text": text})
        key = hashlib.sha256(text.encode()).hexdigest()
        return candidate.model_copy(update={"text": text, "completion": completion, "request_key": key})

    sets = tuple(
        one.model_copy(update={"candidates": tuple(map(word, one.candidates))}) for one in outcome.caption_sets
    )
    return outcome.model_copy(update={"caption_sets": sets})


def _outcome(name: str) -> RecordingOutcome:
    outcome = {"anna-broken": "failed", "anna-silent": "no_speech"}.get(name, "segmented")
    return RecordingOutcome(
        recording_id=name,
        source=f"{name}.wav",
        outcome=outcome,
        num_segments=len(FATES[name]),
        duration_s=3.0,
        speech_s=2.0,
        num_discarded=0,
        discarded_s=0.0,
        num_forced_cuts=0,
        sha256=None if name == "anna-broken" else file_sha256(name),
    )


def _write_plan(layout: RunLayout, folder: Path) -> Plan:
    names = [name for unit in UNITS for name in unit]
    units = np.repeat(np.arange(len(UNITS), dtype=np.int32), [len(unit) for unit in UNITS])
    with PlanFileWriter(layout, 1) as writer:
        writer.write(units, with_hashes(table_of([recording(name, folder) for name in names])))
        file = writer.finish()
    plan = Plan(
        num_units=len(UNITS),
        num_recordings=len(names),
        num_without_length=0,
        duration_s=3.0 * len(names),
        num_segments_expected=len(names) + 2,
        num_looked_at=len(names),
        num_missing=1,
        num_ignored_files={},
        num_read_beside=0,
        warnings={},
        remarks=("1 of 7 files do not exist: anna-broken.wav", "a remark about nobody"),
        files=(file,),
    )
    layout.plan.put(plan.model_dump_json())
    return plan

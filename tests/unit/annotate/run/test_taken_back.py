"""What was taken back before is not annotated again: neither planned, nor added, nor written by a unit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.drift import drift_line, extend_plan
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.run.reuse import inherit_tombstones
from fcaps_pipeline.annotate.run.unit_worker import UnitTry
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording, Segment, SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.plan import load, load_units
from fcaps_pipeline.shards.reader import read_rows
from fcaps_pipeline.shards.tombstones import Kind, Tombstone, no_tombstones, read_tombstones, write_tombstones
from tests.unit.annotate.run.test_unit_worker import NUM_SEGMENTS, Bench

LEFT_OUT = "of the source taken back before: left out"


def take_back(layout: RunLayout, *values: tuple[Kind, str]) -> None:
    """As a removal leaves the list of a run."""
    before = read_tombstones(layout.tombstones) or no_tombstones()
    entries = [Tombstone(what=what, digest=before.digest(what, value), reason="asked") for what, value in values]
    write_tombstones(layout.tombstones, before.having(entries, is_unfinished=False))


def listed(folder: Path, **speakers: str) -> Job:
    """A job over Recordings with their speakers."""
    lines = [{"path": "a.wav", "id": name, "speaker": speaker} for name, speaker in speakers.items()]
    soundfile.write(folder / "a.wav", np.zeros(32_000, np.int16), 16_000)
    (folder / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Job.model_validate(
        {
            "source": {"kind": "manifest", "path": str(folder / "m.jsonl")},
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
            "shards": {"unit_recordings": 2},
        }
    )


def planned(layout: RunLayout) -> list[str]:
    return [one.recording_id for unit in load_units(layout) for one in unit.recordings]


def test_a_speaker_who_was_taken_back_is_not_added(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "run")
    load_or_make(layout, listed(tmp_path, b="bob", c="carl"))
    take_back(layout, ("speaker", "anna"), ("recording", "d"))
    job = listed(tmp_path, a="anna", b="bob", c="carl", d="dora", e="anna", f="bob")
    line = drift_line(layout, job, load(layout))
    assert line is not None
    assert "1 new (a.wav)" in line
    plan, drift = extend_plan(layout, job, load(layout))
    assert planned(layout) == ["b", "c", "f"]
    assert plan.num_recordings == 3
    assert drift.lines() == ("1 new recordings were taken in", f"3 recordings {LEFT_OUT}")
    assert drift_line(layout, job, load(layout)) is None


def test_a_run_that_reuses_another_leaves_out_what_was_taken_back_there(tmp_path: Path) -> None:
    job = listed(tmp_path, a="anna", b="bob")
    earlier, new = RunLayout(tmp_path / "earlier"), RunLayout(tmp_path / "new")
    earlier.job.put("{}")
    assert inherit_tombstones(new, [earlier.root]) is None
    take_back(earlier, ("speaker", "anna"))
    take_back(new, ("speaker", "carl"))
    assert inherit_tombstones(new, [earlier.root]) is None
    plan = load_or_make(new, job)
    assert planned(new) == ["b"]
    assert f"1 recording {LEFT_OUT}" in plan.remarks
    take_back(earlier, ("speaker", "bob"))
    assert "fcaps release remove" in str(inherit_tombstones(new, [earlier.root]))
    assert inherit_tombstones(new, [earlier.root]) is None


@pytest.fixture
def unit(tmp_path: Path) -> WorkUnit:
    """One recording with declared Segments."""
    path = tmp_path / "tale.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16_000 * 3 * NUM_SEGMENTS), 16_000)
    cuts = tuple(Cut(start_samples=48_000 * one, end_samples=48_000 * (one + 1)) for one in range(NUM_SEGMENTS))
    return WorkUnit(
        unit_index=0,
        recordings=(Recording(recording_id="tale_wav", location=str(path), source="tale.wav", cuts=cuts),),
    )


def test_a_unit_is_written_without_segments_that_were_taken_back(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    whole = Bench(tmp_path / "whole", lambda segment: annotate(segment).caption_sets)
    whole.run(UnitTry(unit))
    samples = [row["audio_sha256"] for row in read_rows(whole.layout, "data")]
    take_back(
        RunLayout(tmp_path / "run"),
        ("segment", Segment.make_id("tale_wav", 0, 48_000, 96_000)),
        ("audio", samples[4]),
        ("audio", samples[5]),
    )
    asked: list[str] = []

    def answer(segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        asked.append(segment.samples_sha256)
        return annotate(segment).caption_sets

    bench = Bench(tmp_path / "run", answer)
    commit = bench.run(UnitTry(unit))
    kept = [samples[place] for place in (0, 2, 3, 6)]
    assert [row["audio_sha256"] for row in read_rows(bench.layout, "data")] == kept
    assert sorted(asked) == sorted(kept), "nobody is asked about the others"
    (outcome,) = read_outcomes(bench.layout, commit)
    assert (outcome.outcome, outcome.num_segments, outcome.warnings) == ("segmented", 4, {"taken_back": 3})
    assert (commit.num_segments, commit.num_segment_failures, commit.warnings) == (4, 0, {"taken_back": 3})

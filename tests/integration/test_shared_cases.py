"""All inputs that once went wrong in one folder: every second of it is accounted for, and nothing is passed over."""

import os
import re
import shutil
from pathlib import Path

import pytest

from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_commits, read_rows
from tests.integration.conftest import Fcaps
from tests.shared_cases import BAD, WHOLE

_JOB = "jobs/annotate_cascade_baseline_cpu.yaml"


@pytest.fixture(scope="module")
def layout(fcaps: Fcaps, shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """The run over a copy of the folder, with a named pipe in it and a temporary folder too deep for sockets."""
    folder, run = tmp_path_factory.mktemp("cases"), tmp_path_factory.mktemp("runs") / "cases"
    shutil.copytree(shared_cases, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    pipes = folder / "pipes"
    pipes.mkdir()
    os.mkfifo(pipes / "pipe.wav")
    deep = tmp_path_factory.mktemp("slurm_jobdir_of_a_long_user_name") / "1355700" / "tmp.t0016" / "and_one_more_folder"
    deep.mkdir(parents=True)
    settings = ("--set", f"source.path={folder}", "--set", "shards.unit_recordings=10")
    done = fcaps("annotate", _JOB, "--out", run, *settings, TMPDIR=str(deep))
    assert done.returncode == 3, done.stderr
    assert "is a named pipe, not a regular file: passed over" in done.stderr
    return RunLayout(run)


def _outcomes(layout: RunLayout) -> dict[str, RecordingOutcome]:
    return {one.source: one for commit in read_commits(layout) for one in read_outcomes(layout, commit)}


def test_every_recording_is_annotated_or_named(layout: RunLayout) -> None:
    outcomes = _outcomes(layout)
    assert set(outcomes) == set(WHOLE) | set(BAD)
    assert {source for source, one in outcomes.items() if one.outcome == "failed"} == set(BAD)
    messages = {row["source"]: row["message"] for row in read_rows(layout, "failures") if row["segment_id"] is None}
    assert all(re.search(expected, messages[source]) for source, expected in BAD.items())


def test_every_second_is_decoded(layout: RunLayout) -> None:
    outcomes = _outcomes(layout)
    for source, seconds in WHOLE.items():
        assert outcomes[source].duration_s == pytest.approx(seconds, abs=0.1), source


def test_speech_becomes_segments_or_is_counted_as_discarded(layout: RunLayout) -> None:
    segments_s = dict.fromkeys(WHOLE, 0.0)
    for table in ("data", "rejections"):
        for row in read_rows(layout, table, ["source", "duration_s"]):
            segments_s[row["source"]] += row["duration_s"]
    for source, one in _outcomes(layout).items():
        assert segments_s.get(source, 0.0) >= one.speech_s - one.discarded_s - 0.05, source


def test_the_run_is_sound_and_says_what_was_mended(fcaps: Fcaps, layout: RunLayout) -> None:
    assert fcaps("verify", layout.root).returncode == 0
    warned = {
        row["source"]
        for table in ("data", "rejections")
        for row in read_rows(layout, table, ["source", "warnings"])
        if row["warnings"]
    }
    assert {"aac_rate_changes/rate.aac", "wav_header_understates/understated.wav"} <= warned

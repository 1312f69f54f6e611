"""`fcaps status` on folders in every state."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.run.watch.run_log import (
    Ended,
    EngineMinute,
    LogLine,
    Minute,
    Planned,
    Ready,
    RunLog,
    Started,
    Step,
)
from fcaps_pipeline.jobs.annotate_job import load_job
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.shards.layout import RunLayout
from tests.conftest import Typed


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    """A run folder whose plan is not stored yet."""
    layout = RunLayout(tmp_path / "run")
    layout.root.on_disk().mkdir()
    layout.job.on_disk().write_text("{}")
    return layout


def _log(layout: RunLayout, *lines: LogLine) -> None:
    with RunLog(layout.log) as log:
        for line in lines:
            log.append(line)


def _started(minutes_ago: float) -> Started:
    return Started(
        at=datetime.now(UTC) - timedelta(minutes=minutes_ago), host="node-of-a-cluster", pid=7, fcaps_version="1"
    )


def test_a_run_that_still_plans_says_who_does(run: RunLayout, typed: Typed) -> None:
    _log(run, _started(1), Step(at=datetime.now(UTC), step="planning"))
    code, out, _ = typed("status", run.root)
    assert code == 0
    assert "starting: planning" in out
    assert "node-of-a-cluster, process 7" in out


def test_a_run_whose_machine_is_gone_has_no_plan_to_show(run: RunLayout, typed: Typed) -> None:
    _log(run, _started(60))
    code, _, err = typed("status", run.root)
    assert (code, "has no complete plan yet" in err.replace("\n", " ")) == (1, True)


def test_a_working_run_as_table_and_as_json(run: RunLayout, typed: Typed) -> None:
    now = datetime.now(UTC)
    engine = EngineMinute(
        engine="captioner",
        wanted=64,
        up=63,
        busy_share=0.976,
        output_tokens_per_s=640_000,
        queued=4096,
        restarts=2,
        kv_cache_share=0.21,
        preemptions=5,
    )
    _log(
        run,
        _started(90),
        Planned(at=now, num_units=0, num_units_done=0, audio_hours=0, audio_hours_done=0),
        Ready(at=now, startup_s=300),
        Step(at=now, step="annotating"),
        Minute(
            at=now,
            audio_hours=0,
            segments={"annotated": 5},
            recording_failures=0,
            output_tokens={"captioner": 7},
            verdicts={"kept": 5},
            hours_per_hour=812.3,
            eta_s=3 * 3600 + 12 * 60,
            engines=(engine,),
        ),
    )
    _store_plan(run)
    code, out, err = typed("status", run.root)
    assert (code, err) == (0, "")
    lines = [" ".join(line.strip("│ ").split()) for line in out.splitlines()]
    assert "state │ working: annotating; engines up: 63 of 64 captioner" in lines
    assert "rate │ 812.3 h of audio per hour" in lines
    assert "time left │ 3 h 12 min" in lines
    (shown,) = [line for line in lines if line.startswith("engine captioner")]
    assert "63 of 64 up, 98 % busy, 640000 tokens/s, 4096 segments waiting, 2 restarts, KV cache 21 % full" in shown
    code, out, _ = typed("status", run.root, "--json")
    seen = json.loads(out)
    assert (code, seen["activity"]["state"], seen["progress"]["num_units_done"]) == (0, "working", 0)
    _log(run, Ended(at=now, how="whole"))
    code, out, _ = typed("status", run.root)
    assert (code, "ended: whole" in out, "engine captioner" in out) == (0, True, False)


def test_a_run_without_a_log_shows_what_is_done(run: RunLayout, typed: Typed) -> None:
    _store_plan(run)
    code, out, _ = typed("status", run.root, "--watch")
    assert (code, "0 of 1 done" in out, "state" in out) == (0, True, False)


def _store_plan(layout: RunLayout) -> None:
    load_or_make(layout, load_job(shipped_folder("jobs") / "annotate_demo_cpu.yaml"))

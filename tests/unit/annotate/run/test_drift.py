"""A stored plan against a source that changed: what came, went, is another file now, and a plan that grows."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.drift import drift_line, extend_plan
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load, load_units


def _line(name: str, **fields: Any) -> dict[str, Any]:
    return {"path": f"{name}.wav", "id": name, **fields}


def _write(tmp_path: Path, *lines: dict[str, Any]) -> Job:
    for line in lines:
        path = tmp_path / line["path"]
        if not path.exists():
            soundfile.write(path, np.zeros(32_000, np.int16), 16_000)
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Job.model_validate(
        {
            "source": {"kind": "manifest", "path": str(manifest)},
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
            "shards": {"unit_recordings": 2},
        }
    )


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    """A run planned for three recordings."""
    layout = RunLayout(tmp_path / "run")
    load_or_make(layout, _write(tmp_path, *map(_line, "abc")))
    return layout


def _units(layout: RunLayout) -> list[list[str]]:
    return [[one.recording_id for one in unit.recordings] for unit in load_units(layout)]


def test_an_unchanged_source_is_no_difference(layout: RunLayout, tmp_path: Path) -> None:
    job = _write(tmp_path, *map(_line, "abc"))
    assert drift_line(layout, job, load(layout)) is None
    os.utime(tmp_path / "m.jsonl", ns=(0, 0))
    before = layout.plan.read(), layout.plan_file(1).read()
    assert drift_line(layout, job, load(layout)) is None
    plan, drift = extend_plan(layout, job, load(layout))
    assert (drift.line(), drift.lines()) == (None, ())
    assert (layout.plan.read(), layout.plan_file(1).read()) == before
    assert not layout.plan_file(2).exists()
    assert plan == load(layout)


def test_a_difference_is_one_line_that_names_everything(layout: RunLayout, tmp_path: Path) -> None:
    job = _write(tmp_path, _line("d"), _line("a"), _line("c", speaker="anna"))
    assert drift_line(layout, job, load(layout)) == (
        "the source is no longer what was planned, of its recordings are 1 new (d.wav), 1 gone (b.wav), "
        "1 changed (c.wav); --extend takes the new ones in"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ["low", "calm"]},
        {"tags": ["calmlow"]},
        {"tags": None},
        {"segments": [{"start_s": 0, "end_s": 1.5}]},
        {"mood": "sad"},
        {"language": None, "speaker": "en"},
        {"path": "b.wav"},
    ],
)
def test_whatever_a_line_says_otherwise_is_a_difference(tmp_path: Path, change: dict[str, Any]) -> None:
    line = _line("a", tags=["calm", "low"], segments=[{"start_s": 0, "end_s": 1}], mood="gay", language="en")
    layout = RunLayout(tmp_path / "run")
    plan = load_or_make(layout, _write(tmp_path, line))
    assert drift_line(layout, _write(tmp_path, line, _line("b")), plan) == (
        "the source is no longer what was planned, of its recordings are 1 new (b.wav); --extend takes the new ones in"
    )
    assert "1 changed" in str(drift_line(layout, _write(tmp_path, line | change), plan))


def test_a_source_that_cannot_be_listed_is_said_and_stops_nothing(layout: RunLayout, tmp_path: Path) -> None:
    job = _write(tmp_path, *map(_line, "abc"))
    (tmp_path / "m.jsonl").unlink()
    line = drift_line(layout, job, load(layout))
    assert line is not None
    assert line.startswith("the source cannot be compared with what was planned: ")
    assert "does not exist" in line


def test_new_recordings_become_units_of_their_own_behind_the_others(layout: RunLayout, tmp_path: Path) -> None:
    before = load(layout)
    layout.index.on_disk().write_text("{}")
    job = _write(tmp_path, _line("x"), *map(_line, "abc"), _line("y"), _line("z"))
    plan, drift = extend_plan(layout, job, before)
    assert _units(layout) == [["a", "b"], ["c"], ["x", "y"], ["z"]]
    assert [unit.unit_index for unit in load_units(layout)] == [0, 1, 2, 3]
    assert drift.lines() == ("3 new recordings were taken in",)
    assert (plan.num_units, plan.num_recordings, plan.duration_s) == (4, 6, 12.0)
    assert load(layout) == plan
    assert plan.sha256 != before.sha256
    assert not layout.index.exists(), "the dataset is whole no more"
    assert drift_line(layout, job, load(layout)) is None


def test_an_extension_that_was_killed_counts_for_nothing_and_can_be_made_again(
    layout: RunLayout, tmp_path: Path
) -> None:
    layout.plan_file(2).on_disk().write_bytes(b"PAR1")
    assert _units(layout) == [["a", "b"], ["c"]]
    plan, _ = extend_plan(layout, _write(tmp_path, *map(_line, "abcd")), load(layout))
    assert _units(layout) == [["a", "b"], ["c"], ["d"]]
    assert load(layout) == plan


def test_a_file_that_counts_and_was_changed_is_noticed(layout: RunLayout) -> None:
    content = layout.plan_file(1).on_disk().read_bytes()
    layout.plan_file(1).on_disk().write_bytes(content.replace(b"b.wav", b"q.wav", 1))
    with pytest.raises(CorruptRunError, match=r"not what plan\.json records"):
        load(layout)
    layout.plan_file(1).on_disk().unlink()
    with pytest.raises(CorruptRunError, match="is unreadable"):
        load(layout)


def test_gone_recordings_and_other_files_are_named_each(layout: RunLayout, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(48_000, np.int16), 16_000)
    plan, drift = extend_plan(layout, _write(tmp_path, *map(_line, "ac")), load(layout))
    assert drift.lines() == (
        "b.wav: no longer in the source; what was made of it stays",
        "a.wav: no longer what was planned; what was made of it stays, annotate it in another run",
    )
    assert plan.num_recordings == 3


def test_many_names_are_cut_short(layout: RunLayout, tmp_path: Path) -> None:
    many = [_line(f"n{number:03d}") for number in range(4)]
    line = drift_line(layout, _write(tmp_path, *map(_line, "abc"), *many), load(layout))
    assert line is not None
    assert "4 new (n000.wav, n001.wav, n002.wav and others)" in line


def test_the_numbers_of_a_grown_plan_are_those_of_one_made_at_once(layout: RunLayout, tmp_path: Path) -> None:
    job = _write(tmp_path, *map(_line, "abcde"))
    grown, _ = extend_plan(layout, job, load(layout))
    at_once = load_or_make(RunLayout(tmp_path / "other"), job)
    units = {"num_units", "files", "source_stamp"}
    assert grown.model_dump(exclude=units) == at_once.model_dump(exclude=units)
    assert isinstance(grown, Plan)

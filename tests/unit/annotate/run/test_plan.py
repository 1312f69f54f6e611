"""What a plan says of a source, and how it is stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.plan import check_audio_exists, load_or_make
from fcaps_pipeline.annotate.run.survey import Survey
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import Job, ShardConfig
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load, load_units, unit_lengths_s
from fcaps_pipeline.shards.recording_table import table_of


def _job(path: Path, kind: str = "manifest", **captions: str) -> Job:
    return Job.model_validate(
        {
            "source": {"kind": kind, "path": str(path)},
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1", **captions}},
        }
    )


def _plan(tmp_path: Path, *lines: dict[str, Any], **captions: str) -> Plan:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return load_or_make(RunLayout(tmp_path / "run"), _job(manifest, **captions))


def test_a_plan_says_that_no_file_exists_and_where_it_looked(tmp_path: Path) -> None:
    plan = _plan(tmp_path, {"path": "x/1.wav", "duration_s": 3.0}, {"path": "x/2.wav", "duration_s": 3.0})
    assert plan.remarks == (
        (
            f"2 of 2 files do not exist: x/1.wav, x/2.wav; looked in {tmp_path}/, for instance; "
            "source.audio_root sets the folder that relative paths of a list start from"
        ),
    )
    layout = RunLayout(tmp_path / "run")
    with pytest.raises(SourceError, match="2 of 2 files do not exist"):
        check_audio_exists(layout, plan)
    (tmp_path / "x").mkdir()
    soundfile.write(tmp_path / "x" / "1.wav", np.zeros(48_000, np.int16), 16_000)
    plan = load_or_make(layout, _job(tmp_path / "m.jsonl"))
    assert (plan.num_missing, plan.remarks[0][:25]) == (1, "1 of 2 files do not exist")
    check_audio_exists(layout, plan)


def test_a_plan_compares_stated_lengths_with_real_ones(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(32_000, np.int16), 16_000)
    plan = _plan(tmp_path, {"path": "a.wav", "duration_s": 2.1}, {"path": "a.wav", "id": "b", "duration_s": 20.0})
    assert plan.remarks == (
        "1 of 2 files are not as long as their source says: a.wav: 20.00 s stated, 2.00 s by its header",
    )
    check_audio_exists(RunLayout(tmp_path / "run"), plan)


def test_a_plan_says_that_tags_are_not_asked_for(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(32_000, np.int16), 16_000)
    line = {"path": "a.wav", "tags": ["calm"]}
    assert _plan(tmp_path, line).remarks == (
        (
            "1 recordings have human tags, which no prompt of this job asks for: "
            "give captions.fine.prompt_with_tags to use them"
        ),
    )
    (tmp_path / "tagged").mkdir()
    soundfile.write(tmp_path / "tagged" / "a.wav", np.zeros(32_000, np.int16), 16_000)
    assert _plan(tmp_path / "tagged", line, prompt_with_tags="instruct_fine_tagged.v1").remarks == ()


def test_of_many_files_a_part_is_looked_at(tmp_path: Path) -> None:
    one = Recording(recording_id="a", location=str(tmp_path / "a.wav"), source="a.wav", duration_s=1.0)
    survey = Survey()
    assert sum(len(seen.table) for seen in survey.look([table_of([one] * 1_000)] * 11)) == 11_000
    assert (survey.num_looked_at, survey.num_missing) == (10_010, 10_010)
    assert survey.remarks(11_000)[0].startswith("10010 of the 10010 files looked at do not exist: a.wav, a.wav, a.wav")


def test_the_length_of_a_file_whose_header_tells_none_is_assumed_from_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(bytes(80_000))
    one = Recording(recording_id="a", location=str(tmp_path / "a.wav"), source="a.wav")
    (seen,) = Survey().look([table_of([one])])
    assert seen.table["duration_s"].to_pylist() == [None]
    assert (list(seen.lengths_s), list(seen.num_bytes)) == ([10.0], [80_000])


def test_a_file_that_a_decoder_stumbles_over_does_not_end_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(1_000))
    assert _plan(tmp_path, {"path": "a.raw"}).num_without_length == 1


def test_a_plan_of_many_units_is_read_back_whole_and_in_part(tmp_path: Path) -> None:
    lengths_s = [number % 7 + 1.0 for number in range(70_000)]
    lines = [{"path": "a.wav", "id": f"r{one:05d}", "duration_s": length_s} for one, length_s in enumerate(lengths_s)]
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = _job(manifest).model_copy(update={"shards": ShardConfig(unit_recordings=1_000)})
    layout = RunLayout(tmp_path / "run")
    plan = load_or_make(layout, job)
    assert load(layout) == plan
    units = list(load_units(layout))
    assert [one.recording_id for unit in units for one in unit.recordings] == [line["id"] for line in lines]
    assert [unit.unit_index for unit in units] == list(range(plan.num_units))
    assert list(load_units(layout, only={32, 33})) == units[32:34]
    assert list(load_units(layout, without=frozenset(range(60)))) == units[60:]
    assert unit_lengths_s(layout, plan) == pytest.approx([unit.duration_s for unit in units])
    assert plan.num_recordings == len(lines)
    assert plan.duration_s == sum(lengths_s)


def test_a_plan_by_hand_counts_declared_segments(tmp_path: Path) -> None:
    segments = [{"start_s": one, "end_s": one + 0.5} for one in range(40)]
    lines: list[dict[str, Any]] = [
        {"path": "a.wav", "duration_s": 60.0, "segments": segments},
        {"path": "b.wav", "duration_s": 320.0},
        {"path": "c.wav"},
        {"path": "d.wav", "segments": []},
    ]
    plan = _plan(tmp_path, *lines)
    assert (plan.num_segments_expected, plan.num_without_length) == (40 + 20 + 1 + 0, 2)
    (unit,) = load_units(RunLayout(tmp_path / "run"))
    assert [None if one.cuts is None else len(one.cuts) for one in unit.recordings] == [40, None, None, 0]

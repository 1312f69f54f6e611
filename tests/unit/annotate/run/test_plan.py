"""Division of a source into WorkUnits."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.plan import check_audio_exists, dealt, divide, load_or_make
from fcaps_pipeline.annotate.run.survey import Seen, Survey
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import Job, ShardConfig
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan

lengths_s = st.lists(st.one_of(st.none(), st.floats(0, 9000)), max_size=40)


def _seen(durations_s: list[float | None], assumed_s: float = 0.0) -> list[Seen]:
    recordings = [
        Recording(recording_id=f"r{index}", location=f"/a/{index}.wav", source=f"{index}.wav", duration_s=duration_s)
        for index, duration_s in enumerate(durations_s)
    ]
    return [Seen(one, assumed_s if one.duration_s is None else one.duration_s) for one in recordings]


@given(lengths_s)
def test_units_hold_every_recording_once_in_order(durations_s: list[float | None]) -> None:
    seen = _seen(durations_s)
    units = list(divide(seen, ShardConfig(unit_hours=1)))
    assert [one for unit in units for one in unit.recordings] == [one.recording for one in seen]
    assert [unit.unit_index for unit in units] == list(range(len(units)))


@given(lengths_s)
def test_only_a_long_recording_makes_a_long_unit(durations_s: list[float | None]) -> None:
    for unit in divide(_seen(durations_s), ShardConfig(unit_hours=1)):
        assert unit.duration_s <= 3600 or len([one for one in unit.recordings if one.duration_s]) == 1


@given(lengths_s)
def test_no_two_neighbours_would_have_fitted_into_one(durations_s: list[float | None]) -> None:
    units = list(divide(_seen(durations_s), ShardConfig(unit_hours=1)))
    for before, after in itertools.pairwise(units):
        assert before.duration_s + (after.recordings[0].duration_s or 0) > 3600


@given(lengths_s, st.integers(1, 5))
def test_units_hold_no_more_recordings_than_they_may(durations_s: list[float | None], most: int) -> None:
    units = list(divide(_seen(durations_s), ShardConfig(unit_hours=1, unit_recordings=most)))
    assert all(len(unit.recordings) <= most for unit in units)


def test_dealt_recordings_are_the_same_in_an_order_that_the_seed_decides() -> None:
    seen = _seen([1.0] * 40)
    first, again, other = dealt(seen, 1), dealt(seen[::-1], 1), dealt(seen, 2)
    assert first == again
    assert first not in (other, seen)
    assert sorted(first, key=seen.index) == seen


def test_what_lies_in_one_file_is_dealt_whole_and_in_its_order() -> None:
    seen = [
        one._replace(recording=one.recording.model_copy(update={"location": f"file:///{place // 8}.tar#{part}"}))
        for place, one in enumerate(_seen([1.0] * 40))
        for part in [f"name=x&offset={place}&bytes=1"]
    ]
    order = [seen.index(one) for one in dealt(seen, 1)]
    assert order != sorted(order)
    assert all(order[at : at + 8] == list(range(order[at], order[at] + 8)) for at in range(0, 40, 8))


def test_recordings_of_unknown_length_do_not_all_land_in_one_unit() -> None:
    units = list(divide(_seen([None] * 10, assumed_s=1_800), ShardConfig(unit_hours=1)))
    assert [len(unit.recordings) for unit in units] == [2] * 5


def test_the_length_of_a_file_whose_header_tells_none_is_assumed_from_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(bytes(80_000))
    (seen,) = Survey().look([Recording(recording_id="a", location=str(tmp_path / "a.wav"), source="a.wav")])
    assert (seen.recording.duration_s, seen.length_s) == (None, 10.0)


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
    assert sum(1 for _ in survey.look([one] * 11_000)) == 11_000
    assert (survey.num_looked_at, survey.num_missing) == (10_010, 10_010)
    assert survey.remarks(11_000)[0].startswith("10010 of the 10010 files looked at do not exist: a.wav, a.wav, a.wav")


def test_a_file_that_a_decoder_stumbles_over_does_not_end_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(1_000))
    assert _plan(tmp_path, {"path": "a.raw"}).num_without_length == 1

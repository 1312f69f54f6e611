"""Which rows and captions a release takes, and that every row which it does not take has its reason."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import CorruptRunError, FcapsError, JobError, MissingFileError, UsageError
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.build.captions import choose_captions
from fcaps_pipeline.release.build.release import Listener, build_release
from fcaps_pipeline.release.recipe import CaptionRules, Recipe
from fcaps_pipeline.shards.schema import plain_schema
from fcaps_pipeline.shards.tombstones import Tombstone, no_tombstones, write_tombstones
from fcaps_pipeline.storage.path import store_path
from tests.unit.learn.training.written_runs import RunWriter, Spoken, corpus, data_shard, noise
from tests.unit.release.test_build import recipe, rows_of

pytestmark = pytest.mark.usefixtures("no_figures")

_ATTRIBUTES = {
    "a": ("female", "en-GB", "cc0"),
    "b": ("male", "de", "cc0"),
    "c": (None, "en", None),
    "d": ("female", "EN", "mit"),
    "e": ("female", "en", "cc0"),
}


def _described(one: Annotation) -> Annotation:
    gender, language, license_name = _ATTRIBUTES[one.recording.recording_id]
    recording = one.recording.model_copy(update={"language": language, "license": license_name})
    return one.model_copy(update={"recording": recording, "profile": Profile(gender=gender)})


@pytest.fixture
def run(run_writer: RunWriter, tmp_path: Path) -> Path:
    spoken = [Spoken(name, f"voice {name}") for name in _ATTRIBUTES]
    return run_writer.write(tmp_path / "run", spoken, change=_described)


def _excluded(release: Path) -> dict[str, tuple[str, str]]:
    return {row["recording_id"]: (row["reason"], row["detail"]) for row in rows_of(release, "excluded")}


def _built(tmp_path: Path, recipe_: Recipe) -> tuple[set[str], list[str]]:
    """Recordings of the release, and what was said."""
    said: list[str] = []
    build_release(recipe_, tmp_path / "out", Listener(on_remark=said.append))
    return {row["recording_id"] for row in rows_of(tmp_path / "out")}, said


def test_the_first_rule_against_a_row_is_its_reason(run: Path, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("voice e\n\nsomebody\n")
    rules = {
        "licenses": ["cc0", "mit", "apache"],
        "languages": ["en"],
        "attributes": {"gender": ["female"]},
        "held_out": [{"name": "Bench", "by": "speaker", "list": str(tmp_path / "held.txt")}],
    }
    taken, said = _built(tmp_path, recipe(run, rows=rules))
    assert taken == {"a", "d"}
    assert _excluded(tmp_path / "out") == {
        "b": ("language", "language de"),
        "c": ("license", "license unknown"),
        "e": ("decontamination", "Bench by speaker"),
    }
    assert "no row has the license apache that is allowed; there are cc0 (3 rows), mit (1 rows), none (1 rows)" in said


def test_one_segment_of_two_runs_counts_once_and_must_be_the_same_in_both(
    run_writer: RunWriter, run: Path, tmp_path: Path
) -> None:
    again = run_writer.write(tmp_path / "again", [Spoken("a", "voice a"), Spoken("new", "voice n")])
    record = build_release(recipe(run, again), tmp_path / "out").record
    assert sum(one.num_rows for one in record.splits.values()) == 6
    assert record.num_excluded == {"duplicate": 1}
    other = run_writer.write(tmp_path / "other", [Spoken("a", "voice a", noise_seed=77)])
    with pytest.raises(CorruptRunError, match=r"Segment a-c0-.* has other samples in .*/run than in .*/other"):
        build_release(recipe(run, other), tmp_path / "none")


def test_what_was_taken_back_from_a_source_is_neither_a_row_nor_on_file(run: Path, tmp_path: Path) -> None:
    empty = no_tombstones()
    entry = Tombstone(what="speaker", digest=empty.digest("speaker", "voice b"), reason="asked to")
    write_tombstones(store_path(run / "tombstones.json"), empty.having([entry], is_unfinished=False))
    taken, _ = _built(tmp_path, recipe(run))
    assert taken == {"a", "c", "d", "e"}
    assert not _excluded(tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "tombstones.json").read_text())
    assert [one["digest"] for one in kept["entries"]] == [entry.digest]
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert b"voice b" not in b"".join(path.read_bytes() for path in files)


def test_what_was_taken_back_from_a_run_since_the_version_before_is_told(run: Path, tmp_path: Path) -> None:
    build_release(recipe(run), tmp_path / "first")
    empty = no_tombstones()
    entry = Tombstone(what="speaker", digest=empty.digest("speaker", "voice b"), reason="asked to")
    write_tombstones(store_path(run / "tombstones.json"), empty.having([entry], is_unfinished=False))
    second = recipe(run, version="2.0.0", parent=str(tmp_path / "first"))
    record = build_release(second, tmp_path / "second").record
    (removal,) = record.removals
    assert removal.model_dump() == {"version": "2.0.0", "what": "speaker", "num_rows": 1, "reason": "asked to"}
    third = recipe(run, version="2.0.1", parent=str(tmp_path / "second"))
    assert build_release(third, tmp_path / "third").record.removals == record.removals


def _split_of(release: Path) -> dict[str, str]:
    return {row["speaker"]: row["split"] for row in rows_of(release)}


def test_lists_put_speakers_into_splits_before_shares_count(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("voice a\nvoice c\nvoice ah\n")
    splits = {"shares": {"train": 1.0}, "lists": {"mine": str(tmp_path / "mine.txt")}}
    _, said = _built(tmp_path, recipe(run, splits=splits))
    assert said == [f"1 lines of {tmp_path}/mine.txt, for split mine, are no speaker of a row, first voice ah"]
    split_of = _split_of(tmp_path / "out")
    assert {name for name, split in split_of.items() if split == "mine"} == {"voice a", "voice c"}
    assert {name for name, split in split_of.items() if split == "train"} == {"voice b", "voice d", "voice e"}


def test_speakers_of_one_recording_cannot_be_put_apart(run_writer: RunWriter, tmp_path: Path) -> None:
    run = run_writer.write(tmp_path / "run", [Spoken("talk", "ann"), Spoken("talk", "ben"), Spoken("solo", "ann")])
    for name in ("ann", "ben"):
        (tmp_path / f"{name}.txt").write_text(f"{name}\n")
    lists = {"one": str(tmp_path / "ann.txt"), "two": str(tmp_path / "ben.txt")}
    said = r"puts speaker ben into two, but it shares rows with speaker ann, which another list puts into one"
    with pytest.raises(UsageError, match=said):
        build_release(recipe(run, splits={"shares": {"train": 1.0}, "lists": lists}), tmp_path / "out")
    (tmp_path / "solo.txt").write_text("solo\n")
    by_recording = {"shares": {"train": 1.0}, "lists": {"test": str(tmp_path / "solo.txt")}, "by": "recording"}
    build_release(recipe(run, splits=by_recording), tmp_path / "apart")
    found = {(row["recording_id"], row["speaker"]): row["split"] for row in rows_of(tmp_path / "apart")}
    assert found == {("talk", "ann"): "train", ("talk", "ben"): "train", ("solo", "ann"): "test"}


def test_speakers_stay_in_their_split_when_others_come(run_writer: RunWriter, tmp_path: Path) -> None:
    splits = {"shares": {"train": 0.6, "test": 0.4}}
    few = run_writer.write(tmp_path / "few", corpus(20, 8))
    more = run_writer.write(
        tmp_path / "more", [*corpus(20, 8), *(Spoken(f"n{index}", f"n{index}") for index in range(9))]
    )
    build_release(recipe(few, splits=splits), tmp_path / "first")
    build_release(recipe(more, splits=splits), tmp_path / "second")
    first, second = _split_of(tmp_path / "first"), _split_of(tmp_path / "second")
    assert set(first.values()) == {"train", "test"}
    assert first == {name: second[name] for name in first}


def test_an_empty_split_is_left_out_and_named(run: Path, tmp_path: Path) -> None:
    shares = {"train": 1 - 1e-7, "test": 1e-7}
    _, said = _built(tmp_path, recipe(run, splits={"shares": shares}))
    assert any(line.startswith("split test is empty, so the release has none of that name") for line in said)
    assert {row["split"] for row in rows_of(tmp_path / "out")} == {"train"}


def test_columns_may_be_left_out_and_audio_referred_to(run: Path, tmp_path: Path) -> None:
    build_release(recipe(run, without_columns=["transcript", "f0_slope_hz_per_s"], audio="reference"), tmp_path / "out")
    (row, *_) = rows_of(tmp_path / "out")
    assert row["audio"] is None
    assert not {"transcript", "f0_slope_hz_per_s"} & set(row)
    again = build_release(recipe(tmp_path / "out", audio="reference", candidates=False), tmp_path / "second").record
    assert sum(one.num_rows for one in again.splits.values()) == 5
    assert {one.table for one in again.shards} == {"data"}
    with pytest.raises(MissingFileError, match=r"the audio of a-c0-.*, which is missing: .*tale\.wav does not exist.*"):
        build_release(recipe(tmp_path / "out"), tmp_path / "third")


def test_rows_that_refer_to_their_audio_get_it(run_writer: RunWriter, tmp_path: Path) -> None:
    spoken = [Spoken("a", "s1", 8000), Spoken("a", "s1", 9000)]
    path = tmp_path / "a.wav"
    pcm = np.zeros(1_009_000, np.int16)
    for index, one in enumerate(spoken):
        pcm[index * 1_000_000 :][: one.num_samples] = noise(one, index)
    soundfile.write(path, pcm, 16_000, subtype="PCM_16")

    def located(one: Annotation) -> Annotation:
        return one.model_copy(update={"recording": one.recording.model_copy(update={"location": str(path)})})

    run = run_writer.write(tmp_path / "run", spoken, change=located)
    build_release(recipe(run, audio="reference"), tmp_path / "referring")
    build_release(recipe(tmp_path / "referring"), tmp_path / "holding")
    assert [row["audio"] for row in rows_of(tmp_path / "holding")] == [row["audio"] for row in rows_of(run)]
    soundfile.write(path, pcm[::-1], 16_000, subtype="PCM_16")
    with pytest.raises(CorruptRunError, match=r"which is different: .* do not have the recorded sha256"):
        build_release(recipe(tmp_path / "referring"), tmp_path / "other")


def _unfinished(run: Path) -> None:
    (run / "job.json").write_text("{}")
    (run / "index.json").unlink()


def _of_another_version(run: Path) -> None:
    index = json.loads((run / "index.json").read_text())
    (run / "index.json").write_text(json.dumps({**index, "schema_versions": {**index["schema_versions"], "data": 1}}))


def _torn(run: Path) -> None:
    shard = data_shard(run, 0)
    shard.write_bytes(shard.read_bytes()[:-10])


def _gone(run: Path) -> None:
    data_shard(run, 0).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_unfinished, r"/run has no index\.json: the run is not finished"),
        (_of_another_version, r"index\.json has schema version 1 of data, this version reads 2"),
        (_torn, r"unit-00000-1-.*\.parquet has \d+ bytes, recorded \d+; restore it"),
        (_gone, r"unit-00000-1-.*\.parquet is missing, recorded \d+"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_by_name(
    run: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(run)
    with pytest.raises(CorruptRunError, match=said):
        build_release(recipe(run), tmp_path / "out")
    assert not (tmp_path / "out" / "release.json").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"without_columns": ["mood"]}, "without_columns: mood is no column of data"),
        ({"without_columns": ["license"]}, "without_columns: readers of releases need license"),
        ({"without_columns": ["audio"]}, "set `audio: reference`"),
        ({"rows": {"captions": {"without": ["a(b"]}}}, r"rows\.captions\.without: a\(b is no regular expression"),
        ({"rows": {"attributes": {"mood": ["sad"]}}}, "rows.attributes: mood is no attribute; expected one of gender"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_told_in_one_line(
    run: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(JobError, match=said):
        build_release(recipe(run, **changed), tmp_path / "out")


def test_a_run_given_twice_and_a_folder_in_use_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="stands there twice"):
        build_release(recipe(run, run), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(FcapsError, match=r"neither empty nor a release in the making \(it holds thesis\.tex\)"):
        build_release(recipe(run), tmp_path / "mine")


_TEXTS = st.sampled_from(["soft voice", "Loud VOICE here", "hum", "a long, long caption of the voice", "x"])
_ROWS = st.lists(st.lists(st.tuples(st.sampled_from(["global", "fine"]), _TEXTS), max_size=5), max_size=6)
_RULES = st.builds(
    CaptionRules,
    max_global=st.none() | st.integers(1, 2),
    max_fine=st.none() | st.integers(1, 2),
    min_characters=st.integers(0, 12),
    max_characters=st.none() | st.integers(8, 30),
    without=st.lists(st.sampled_from(["voice$", "loud", "h.m"]), max_size=2).map(tuple),
)


def _slowly(captions: list[dict[str, str]], rules: CaptionRules) -> list[dict[str, str]]:

    kept: list[dict[str, str]] = []
    for one in captions:
        most = rules.max_global if one["granularity"] == "global" else rules.max_fine
        length = len(one["text"])
        is_fit = one["granularity"] == "global" or (
            rules.min_characters <= length and (rules.max_characters is None or length <= rules.max_characters)
        )
        is_clean = not any(re.search(pattern, one["text"], re.IGNORECASE) for pattern in rules.without)
        num_kept = sum(other["granularity"] == one["granularity"] for other in kept)
        if is_fit and is_clean and (most is None or num_kept < most):
            kept.append(one)
    return kept


@given(_ROWS, _RULES)
def test_caption_rules_are_those_of_a_slow_reading(rows: list[list[tuple[str, str]]], rules: CaptionRules) -> None:
    captions = [
        [{"granularity": kind, "text": text, "candidate_id": f"{number}"} for number, (kind, text) in enumerate(row)]
        for row in rows
    ]
    names = ("segment_id", "captions", "global_captions", "fine_captions")
    schema = pa.schema([plain_schema("data").field(name) for name in names])
    table = pa.Table.from_pylist(
        [
            {
                "segment_id": f"s{number}",
                "captions": row,
                "global_captions": [one["text"] for one in row if one["granularity"] == "global"],
                "fine_captions": [one["text"] for one in row if one["granularity"] == "fine"],
            }
            for number, row in enumerate(captions)
        ],
        schema,
    )
    judged = choose_captions(table, rules)
    expected = [_slowly(row, rules) for row in captions]
    assert judged.rows["captions"].to_pylist() == expected
    for name, kind in (("global_captions", "global"), ("fine_captions", "fine")):
        texts = [[one["text"] for one in row if one["granularity"] == kind] for row in expected]
        assert judged.rows[name].to_pylist() == texts
    left_out = {(f"s{number}", one["candidate_id"]) for number, row in enumerate(captions) for one in row}
    left_out -= {(f"s{number}", one["candidate_id"]) for number, row in enumerate(expected) for one in row}
    assert set(judged.left_out) == left_out
    assert judged.rows.schema == schema


def test_captions_that_rules_leave_out_are_no_longer_kept_among_the_candidates(run: Path, tmp_path: Path) -> None:
    rules = {"captions": {"without": ["grows LOUDER"], "min_global": 1}}
    build_release(recipe(run, rows=rules), tmp_path / "out")
    assert all(row["fine_captions"] == [] and len(row["captions"]) == 1 for row in rows_of(tmp_path / "out"))
    kept = {(row["text"], row["kept"], *row["reasons"]) for row in rows_of(tmp_path / "out", "candidates")}
    assert kept == {
        ("A man with a low voice speaks softly at a measured pace.", True),
        ("A man begins softly and grows louder.", False, "release"),
        ("No noise is heard.", False, "absence"),
    }
    need = {"captions": {**rules["captions"], "min_fine": 1}}
    with pytest.raises(UsageError, match=r"no row is left for the release \(5 by caption\)"):
        build_release(recipe(run, rows=need), tmp_path / "none")

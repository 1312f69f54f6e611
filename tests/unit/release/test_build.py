"""A release holds the chosen rows of its runs, divided, in files that follow from the rows alone."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.annotations import Annotation, Rejection
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.layout import ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus

TWO = {"shares": {"train": 0.5, "test": 0.5}}


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def recipe(*run: Path, **changed: Any) -> Recipe:
    return Recipe.model_validate({"name": "voices", "version": "1.0.0", "runs": [*map(str, run)], **changed})


def rows_of(release: Path, table: str = "data") -> list[dict[str, Any]]:
    return [row for file in sorted(release.glob(f"{table}/*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.mark.usefixtures("no_figures")
def test_a_release_holds_all_rows_of_a_run_in_splits_without_a_common_speaker(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(40, 8))
    record = build_release(recipe(run, splits=TWO), tmp_path / "out").record
    rows = rows_of(tmp_path / "out")
    given = rows_of(run)
    assert {row["segment_id"] for row in rows} == {row["segment_id"] for row in given}
    speakers = {split: {row["speaker"] for row in rows if row["split"] == split} for split in ("train", "test")}
    assert all(speakers.values())
    assert speakers["train"].isdisjoint(speakers["test"])
    assert sum(sums.num_rows for sums in record.splits.values()) == 40
    assert record.splits["train"].num_speakers == len(speakers["train"])
    by_id = {row["segment_id"]: row for row in given}
    assert all({**by_id[row["segment_id"]], "split": row["split"], "location": row["source"]} == row for row in rows)
    assert {row["location"] for row in given} == {"/speech/tale.wav"}
    parts = list(open_dataset(tmp_path / "out").parts())
    assert [part.name for part in parts] == ["train-00000", "test-00000"]
    assert len(rows_of(tmp_path / "out", "candidates")) == len(rows_of(run, "candidates"))
    assert not list((tmp_path / "out" / ".build").rglob("*.*"))


def test_datasets_reads_it_back(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(12, 4))
    build_release(recipe(run, splits=TWO), tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].features["audio"].sampling_rate == 16_000
    assert len(loaded["train"]) + len(loaded["test"]) == 12


@pytest.mark.usefixtures("no_figures")
def test_what_was_rejected_or_ruled_out_is_on_file(runs: RunWriter, tmp_path: Path, reject: Any) -> None:
    def change(one: Annotation) -> Annotation | Rejection:
        if one.recording.recording_id == "bad":
            audio = runs.audio(Spoken("bad", "s9"), 0)
            return Rejection(
                recording=one.recording,
                segment=one.segment,
                acoustics=one.acoustics,
                reason="fine: absence",
                caption_sets=reject(audio).caption_sets,
            )
        licensed = one.recording.model_copy(
            update={"license": "cc0" if one.recording.recording_id == "a" else None, "language": "en-GB"}
        )
        return one.model_copy(update={"recording": licensed})

    spoken = [Spoken("a", "s1", noise_seed=1), Spoken("bad", "s9"), Spoken("b", "s2"), Spoken("a", "s1", noise_seed=1)]
    run = runs.write(tmp_path / "run", spoken, change=change)
    rules = {"licenses": ["cc0", "mit"], "languages": ["en"]}
    record: ReleaseRecord = build_release(recipe(run, rows=rules), tmp_path / "out").record
    assert sum(sums.num_rows for sums in record.splits.values()) == 1
    found = {(row["recording_id"], row["reason"]): row["detail"] for row in rows_of(tmp_path / "out", "excluded")}
    (kept,) = rows_of(tmp_path / "out")
    assert found == {
        ("bad", "rejected"): "fine: absence",
        ("b", "license"): "license unknown",
        ("a", "duplicate"): f"of {kept['segment_id']} in {run}",
    }
    assert record.num_excluded == {"duplicate": 1, "license": 1, "rejected": 1}


@pytest.mark.usefixtures("no_figures")
def test_nothing_left_is_refused_and_nothing_looks_like_a_release(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(5))
    with pytest.raises(UsageError, match=r"no row is left for the release \(5 by license\)"):
        build_release(recipe(run, rows={"licenses": ["cc0"]}), tmp_path / "out")
    assert not (tmp_path / "out" / "release.json").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_version_is_never_changed(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(20))
    first = build_release(recipe(run), tmp_path / "out")
    left = tmp_path / "out" / ".build" / "build.json"
    left.parent.mkdir(exist_ok=True)
    left.write_text("{}")
    again = build_release(recipe(run), tmp_path / "out")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.record == first.record
    assert not left.parent.exists(), "what a call left that was killed behind the record"
    with pytest.raises(UsageError, match="a version once written is never changed"):
        build_release(recipe(run, version="1.0.1"), tmp_path / "out")


@pytest.mark.usefixtures("no_figures")
def test_the_command_says_what_it_made_and_what_it_left_out(runs: RunWriter, tmp_path: Path, typed: Typed) -> None:
    run = runs.write(
        tmp_path / "run", [*corpus(10, 2), Spoken("a", "s9", noise_seed=1), Spoken("b", "s8", noise_seed=1)]
    )
    job = tmp_path / "release.yaml"
    job.write_text(f"name: voices\nversion: 1.0.0\nruns: [{run}]\nsplits: {{shares: {{train: 1.0}}}}\n")
    code, out, err = typed("release", "build", job, "--out", tmp_path / "out")
    assert code == 0, err
    assert "left out: 1 duplicate" in out
    assert f"voices 1.0.0 is built: {tmp_path / 'out'}" in out
    assert "shard 1 of 1" in err
    assert f"is already built: {tmp_path / 'out'}" in typed("release", "build", job, "--out", tmp_path / "out")[1]
    job.write_text("source: {kind: folder, path: speech}\nengines: {}\ncaptions: {}\n")
    code, _, err = typed("release", "build", job, "--out", tmp_path / "out")
    assert code == 2
    assert "is a job for `fcaps annotate`, not for `fcaps release build`" in err

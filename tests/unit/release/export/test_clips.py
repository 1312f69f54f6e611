"""Clips that rows refer to: left where they lie, or read there; what is missing is named and bounded."""

import json
from collections import Counter
from pathlib import Path

import pytest
from lhotse import CutSet

from fcaps_pipeline.errors import StorageError, UsageError
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export.clips import Clip, LeftOut, read_references
from fcaps_pipeline.release.export.export import export, settings_for
from fcaps_pipeline.release.export.monocut import referred_cut
from tests.mapped_run import write_mapped_run
from tests.unit.learn.training.written_runs import Annotate, MakeAudio
from tests.unit.release.export.exported import exported, rows_of, sha256_of_samples


@pytest.fixture
def referring(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> Path:
    """A run by reference, of Recordings in several files, with channels out of order, one of them a mean."""
    return write_mapped_run(tmp_path, make_audio, annotate).root.on_disk()


def test_clips_that_rows_refer_to_are_read_where_they_lie(referring: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(referring, out, "fcaps")
    expected = rows_of(open_dataset(referring))
    cuts = list(CutSet.from_file(out / "train-00000.jsonl.gz").with_recording_path_prefix(str(out)))
    assert {cut.id: sha256_of_samples(cut.load_audio()[0]) for cut in cuts} == {
        name: row["audio_sha256"] for name, row in expected.items()
    }


def test_clips_by_reference_are_intervals_of_the_files_of_the_source(referring: Path, tmp_path: Path) -> None:
    dataset = open_dataset(referring)
    settings = settings_for("fcaps", dataset, by_reference=True)
    with pytest.raises(UsageError, match=r"swapped-cmix-\S+ is the mean of several channels .* without --by-reference"):
        export(dataset, settings, tmp_path / "out")
    assert not (tmp_path / "out" / ".unfinished").exists()


def test_lhotse_opens_clips_by_reference(referring: Path, tmp_path: Path) -> None:
    dataset = open_dataset(referring)
    clips = [clip for clip in read_references(dataset, dataset.parts(), 0) if clip.row["channel"] != "mix"]
    assert len(clips) == 4
    lines = tmp_path / "cuts.jsonl"
    lines.write_text("".join(json.dumps(referred_cut(clip)) + "\n" for clip in clips))
    read = {cut.id: sha256_of_samples(cut.load_audio()[0]) for cut in CutSet.from_file(lines)}
    assert read == {clip.segment_id: clip.row["audio_sha256"] for clip in clips}


def test_missing_audio_is_named_and_bounded(referring: Path, tmp_path: Path) -> None:
    (tmp_path / "c.wav").unlink()
    dataset = open_dataset(referring)
    settings = settings_for("webdataset", dataset)
    with pytest.raises(
        StorageError, match=r"other-c1-\S+ cannot be had: .*c.wav does not exist.*--max-missing \(now 0\)"
    ):
        export(dataset, settings, tmp_path / "out")
    told: list[LeftOut] = []
    record = export(dataset, settings, tmp_path / "out", max_left_out=1, on_left_out=told.append)
    assert (record.num_rows, record.num_left_out) == (4, 1)
    assert Counter(one.segment_id.partition("-")[0] for one in told) == {"other": 1}


def test_what_lies_inside_another_file_is_refused_by_reference(referring: Path) -> None:
    row = next(iter(rows_of(open_dataset(referring)).values()))
    row["location"] = "file:///speech/a.tar#name=x.flac&offset=512&bytes=100"
    with pytest.raises(UsageError, match=r"lies inside another file .*which Lhotse cannot open"):
        referred_cut(Clip(row, b""))


def test_references_of_a_release_with_samples_start_at_the_root_of_the_corpus(release: Path) -> None:
    row = next(iter(rows_of(open_dataset(release)).values()))
    (source,) = referred_cut(Clip({**row, "location": row["source"]}, b""))["recording"]["sources"]
    assert source == {"type": "file", "channels": [0], "source": row["source"]}
    assert not Path(row["source"]).is_absolute()

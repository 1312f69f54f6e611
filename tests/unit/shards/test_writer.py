"""The Shard as a transaction, and what consumers find in it."""

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Audio, load_dataset

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import AccountingError, CorruptRunError, OutputError
from fcaps_pipeline.records.annotations import Annotation, Claim, Failure, Rejection, TextSpan
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import ClaimCounts, RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import check_file, read_commits, read_rows
from fcaps_pipeline.shards.sums import sum_up, total
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.files import write_durably, writing
from tests.outcomes import segmented

MakeAudio = Callable[..., SegmentAudio]


@pytest.fixture
def committed(
    tmp_path: Path,
    make_audio: MakeAudio,
    annotate: Callable[[SegmentAudio], Annotation],
    reject: Callable[[SegmentAudio], Rejection],
    fail: Callable[[SegmentAudio], Failure],
) -> tuple[RunLayout, UnitCommit]:
    layout = RunLayout(tmp_path)
    with UnitWriter(layout, 0, row_group_bytes=100_000) as writer:
        for index in range(5):
            audio = make_audio(index)
            writer.add(annotate(audio), audio)
        writer.add(reject(make_audio(5)), make_audio(5))
        writer.add(fail(make_audio(6)), make_audio(6))
        return layout, writer.commit((segmented(7),), 7, 1.0)


def test_a_commit_counts_claims_by_attribute_and_result(
    tmp_path: Path, make_audio: MakeAudio, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    results: list[Literal["supported", "contradicted", "unverifiable"]] = ["supported", "contradicted", "supported"]
    claims = tuple(Claim(attribute="rate", value="slow", result=one) for one in results)
    other = Claim(attribute="other", value="So be it.", result="unverifiable", span=TextSpan(start=0, end=9))
    annotation = annotate(make_audio())
    fine, profile = annotation.caption_sets
    told = fine.candidates[0].model_copy(update={"claims": (*claims, other), "repairs": ("He sings. (rate fast)",)})
    sets = (fine.model_copy(update={"candidates": (told, *fine.candidates[1:])}), profile)
    layout = RunLayout(tmp_path)
    with UnitWriter(layout, 0, row_group_bytes=100_000) as writer:
        writer.add(annotation.model_copy(update={"caption_sets": sets}), make_audio())
        commit = writer.commit((segmented(1),), 1, 1.0)
    assert commit.claims == {"other": ClaimCounts(unverifiable=1), "rate": ClaimCounts(supported=2, contradicted=1)}
    both = sum_up([commit, commit.model_copy(update={"unit_index": 1})]).claims
    assert both["rate"].total == 6
    (row,) = [one for one in read_rows(layout, "candidates") if one["text"] == told.text]
    assert [Claim.model_validate(one) for one in row["claims"]] == list(told.claims or ())
    assert row["repairs"] == list(told.repairs)


def test_a_commit_accounts_for_every_segment(committed: tuple[RunLayout, UnitCommit]) -> None:
    layout, commit = committed
    assert (commit.num_annotations, commit.num_rejections, commit.num_segment_failures) == (5, 1, 1)
    assert [f"{file.path[:-21]}.parquet" for file in commit.files] == [
        "data/unit-00000-1.parquet",
        "rejections/unit-00000-1.parquet",
        "failures/unit-00000-1.parquet",
        "candidates/unit-00000-1.parquet",
        "recordings/unit-00000-1.parquet",
    ]
    assert list(read_commits(layout)) == [commit]
    assert total([commit]).num_segments == 7
    assert list(layout.scratch.iterdir()) == []
    for file in commit.files:
        check_file(layout, file)


def test_datasets_reads_an_audio_feature_and_the_samples_are_those_of_the_segment(
    committed: tuple[RunLayout, UnitCommit], make_audio: MakeAudio, tmp_path: Path
) -> None:
    files = [str(path) for path in committed[0].root.on_disk().glob("data/*.parquet")]
    dataset = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert dataset.features["audio"] == Audio(sampling_rate=16_000)
    for index, row in enumerate(dataset.cast_column("audio", Audio(decode=False))):
        audio = make_audio(index)
        assert row["segment_id"] == audio.segment.segment_id
        np.testing.assert_array_equal(decode_flac(row["audio"]["bytes"]), audio.pcm_T)


def test_dropped_candidates_keep_text_and_reasons(committed: tuple[RunLayout, UnitCommit]) -> None:
    row = next(read_rows(committed[0], "data"))
    assert row["fine_captions"] == ["A man begins softly and grows louder."]
    about = [one for one in read_rows(committed[0], "candidates") if one["segment_id"] == row["segment_id"]]
    dropped = [one for one in about if not one["kept"]]
    assert [(one["text"], one["reasons"]) for one in dropped] == [("No noise is heard.", ["absence"])]


def test_row_groups_are_bounded_and_audio_is_stored_plain(committed: tuple[RunLayout, UnitCommit]) -> None:
    metadata = pq.ParquetFile((committed[0].root / committed[1].files[0].path).on_disk()).metadata
    assert metadata.num_row_groups == 5
    columns = {metadata.row_group(0).column(index).path_in_schema: index for index in range(metadata.num_columns)}
    audio = metadata.row_group(0).column(columns["audio.bytes"])
    text = metadata.row_group(0).column(columns["captions.list.element.text"])
    assert (audio.compression, text.compression) == ("UNCOMPRESSED", "ZSTD")
    assert "PLAIN_DICTIONARY" not in audio.encodings


def test_a_unit_left_without_commit_leaves_nothing(
    tmp_path: Path, make_audio: MakeAudio, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    with UnitWriter(RunLayout(tmp_path), 0, row_group_bytes=1) as writer:
        for index in range(3):
            writer.add(annotate(make_audio(index)), make_audio(index))
        assert list(RunLayout(tmp_path).scratch.iterdir())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_lost_segment_stops_the_commit(
    tmp_path: Path, make_audio: MakeAudio, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    with UnitWriter(RunLayout(tmp_path), 0, row_group_bytes=1000) as writer:
        writer.add(annotate(make_audio()), make_audio())
        with pytest.raises(AccountingError, match="2 Segments became 1 Annotations"):
            writer.commit((segmented(2),), 2, 1.0)
    assert not RunLayout(tmp_path).commit(0).exists()


def test_a_unit_without_speech_still_has_a_shard(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    with UnitWriter(layout, 1, row_group_bytes=1000) as writer:
        commit = writer.commit((), 0, 0.1)
    assert [(file.path, file.num_rows) for file in commit.files] == [
        (f"data/unit-00001-1-{commit.files[0].sha256[:12]}.parquet", 0)
    ]
    assert list(read_rows(layout, "data")) == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:500] + b"!" + path.read_bytes()[501:]), "was changed"),
    ],
)
def test_damage_is_found(
    committed: tuple[RunLayout, UnitCommit], damage: Callable[[Path], object], expected: str
) -> None:
    layout, commit = committed
    damage((layout.root / commit.files[0].path).on_disk())
    with pytest.raises(CorruptRunError, match=expected):
        check_file(layout, commit.files[0])


def test_rows_of_a_damaged_file_are_refused_in_one_line(committed: tuple[RunLayout, UnitCommit]) -> None:
    layout, commit = committed
    path = layout.root / commit.files[0].path
    content = path.on_disk().read_bytes()
    path.on_disk().write_bytes(b"\xff" * 5_000 + content[5_000:])
    with pytest.raises(CorruptRunError, match=r"row group 0 cannot be read .*`fcaps verify"):
        list(read_rows(layout, commit.files[0].table))
    path.on_disk().write_bytes(b"\xff" * len(content))
    with pytest.raises(CorruptRunError, match="footer cannot be read"):
        list(read_rows(layout, commit.files[0].table))


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 60 kB, which is refused as a write to a full disk is."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("full_disk")
def test_no_room_for_a_record_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(OutputError, match=f"^cannot write {path}: File too large; make room"), writing(path):
        write_durably(path, "x" * 100_000)
    assert not path.exists()


@pytest.mark.usefixtures("full_disk")
def test_no_room_for_a_shard_is_one_line_and_the_unit_does_not_exist(
    tmp_path: Path, make_audio: MakeAudio, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    layout = RunLayout(tmp_path)

    def fill() -> None:
        with UnitWriter(layout, 0, row_group_bytes=1) as writer:
            for index in range(20):
                writer.add(annotate(make_audio(index)), make_audio(index))
            writer.commit((segmented(20),), 20, 1.0)

    with pytest.raises(OutputError, match="File too large; make room"):
        fill()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

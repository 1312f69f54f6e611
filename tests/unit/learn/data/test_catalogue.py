"""What a catalogue knows of finished runs."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.batches import COLUMNS
from fcaps_pipeline.learn.data.catalogue import NO_SPEAKER, Catalogue, read_catalogue
from fcaps_pipeline.release.grouping import hash_text
from tests.hub_server import contents, entered, hub_server
from tests.unit.learn.training.written_runs import (
    Annotate,
    MakeAudio,
    RunWriter,
    Spoken,
    corpus,
    data_shard,
    rewrite_shard,
)


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def test_a_catalogue_lists_every_row_of_every_run_in_order(runs: RunWriter, tmp_path: Path) -> None:
    rows = [corpus(17, seed=1), corpus(5, seed=2)]
    roots = [runs.write(tmp_path / str(index), one) for index, one in enumerate(rows)]
    catalogue = read_catalogue(roots)
    assert catalogue.num_samples_N.tolist() == [spoken.num_samples for one in rows for spoken in one]
    assert catalogue.speaker_N.tolist() == [hash_text(str(spoken.speaker)) for one in rows for spoken in one]
    assert catalogue.recording_N.tolist() == [hash_text(spoken.recording) for one in rows for spoken in one]
    names = [catalogue.names(row) for row in range(len(catalogue))]
    assert [one.recording_id for one in names] == [spoken.recording for one in rows for spoken in one]
    assert {Path(one.shard).parents[1] for one in names} == set(roots)
    assert catalogue.duration_s == sum(spoken.num_samples for one in rows for spoken in one) / 16_000


def test_a_run_on_the_hub_is_listed_at_one_commit(
    runs: RunWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = runs.write(tmp_path, corpus(9))
    with hub_server() as hub, entered(hub, monkeypatch):
        repository = hub.repository(contents(root))
        catalogue = read_catalogue([repository.uri])
        commit = repository.names["main"]
        repository.commit({})
        assert catalogue.num_samples_N.tolist() == read_catalogue([root]).num_samples_N.tolist()
        assert catalogue.names(3).shard.startswith(f"{repository.uri}@{commit}/data/")


def test_a_row_takes_40_bytes(runs: RunWriter, tmp_path: Path) -> None:
    catalogue = read_catalogue([runs.write(tmp_path, corpus(9))])
    arrays = [value for value in vars(catalogue).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) == 40 * len(catalogue)


def test_row_groups_begin_where_the_files_say(runs: RunWriter, tmp_path: Path) -> None:
    catalogue = read_catalogue([runs.write(tmp_path, corpus(17))])
    expected = [0]
    for shard in catalogue.shards:
        metadata = pq.ParquetFile(shard.on_disk()).metadata
        for group in range(metadata.num_row_groups):
            expected.append(expected[-1] + metadata.row_group(group).num_rows)
    assert catalogue.row_group_starts().tolist() == expected
    assert len(expected) > 5


def test_equal_audio_has_an_equal_hash_and_an_unknown_speaker_none(runs: RunWriter, tmp_path: Path) -> None:
    rows = [Spoken("a", None, noise_seed=3), Spoken("b", None, noise_seed=3), Spoken("c", "anna", noise_seed=4)]
    catalogue = read_catalogue([runs.write(tmp_path, rows)])
    assert catalogue.audio_N[0] == catalogue.audio_N[1] != catalogue.audio_N[2]
    assert (catalogue.speaker_N == NO_SPEAKER).tolist() == [True, True, False]


def test_chosen_rows_are_a_catalogue_of_their_own(runs: RunWriter, tmp_path: Path) -> None:
    catalogue = read_catalogue([runs.write(tmp_path, corpus(9))])
    chosen = np.array([1, 4, 8])
    taken = catalogue.take(chosen)
    assert [taken.names(row) for row in range(3)] == [catalogue.names(row) for row in chosen.tolist()]
    for field in dataclasses.fields(Catalogue):
        if field.name != "shards":
            np.testing.assert_array_equal(getattr(taken, field.name), getattr(catalogue, field.name)[chosen])


def test_a_run_without_rows_gives_an_empty_catalogue(runs: RunWriter, tmp_path: Path) -> None:
    catalogue = read_catalogue([runs.write(tmp_path, [])])
    assert (len(catalogue), catalogue.row_group_starts().tolist(), catalogue.duration_s) == (0, [0], 0.0)


def test_a_run_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist; give the --out folder"):
        read_catalogue([tmp_path / "nowhere"])


def test_a_run_that_is_given_twice_is_a_usage_error(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(2))
    with pytest.raises(UsageError, match="is given twice"):
        read_catalogue([root, root])


def test_an_unfinished_run_says_how_to_finish_it(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(2))
    (root / "index.json").unlink()
    (root / "job.json").write_text("{}")
    with pytest.raises(CorruptRunError, match="not finished; run its annotate command again"):
        read_catalogue([root])


def test_an_unknown_schema_version_is_refused(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(2))
    index = json.loads((root / "index.json").read_text())
    (root / "index.json").write_text(json.dumps({**index, "schema_versions": {"data": 99}}))
    with pytest.raises(CorruptRunError, match="schema version 99 of data"):
        read_catalogue([root])


def test_a_shard_with_a_damaged_footer_is_named(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(9))
    shard = data_shard(root, 1)
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(CorruptRunError, match=f"^{shard}: footer cannot be read .*`fcaps verify {root}`"):
        read_catalogue([root])


def test_a_shard_with_other_rows_than_the_index_says_is_refused(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(7))
    rewrite_shard(data_shard(root, 0), lambda table: table.slice(0, 5), 2)
    with pytest.raises(CorruptRunError, match=r"has 5 rows, index\.json records 7"):
        read_catalogue([root])


@pytest.mark.parametrize("column", sorted({one.partition(".")[0] for one in COLUMNS} - {"events"}))
def test_a_shard_without_a_column_that_rows_need_is_refused(runs: RunWriter, tmp_path: Path, column: str) -> None:
    root = runs.write(tmp_path, corpus(7))
    rewrite_shard(data_shard(root, 0), lambda table: table.drop([column]), 2)
    with pytest.raises(CorruptRunError, match=f"has no column {column}"):
        read_catalogue([root])


def test_a_row_without_an_interval_is_refused(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(3))
    rewrite_shard(
        data_shard(root, 0),
        lambda table: table.set_column(
            table.schema.get_field_index("end_samples"), "end_samples", table["start_samples"]
        ),
        2,
    )
    with pytest.raises(CorruptRunError, match="row group 0 has a row without start and end"):
        read_catalogue([root])

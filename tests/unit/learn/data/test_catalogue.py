"""What a catalogue knows of finished runs."""

import json
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.row_store import NO_SPEAKER
from fcaps_pipeline.learn.data.shard_rows import NEEDED_COLUMNS
from fcaps_pipeline.learn.data.sources import read_catalogue
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


def test_a_row_takes_4_bytes_and_40_are_mapped(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(9))
    catalogue = read_catalogue([root])
    assert catalogue.place_N.nbytes == 4 * len(catalogue)
    (store,) = catalogue.stores
    assert all(isinstance(array, np.memmap) for array in store.arrays.values())
    assert sum(array.nbytes for array in store.arrays.values()) == 36 * len(catalogue)
    assert catalogue.num_samples_N is store.arrays["num_samples"]


def test_what_was_listed_is_mapped_again_and_listed_anew_where_a_shard_changed(runs: RunWriter, tmp_path: Path) -> None:
    root = runs.write(tmp_path, corpus(9))
    first, again = (read_catalogue([root]).stores[0].folder for _ in range(2))
    assert first == again
    rewrite_shard(data_shard(root, 0), lambda table: table, 3)
    assert read_catalogue([root]).stores[0].folder != first


def test_rows_of_several_sources_are_found_in_any_order(runs: RunWriter, tmp_path: Path) -> None:
    roots = [runs.write(tmp_path / name, corpus(9, seed=seed)) for seed, name in enumerate("ab")]
    catalogue = read_catalogue(roots)
    rows = np.array([17, 0, 9, 8, 17])
    found = catalogue.contents(rows, ("segment_id", "fine_captions"))
    assert [one["segment_id"] for one in found] == [catalogue.names(row).segment_id for row in rows.tolist()]
    chosen = catalogue.take(np.array([1, 1, 10]))
    names = [name for table in chosen.tables(("segment_id",)) for name in table["segment_id"].to_pylist()]
    assert names == [catalogue.names(row).segment_id for row in (1, 1, 10)]
    assert chosen.audio_N.tolist() == catalogue.audio_N[[1, 1, 10]].tolist()


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
    for name in ("num_samples_N", "segment_N", "speaker_N", "recording_N", "audio_N"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(catalogue, name)[chosen])


def test_a_run_without_rows_gives_an_empty_catalogue(runs: RunWriter, tmp_path: Path) -> None:
    catalogue = read_catalogue([runs.write(tmp_path, [])])
    assert (len(catalogue), list(catalogue.tables(("tags",))), catalogue.duration_s) == (0, [], 0.0)


def test_a_segment_that_stands_in_two_sources_is_refused(runs: RunWriter, tmp_path: Path) -> None:
    roots = [runs.write(tmp_path / name, corpus(3)) for name in "ab"]
    with pytest.raises(UsageError, match=r"Segment .* stands in .*/a/data/.* and in .*/b/data/.* as do 2 more"):
        read_catalogue(roots)


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


@pytest.mark.parametrize("column", sorted(NEEDED_COLUMNS))
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

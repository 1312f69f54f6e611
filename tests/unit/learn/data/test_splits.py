"""That nothing of train stands in dev or test."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.row_store import RowStore
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.data.splits import split_by_runs, split_by_share
from fcaps_pipeline.release.grouping import hash_text
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def _catalogue(keys: Sequence[tuple[int, int, int]]) -> Catalogue:
    """Rows of speaker, Recording and audio, given as small numbers; speaker 0 is unknown."""
    speaker, recording, audio = np.array(keys, np.uint64).reshape(-1, 3).T
    arrays: dict[str, Any] = {"num_samples": np.full(len(keys), 1600, np.int32), "segment": audio}
    arrays |= {"speaker": speaker, "recording": recording, "audio": audio}
    return Catalogue.of([RowStore(Path("nowhere"), arrays)])


def _slow_groups(keys: Sequence[tuple[int, int, int]]) -> list[set[int]]:
    """Grows groups until nothing changes."""
    groups = [{row} for row in range(len(keys))]
    for place in range(3):
        by_key: dict[int, set[int]] = defaultdict(set)
        for row, key in enumerate(keys):
            if place != 0 or key[place] != 0:
                by_key[key[place]].add(row)
        for linked in by_key.values():
            touched = [group for group in groups if group & linked]
            groups = [group for group in groups if not group & linked] + [set().union(*touched)]
    return groups


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 8), st.integers(1, 30)), min_size=1, max_size=25),
    st.integers(0, 50),
)
def test_rows_that_share_anything_stay_together_and_no_row_is_lost(keys: list[tuple[int, int, int]], seed: int) -> None:
    try:
        splits = split_by_share(_catalogue(keys), dev_share=0.3, test_share=0.3, seed=seed)
    except UsageError:
        return
    where = {int(row): name for name, split in splits.named() for row in split.place_N}
    assert sorted(where) == list(range(len(keys)))
    assert sum(len(split) for _, split in splits.named()) == len(keys)
    for group in _slow_groups(keys):
        assert len({where[row] for row in group}) == 1


def test_shares_are_kept_over_many_speakers_and_a_speaker_stays_when_others_come() -> None:
    keys = [(hash_text(str(row)), hash_text(f"r{row}"), hash_text(f"a{row}")) for row in range(4000)]
    splits = split_by_share(_catalogue(keys), dev_share=0.05, test_share=0.1, seed=1)
    assert splits.test is not None
    assert 0.035 < len(splits.dev) / 4000 < 0.065
    assert 0.08 < len(splits.test) / 4000 < 0.12
    fewer = split_by_share(_catalogue(keys[::3]), dev_share=0.05, test_share=0.1, seed=1)
    assert set(fewer.dev.speaker_N.tolist()) == set(splits.dev.speaker_N.tolist()) & {key[0] for key in keys[::3]}
    other = split_by_share(_catalogue(keys), dev_share=0.05, test_share=0.1, seed=2)
    assert set(other.dev.speaker_N.tolist()) != set(splits.dev.speaker_N.tolist())


def test_no_test_share_means_no_test_split() -> None:
    splits = split_by_share(_catalogue([(n, n, n) for n in range(1, 40)]), dev_share=0.3, test_share=0.0, seed=1)
    assert splits.test is None
    assert [name for name, _ in splits.named()] == ["train", "dev"]


def test_an_empty_split_names_itself_and_the_way_out() -> None:
    with pytest.raises(UsageError, match=r"split dev is empty; there are 1 groups of rows .*change shares or seed"):
        split_by_share(_catalogue([(1, 1, 1), (1, 2, 2)]), dev_share=0.01, test_share=0.0, seed=1)
    with pytest.raises(UsageError, match="split train is empty"):
        split_by_share(_catalogue([]), dev_share=0.1, test_share=0.1, seed=1)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (Spoken("other", "s1", noise_seed=999), "speaker s1"),
        (Spoken("r2-0", None, noise_seed=999), "Recording r2-0"),
        (Spoken("x", "new", 1700, noise_seed=77), "the audio of Segment y-c0"),
    ],
)
def test_a_leak_is_refused_with_an_example(runs: RunWriter, tmp_path: Path, row: Spoken, what: str) -> None:
    train_rows = [*corpus(12), Spoken("y", "lone", 1700, noise_seed=77)]
    clean = [Spoken("clean", "dev speaker", noise_seed=500)]
    train = read_catalogue([runs.write(tmp_path / "train", train_rows)])
    dev = read_catalogue([runs.write(tmp_path / "dev", clean)])
    leaking = read_catalogue([runs.write(tmp_path / "leaking", [Spoken("fine", "fine", noise_seed=600), row])])
    assert len(split_by_runs(train, dev, None).train) == 13
    with pytest.raises(UsageError, match=f"^{what}.* stands in train and in dev .*/train/data/.*/leaking/data/"):
        split_by_runs(train, leaking, None)
    with pytest.raises(UsageError, match=f"^{what}.* stands in train and in test"):
        split_by_runs(train, dev, leaking)


def test_what_the_job_lets_splits_share_is_a_note(runs: RunWriter, tmp_path: Path) -> None:
    train = read_catalogue([runs.write(tmp_path / "train", corpus(12))])
    rows = [Spoken("fine", "s1", noise_seed=600), Spoken("clean", "new", noise_seed=601)]
    dev = read_catalogue([runs.write(tmp_path / "dev", rows)])
    with pytest.raises(UsageError, match="speaker s1 stands in train and in dev"):
        split_by_runs(train, dev, None)
    (note,) = split_by_runs(train, dev, None, ("speaker",)).notes
    assert note.startswith("1 of 2 rows of dev have a speaker that stands in train too")


def test_dev_and_test_may_not_share_either(runs: RunWriter, tmp_path: Path) -> None:
    train = read_catalogue([runs.write(tmp_path / "train", corpus(3))])
    dev = read_catalogue([runs.write(tmp_path / "dev", [Spoken("clean", "dev speaker", noise_seed=500)])])
    with pytest.raises(UsageError, match="speaker dev speaker stands in dev and in test"):
        split_by_runs(train, dev, dev)


def test_rows_without_a_speaker_are_no_leak(runs: RunWriter, tmp_path: Path) -> None:
    train = read_catalogue([runs.write(tmp_path / "train", [Spoken("a", None, noise_seed=1)])])
    dev = read_catalogue([runs.write(tmp_path / "dev", [Spoken("b", None, noise_seed=2)])])
    assert len(split_by_runs(train, dev, None).dev) == 1


def test_an_empty_run_cannot_be_a_split(runs: RunWriter, tmp_path: Path) -> None:
    train = read_catalogue([runs.write(tmp_path / "train", corpus(3))])
    empty = read_catalogue([runs.write(tmp_path / "empty", [])])
    with pytest.raises(UsageError, match=r"split dev is empty; report\.json of a run, or excluded/"):
        split_by_runs(train, empty, None)

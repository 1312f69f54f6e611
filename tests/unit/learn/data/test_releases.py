"""Training reads a release as it reads a run: all of its rows, or by the splits that it was built with."""

import json
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.batch_sampler import Position, SamplerSettings
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.config import ReleaseSplits
from fcaps_pipeline.learn.data.dataloader import ShardDataLoader
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.evaluation.job import RetrievalTask, WholeRuns
from fcaps_pipeline.learn.evaluation.rows import read_evaluation_rows
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import index_of
from fcaps_pipeline.release.recipe import Recipe
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus
from tests.unit.release.laid_out import SPLIT_OF, SPOKEN, lay_out, rows_of

_SETTINGS = SamplerSettings(seed=3, batch_s=4.0, max_s=1.5, min_rows=2)


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def release(runs: RunWriter, tmp_path: Path) -> Path:
    made = lay_out(tmp_path / "release", rows_of(runs, tmp_path / "run"), row_group_rows=2)
    made.finish([])
    return made.layout.root.on_disk()


def _recordings(catalogue: Catalogue) -> set[str]:
    return {catalogue.names(row).recording_id for row in range(len(catalogue))}


def _spoken_in(split: str) -> set[str]:
    return {spoken.recording for spoken in SPOKEN if SPLIT_OF[spoken.speaker] == split}


def test_the_splits_of_a_release_are_train_dev_and_test(release: Path) -> None:
    splits = read_splits(ReleaseSplits(kind="release", releases=(str(release),)))
    assert splits.test is not None
    assert _recordings(splits.train) == _spoken_in("train")
    assert _recordings(splits.dev) == _spoken_in("validation")
    assert _recordings(splits.test) == _spoken_in("test")


def test_batches_come_from_the_split_alone(release: Path) -> None:
    train = read_splits(ReleaseSplits(kind="release", releases=(str(release),))).train
    loader = ShardDataLoader(train, _SETTINGS, frozenset(Granularity), num_workers=0)
    with closing(loader.batches(Position())) as batches:
        read = list(islice(batches, loader.num_batches(0)))
    rows = [row for batch in read for row in batch.rows]
    assert not [bad for batch in read for bad in batch.bad_rows]
    assert {row.recording_id for row in rows} == _spoken_in("train")
    assert len(rows) == len(train)


def test_all_rows_of_a_release_stand_for_a_run(release: Path, runs: RunWriter, tmp_path: Path) -> None:
    other = runs.write(tmp_path / "other", corpus(5, seed=4))
    assert len(read_catalogue([release, other])) == len(SPOKEN) + 5
    rows = read_evaluation_rows(WholeRuns(kind="whole", runs=(str(release),)), None)
    assert len(rows.test) == len(SPOKEN)
    assert index_of(release).name == "release.json"


def test_only_the_test_split_of_a_release_is_measured(release: Path) -> None:
    splits = ReleaseSplits(kind="release", releases=(str(release),))
    task = RetrievalTask(kind="retrieval", splits=splits)
    rows = read_evaluation_rows(splits, None)
    assert task.splits == splits
    assert _recordings(rows.test) == _spoken_in("test")
    with pytest.raises(ValidationError, match="splits names no test set; name one, or measure `whole` runs"):
        RetrievalTask(kind="retrieval", splits=splits.model_copy(update={"test": ()}))


def test_a_built_release_trains_as_it_is(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(40, 12))
    shares = {"train": 0.5, "validation": 0.25, "test": 0.25}
    recipe = {"name": "voices", "version": "1.0.0", "runs": [str(run)], "splits": {"shares": shares}}
    record = build_release(Recipe.model_validate(recipe), tmp_path / "out").record
    splits = read_splits(ReleaseSplits(kind="release", releases=(str(tmp_path / "out"),)))
    found = dict(splits.named())
    assert [len(found[name]) for name in ("train", "dev", "test")] == [record.splits[name].num_rows for name in shares]
    assert not np.isin(splits.train.speaker_N, splits.dev.speaker_N).any()


def test_what_a_release_has_not_is_refused_in_one_line(release: Path, runs: RunWriter, tmp_path: Path) -> None:
    splits = ReleaseSplits(kind="release", releases=(str(release),), dev=("dev",))
    with pytest.raises(UsageError, match=r"has no split dev: its splits are test, train, validation; correct data"):
        read_splits(splits)
    run = runs.write(tmp_path / "plain", corpus(3))
    with pytest.raises(UsageError, match="has no split train: it is a run without splits"):
        read_splits(ReleaseSplits(kind="release", releases=(str(run),)))
    with pytest.raises(ValidationError, match="split train is named twice; each split has one use"):
        ReleaseSplits(kind="release", releases=("a",), dev=("train",))
    record = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**record, "schema_versions": {"data": 99}}))
    with pytest.raises(CorruptRunError, match=r"release\.json has schema version 99 of data"):
        read_catalogue([release])

"""What a model was trained on is known to every later stage and to its evaluation."""

from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.data.config import SharedRuns
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.data.splits import Splits, read_splits
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes, read_training_hashes
from fcaps_pipeline.learn.training.build import hashes_of_training
from fcaps_pipeline.learn.training.checkpoint import MODEL
from tests.unit.learn.training.tones import tone_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken


@pytest.fixture
def splits(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> dict[str, Splits]:
    """Two stages that share no rows; the dev rows of `swapped` are the train rows of `first`."""
    writer = RunWriter(make_audio, annotate)
    names = {
        "a": [Spoken("a1", "anna", noise_seed=1), Spoken("a2", None, noise_seed=2)],
        "b": [Spoken("b1", "bert", noise_seed=3)],
        "c": [Spoken("c1", "carl", noise_seed=4)],
    }
    runs = {name: read_catalogue([writer.write(tmp_path / name, rows)]) for name, rows in names.items()}
    return {
        "first": Splits(runs["a"], runs["c"], None),
        "second": Splits(runs["b"], runs["c"], None),
        "swapped": Splits(runs["b"], runs["a"], None),
        "tested": Splits(runs["b"], runs["c"], runs["a"]),
    }


def _columns(record: TrainingHashes) -> list[list[int]]:
    return [column.tolist() for column in (record.speaker_K, record.recording_K, record.audio_K)]


def test_the_record_lists_each_value_once_and_no_unknown_speaker(splits: dict[str, Splits], tmp_path: Path) -> None:
    train = splits["first"].train
    record = TrainingHashes.of(train.take(np.array([0, 0, 1])))
    assert _columns(record) == [
        [int(train.speaker_N[0])],
        sorted(train.recording_N.tolist()),
        sorted(train.audio_N.tolist()),
    ]
    record.save(tmp_path)
    found = read_training_hashes(tmp_path)
    assert found is not None
    assert (_columns(found), found.whole) == (_columns(record), True)
    assert (tmp_path / "training_hashes.safetensors").stat().st_size < 500


def test_stages_add_up_and_a_forgotten_one_is_remembered(splits: dict[str, Splits], tmp_path: Path) -> None:
    first, second = (TrainingHashes.of(splits[name].train) for name in ("first", "second"))
    both = second.after(first)
    pairs = zip(_columns(first), _columns(second), strict=True)
    assert _columns(both) == [sorted({*one, *other}) for one, other in pairs]
    assert both.whole
    second.after(second.after(None)).save(tmp_path)
    found = read_training_hashes(tmp_path)
    assert found is not None
    assert not found.whole


def test_a_folder_without_record_says_nothing_and_a_broken_record_is_one_line(tmp_path: Path) -> None:
    assert read_training_hashes(tmp_path) is None
    (tmp_path / "training_hashes.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match=r"training_hashes.safetensors cannot be read .* copy the model folder again"):
        read_training_hashes(tmp_path)


def test_a_stage_refuses_to_be_measured_on_what_an_earlier_one_learnt_from(
    splits: dict[str, Splits], tmp_path: Path
) -> None:
    TrainingHashes.of(splits["first"].train).save(tmp_path)
    job = tone_job(tmp_path, tmp_path, model=None, init_from=str(tmp_path))
    assert hashes_of_training(job, splits["second"], None).whole
    for name, split in (("swapped", "dev"), ("tested", "test")):
        with pytest.raises(UsageError, match=rf"speaker anna stands in {split} .* was trained on it, as on 0 more"):
            hashes_of_training(job, splits[name], None)


def test_a_checkpoint_remembers_the_stages_before_it(splits: dict[str, Splits], tmp_path: Path) -> None:
    (tmp_path / "step" / MODEL).mkdir(parents=True)
    both = TrainingHashes.of(splits["second"].train).after(TrainingHashes.of(splits["first"].train))
    both.save(tmp_path / "step" / MODEL)
    job = tone_job(tmp_path, tmp_path, model=None, init_from=str(tmp_path / "gone"))
    assert _columns(hashes_of_training(job, splits["second"], tmp_path / "step")) == _columns(both)
    new = hashes_of_training(tone_job(tmp_path, tmp_path), splits["second"], None)
    assert (_columns(new), new.whole) == (_columns(TrainingHashes.of(splits["second"].train)), True)
    assert not hashes_of_training(job, splits["second"], None).whole


def test_recordings_and_audio_count_as_speakers_do(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> None:
    writer = RunWriter(make_audio, annotate)
    record = TrainingHashes.of(read_catalogue([writer.write(tmp_path / "a", [Spoken("aa", None, noise_seed=1)])]))
    for name, row, expected in (
        ("b", Spoken("aa", None, noise_seed=2), "Recording aa"),
        ("c", Spoken("cc", None, noise_seed=1), "the audio of Segment cc"),
    ):
        rows = read_catalogue([writer.write(tmp_path / name, [row])])
        with pytest.raises(UsageError, match=expected):
            record.refuse("test", rows, "the model")


def test_another_seed_of_the_same_shares_is_a_leak(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> None:
    rows = [Spoken(f"r{index}", f"s{index}", noise_seed=index) for index in range(20)]
    run = str(RunWriter(make_audio, annotate).write(tmp_path / "run", rows))
    sections = [SharedRuns(runs=(run,), dev_share=0.2, test_share=0.3, seed=seed) for seed in (3, 4)]
    trained, other = (read_splits(section) for section in sections)
    record = TrainingHashes.of(trained.train)
    assert trained.test is not None
    assert other.test is not None
    record.refuse("test", trained.test, "the model")
    with pytest.raises(UsageError, match="results on test would flatter"):
        record.refuse("test", other.test, "the model")

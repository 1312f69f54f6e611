"""Checkpoints: whole or absent whatever kills the writer, links that never dangle, and all restored exactly."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fcaps_pipeline.errors import CorruptRunError, OutputError
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes, read_training_hashes
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig, MelTowerConfig, SmallTextTowerConfig
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.checkpoint import (
    MODEL,
    Best,
    Checkpoints,
    Learner,
    TrainState,
    link_to,
    read_state,
    restore,
)
from fcaps_pipeline.learn.training.ema import Ema

_CONFIG = DualEncoderConfig(
    speech=MelTowerConfig(width=8, num_layers=1, num_heads=2),
    text=SmallTextTowerConfig(width=8, num_layers=1, num_heads=2, vocabulary_size=300),
    embedding_size=8,
)
_TRAINED_ON = TrainingHashes(*(np.array(hashes, np.uint64) for hashes in ([3, 2**64 - 1], [4], [5, 6, 7])))


def _checkpoints(root: Path, keep: int = 1) -> Checkpoints:
    return Checkpoints(root / "checkpoints", keep=keep, last_link=root / "last", best_link=root / "best")


def _save(root: Path, learner: Learner, state: TrainState, keep: int = 1) -> Path:
    return _checkpoints(root, keep).save(learner, state, _TRAINED_ON)


def _learner(seed: int = 0, *, averaged: bool = True) -> Learner:
    model = DualEncoder.new(_CONFIG, ["a low tone"], seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    learner = Learner(model, optimizer, Ema(model, decay=0.9) if averaged else None)
    for _ in range(2):
        loss = model.encode_text(["low", "tone"]).sum() * model.clip_scale.scale
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if learner.ema is not None:
            learner.ema.update(model)
    return learner


def _load(checkpoint: Path, *, averaged: bool = True) -> Learner:
    model = DualEncoder.from_pretrained(checkpoint / MODEL)
    learner = Learner(model, torch.optim.AdamW(model.parameters(), 1e-3), Ema(model, decay=0.9) if averaged else None)
    restore(checkpoint, learner)
    return learner


@pytest.mark.parametrize("averaged", [True, False])
def test_weights_moments_and_averages_come_back(tmp_path: Path, *, averaged: bool) -> None:
    learner = _learner(averaged=averaged)
    found = _load(_save(tmp_path, learner, TrainState(step=3)), averaged=averaged)
    for name, weight in learner.model.state_dict().items():
        assert torch.equal(weight, found.model.state_dict()[name])
    before, after = (one.optimizer.state_dict()["state"] for one in (learner, found))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[index][key], after[index][key]) for index in before for key in before[index])
    if learner.ema is not None and found.ema is not None:
        averages = found.ema.state_dict()
        assert all(torch.equal(tensor, averages[name]) for name, tensor in learner.ema.state_dict().items())


def test_the_released_model_has_the_averages(tmp_path: Path) -> None:
    learner = _learner()
    assert learner.ema is not None
    released = DualEncoder.from_pretrained(_save(tmp_path, learner, TrainState(step=1)) / MODEL)
    with learner.ema.swapped(learner.model):
        expected = {name: weight.clone() for name, weight in learner.model.state_dict().items()}
    assert all(torch.equal(weight, expected[name]) for name, weight in released.state_dict().items())


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints, learner = _checkpoints(tmp_path, keep=2), _learner(averaged=False)
    assert checkpoints.last() is None
    for step in (1, 2, 3, 4):
        checkpoints.save(learner, TrainState(step=step, best=Best(step=1, value=0.5)), _TRAINED_ON)
    names = [path.name for path in sorted((tmp_path / "checkpoints").iterdir())]
    assert names == ["step-00000001", "step-00000003", "step-00000004"]
    assert checkpoints.last() == checkpoints.at(4)
    assert (tmp_path / "last").resolve() == checkpoints.at(4) / MODEL
    assert (tmp_path / "best").resolve() == checkpoints.at(1) / MODEL


def test_colleagues_can_read_every_file_of_a_checkpoint(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        _save(tmp_path, _learner(averaged=True), TrainState(step=1))
    finally:
        os.umask(before)
    written = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    rights = {path: path.stat().st_mode & 0o777 for path in written}
    assert rights == {path: 0o755 if path.is_dir() else 0o644 for path in written}


def test_the_model_folder_says_what_it_was_trained_on(tmp_path: Path) -> None:
    _save(tmp_path, _learner(averaged=False), TrainState(step=1))
    found = read_training_hashes(tmp_path / "last")
    assert found is not None
    assert found.whole
    assert [column.tolist() for column in (found.speaker_K, found.recording_K, found.audio_K)] == [
        [3, 2**64 - 1],
        [4],
        [5, 6, 7],
    ]


def test_links_are_replaced(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        link_to(tmp_path / "best", tmp_path / "checkpoints" / name)
        assert (tmp_path / "best").readlink() == Path("checkpoints") / name


def test_damage_is_one_clear_line(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path, _learner(), TrainState(step=1))
    (checkpoint / "optimizer.safetensors").write_bytes(b"torn")
    with pytest.raises(CorruptRunError, match=r"optimizer.safetensors cannot be read .* remove .*step-00000001"):
        _load(checkpoint)
    (checkpoint / "state.json").write_text("{")
    with pytest.raises(CorruptRunError, match=r"state.json cannot be read"):
        read_state(checkpoint)


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*step-00000001"):
        _save(tmp_path, _learner(), TrainState(step=1))


def test_a_kill_at_any_moment_of_saving_leaves_a_whole_last_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    kills = [folder for folder in sorted(tmp_path.iterdir()) if folder.is_dir()]
    assert len(kills) > 8
    steps = []
    for root in kills:
        last = _checkpoints(root).last()
        assert last is not None
        _load(last)
        state = read_state(last)
        steps.append(state.step)
        assert last.name == f"step-{state.step:08d}"
        assert all((root / name / "model.safetensors").is_file() for name in ("last", "best"))
        _checkpoints(root).update_links(state)
        assert [path.name for path in (root / "checkpoints").iterdir()] == [last.name]
        assert (root / "last").resolve() == (root / "best").resolve() == last / MODEL
    assert {1, 2} == set(steps)


def _save_killed(folder: Path, learner: Learner, num_calls: int) -> None:
    """Saves a first checkpoint, and a second one that dies in the n-th call that touches the disk's names."""
    _save(folder, learner, _best_so_far(1))
    left = num_calls

    def count(name: str, _: object) -> None:
        nonlocal left
        if name in {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir"}:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)

    sys.addaudithook(count)
    _save(folder, learner, _best_so_far(2))


def _best_so_far(step: int) -> TrainState:
    return TrainState(step=step, best=Best(step=step, value=float(step)))


def _kill_many(root: Path) -> None:
    """One child per context, until a child outlives its save."""
    torch.set_num_threads(1)
    learner = _learner()  # here, because what torch loads for an optimizer takes every child a second
    for num_calls in range(1, 200, 3):
        child = os.fork()
        if child == 0:
            _save_killed(root / f"{num_calls:03d}", learner, num_calls)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return
    raise AssertionError


if __name__ == "__main__":
    _kill_many(Path(sys.argv[1]))

"""Checkpoints: whole or absent whatever kills the writer, links that never dangle, and all restored exactly."""

import os
import resource
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
    require_sound,
    restore,
)
from fcaps_pipeline.learn.training.ema import averaged as averages_of

_CONFIG = DualEncoderConfig(
    speech=MelTowerConfig(width=8, num_layers=1, num_heads=2),
    text=SmallTextTowerConfig(width=8, num_layers=1, num_heads=2, vocabulary_size=300),
    embedding_size=8,
)
_TRAINED_ON = TrainingHashes(*(np.array(hashes, np.uint64) for hashes in ([3, 2**64 - 1], [4], [5, 6, 7])))


def _checkpoints(root: Path, keep: int = 1) -> Checkpoints:
    return Checkpoints(root / "checkpoints", keep=keep, last_link=root / "last", best_link=root / "best")


def _save(root: Path, learner: Learner, state: TrainState, keep: int = 1) -> Path:
    checkpoints = _checkpoints(root, keep)
    checkpoints.save(learner, state, _TRAINED_ON)
    checkpoints.finish()
    return checkpoints.at(state.step)


def _learner(seed: int = 0, *, averaged: bool = True) -> Learner:
    model = DualEncoder.new(_CONFIG, ["a low tone"], seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    learner = Learner(model, optimizer, averages_of(model, decay=0.9) if averaged else None)
    for _ in range(2):
        loss = model.encode_text(["low", "tone"]).sum() * model.clip_scale.scale
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if learner.ema is not None:
            learner.ema.update_parameters(model)
    return learner


def _load(checkpoint: Path, *, averaged: bool = True) -> Learner:
    model = DualEncoder.from_pretrained(checkpoint / MODEL)
    learner = Learner(
        model, torch.optim.AdamW(model.parameters(), 1e-3), averages_of(model, decay=0.9) if averaged else None
    )
    restore(checkpoint, learner)
    return learner


@pytest.mark.parametrize("averaged", [True, False])
def test_weights_moments_and_averages_come_back(tmp_path: Path, *, averaged: bool) -> None:
    learner = _learner(averaged=averaged)
    found = _load(_save(tmp_path, learner, TrainState(step=3)), averaged=averaged)
    for name, weight in learner.model.state_dict().items():
        assert torch.equal(weight, found.model.state_dict()[name])
    before, after = (one.optimizer.state_dict()["state"] for one in (learner, found))
    assert before
    assert before.keys() == after.keys()
    assert all(torch.equal(before[index][key], after[index][key]) for index in before for key in before[index])
    if learner.ema is not None and found.ema is not None:
        averages = found.ema.state_dict()
        assert int(averages["n_averaged"]) == 2
        assert all(torch.equal(tensor, averages[name]) for name, tensor in learner.ema.state_dict().items())


def test_the_released_model_has_the_averages(tmp_path: Path) -> None:
    learner = _learner()
    assert learner.ema is not None
    released = DualEncoder.from_pretrained(_save(tmp_path, learner, TrainState(step=1)) / MODEL)
    expected = learner.ema.module.state_dict()
    assert not torch.equal(expected["clip_scale.log_scale"], learner.model.state_dict()["clip_scale.log_scale"])
    assert all(torch.equal(weight, expected[name]) for name, weight in released.state_dict().items())


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints, learner = _checkpoints(tmp_path, keep=2), _learner(averaged=False)
    assert checkpoints.last() is None
    for step in (1, 2, 3, 4):
        checkpoints.save(learner, TrainState(step=step, best=Best(step=1, value=0.5)), _TRAINED_ON)
    checkpoints.finish()
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


def test_a_checkpoint_is_of_the_moment_it_was_begun_at(tmp_path: Path) -> None:
    learner, checkpoints = _learner(), _checkpoints(tmp_path)
    before = {name: weight.clone() for name, weight in learner.model.state_dict().items()}
    checkpoints.save(learner, TrainState(step=1), _TRAINED_ON)
    with torch.no_grad():
        for tensor in (*learner.model.parameters(), *learner.released.parameters()):
            tensor.fill_(7.0)
        for moments in learner.optimizer.state.values():
            moments["exp_avg"].fill_(7.0)
    checkpoints.finish()
    found = _load(checkpoints.at(1))
    assert all(torch.equal(weight, found.model.state_dict()[name]) for name, weight in before.items())
    assert not any((moments["exp_avg"] == 7).all() for moments in found.optimizer.state.values())
    assert not any((weight == 7).all() for weight in found.released.parameters())


def test_each_file_has_a_checksum_that_other_programs_can_check(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path, _learner(), TrainState(step=1))
    require_sound(checkpoint)
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=checkpoint, check=False)
    assert done.returncode == 0
    listed = len((checkpoint / "SHA256SUMS").read_text().splitlines())
    assert listed == sum(path.is_file() for path in checkpoint.rglob("*")) - 1


def test_damage_is_one_clear_line(tmp_path: Path) -> None:
    checkpoint = _save(tmp_path, _learner(), TrainState(step=1))
    (moments,) = (checkpoint / "training").glob("*.distcp")
    moments.write_bytes(b"torn")
    with pytest.raises(CorruptRunError, match=r"distcp is not what was written.*remove .*step-00000001"):
        require_sound(checkpoint)
    with pytest.raises(CorruptRunError, match=r"training cannot be read .* remove .*step-00000001"):
        _load(checkpoint)
    (checkpoint / "state.json").write_text("{")
    with pytest.raises(CorruptRunError, match=r"state.json cannot be read"):
        read_state(checkpoint)
    moments.unlink()
    with pytest.raises(CorruptRunError, match=r"step-00000001 is not whole"):
        require_sound(checkpoint)


@pytest.mark.parametrize("num_bytes", [100, 20_000])
def test_a_full_disk_is_one_clear_line_and_leaves_what_was_there(tmp_path: Path, num_bytes: int) -> None:
    learner = _learner()
    _save(tmp_path, learner, TrainState(step=1))
    checkpoints, limits = _checkpoints(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
        with pytest.raises(OutputError, match=r"cannot write .*File too large; make room") as raised:
            _save(tmp_path, learner, TrainState(step=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(raised.value)
    assert checkpoints.last() == checkpoints.at(1)
    require_sound(checkpoints.at(1))
    checkpoints.save(learner, TrainState(step=2), _TRAINED_ON)
    checkpoints.finish()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


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

"""Two gloo ranks with unequal rows against one process with the whole batch."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn

from fcaps_pipeline.learn.training.collectives import (
    average_gradients,
    gather_counts,
    gather_rows,
    gather_texts,
    num_ranks,
)
from fcaps_pipeline.learn.training.gradient_caching import backward_in_parts
from fcaps_pipeline.learn.training.losses import RowLosses, cosines, frame_losses, info_nce, mean_of_rows, sigmoid_loss
from fcaps_pipeline.learn.training.targets import audio_keys, pair_targets, stack_slots, text_keys

_TEXTS = (("low voice", "high voice", "calm voice", "low voice", "fast"), ("she stops", "she", "laughs", "goes", "she"))
_AUDIO_IDS = ("a", "b", "c", "d", "a")
_ROWS_BY_RANK = (slice(0, 3), slice(3, 5))
_ROWS_WITH_EVENTS = (True, False, True, False, False)


@dataclass(frozen=True)
class _Batch:
    speech_BF: Tensor
    text_BKF: Tensor
    label_BTP: Tensor
    has_events_B: Tensor

    def rows(self, rows: slice) -> "_Batch":
        return _Batch(self.speech_BF[rows], self.text_BKF[rows], self.label_BTP[rows], self.has_events_B[rows])


class _Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.speech = nn.Linear(6, 4)
        self.text = nn.Linear(5, 4)
        self.frame = nn.Linear(6, 2 * 3)
        self.log_scale = nn.Parameter(torch.tensor(1.5))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, batch: _Batch) -> tuple[Tensor, ...]:
        speech_BD = nn.functional.normalize(self.speech(batch.speech_BF), dim=-1)
        text_BKD = nn.functional.normalize(self.text(batch.text_BKF), dim=-1)
        frames = frame_losses(
            self.frame(batch.speech_BF).reshape(-1, 3, 2).tanh(),
            batch.label_BTP,
            frame_present_BT=torch.ones(len(speech_BD), 3, dtype=torch.bool),
            phrase_present_BP=batch.has_events_B[:, None].expand(-1, 2),
            scale=5.0,
            bias=-1.0,
        )
        return speech_BD, text_BKD, frames.loss_B, frames.counted_B


def _towers() -> _Towers:
    torch.manual_seed(0)
    return _Towers().double()


def _batch() -> _Batch:
    generator = torch.Generator().manual_seed(1)
    return _Batch(
        torch.randn(5, 6, generator=generator, dtype=torch.float64),
        torch.randn(5, 2, 5, generator=generator, dtype=torch.float64),
        torch.randint(0, 2, (5, 3, 2), generator=generator),
        torch.tensor(_ROWS_WITH_EVENTS),
    )


def _loss_of(towers: _Towers, rows: slice) -> Callable[[tuple[Tensor, ...]], Tensor]:
    def loss_of(outputs: tuple[Tensor, ...]) -> Tensor:
        speech_BD, text_BKD, loss_B, counted_B = (gather_rows(output) for output in outputs)
        own_BC = torch.stack([*(text_keys(slot[rows]) for slot in _TEXTS), audio_keys(_AUDIO_IDS[rows])], dim=1)
        key_BC = gather_rows(own_BC)
        targets = pair_targets(key_BC[:, :-1].T, key_BC[:, -1], [0.4, 0.6])
        cosines_BN = cosines(speech_BD, stack_slots(text_BKD))
        scale = towers.log_scale.exp()
        contrast = info_nce(cosines_BN, targets, scale) + sigmoid_loss(cosines_BN, targets, scale, towers.bias)
        return contrast + mean_of_rows(RowLosses(loss_B, counted_B))

    return loss_of


def _result(towers: _Towers, loss: Tensor) -> dict[str, Any]:
    return {"loss": float(loss.detach()), "gradients": {name: item.grad for name, item in towers.named_parameters()}}


def _plain(rows: slice) -> dict[str, Any]:
    """Without parts, as a single rank does it, or as DDP averages what goes through `forward`."""
    towers = _towers()
    copies = _copies(towers)
    loss = _loss_of(towers, rows)(copies(_batch().rows(rows)))
    loss.backward()  # type: ignore[no-untyped-call]
    average_gradients([towers.log_scale, towers.bias])
    return _result(towers, loss)


def _in_parts(rows: slice) -> dict[str, Any]:
    """As many parts as the rank has rows: their number differs between the ranks."""
    towers, batch = _towers(), _batch()
    parts = [batch.rows(slice(row, row + 1)) for row in range(rows.start, rows.stop)]
    copies = _copies(towers)
    loss = backward_in_parts(parts, towers, _loss_of(towers, rows), copies)
    average_gradients([towers.log_scale, towers.bias])
    return _result(towers, loss)


def _copies(towers: _Towers) -> nn.Module:
    """DDP over all but what enters in the loss."""
    if num_ranks() == 1:
        return towers
    in_loss = [towers.log_scale, towers.bias]
    for item in in_loss:
        item.requires_grad = False
    copies = nn.parallel.DistributedDataParallel(towers, find_unused_parameters=True)
    for item in in_loss:
        item.requires_grad = True
    return copies


def _idle_weights(rank: int) -> list[float | None]:
    """Gradients of a number used nowhere, and of one that the ranks share."""
    nowhere, shared = (nn.Parameter(torch.zeros(())) for _ in range(2))
    shared.grad = torch.tensor(2.0 * rank)
    average_gradients([nowhere, shared])
    return [None if item.grad is None else item.grad.item() for item in (nowhere, shared)]


def _work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    try:
        results = {
            "plain": _plain(_ROWS_BY_RANK[rank]),
            "parts": _in_parts(_ROWS_BY_RANK[rank]),
            "idle": _idle_weights(rank),
            "num_ranks": num_ranks(),
            "counts": gather_counts([rank, 5]),
            "texts": gather_texts(["a"] if rank == 0 else ["b", "c"]),
            "nothing": gather_texts([]),
            "bool": gather_rows(torch.tensor([True, False])[: rank + 1]),
            "int": gather_rows(torch.arange(2 + rank, dtype=torch.int32)),
            "half": gather_rows(torch.full((rank + 1, 2), rank + 0.5, dtype=torch.bfloat16)),
            "empty": gather_rows(torch.ones(3 * rank, 2)),
        }
        torch.save(results, folder / f"{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    commands = [[sys.executable, "-W", "error", __file__, str(rank), str(folder)] for rank in range(2)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("way", ["plain", "parts"])
def test_two_ranks_have_the_loss_and_gradients_of_one(ranks: list[dict[str, Any]], way: str) -> None:
    alone = _plain(slice(0, 5))
    for results in ranks:
        assert results[way]["loss"] == pytest.approx(alone["loss"], rel=1e-12)
        for name, gradient in alone["gradients"].items():
            torch.testing.assert_close(results[way]["gradients"][name], gradient, rtol=1e-10, atol=1e-12)


def test_numbers_are_averaged_and_idle_ones_keep_no_gradient(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert results["idle"] == [None, 1.0]
        assert results["counts"] == [[0, 5], [1, 5]]


def test_everything_is_gathered_in_the_order_of_the_ranks(ranks: list[dict[str, Any]]) -> None:
    for results in ranks:
        assert results["num_ranks"] == 2
        assert results["texts"] == ["a", "b", "c"]
        assert results["nothing"] == []
        assert results["bool"].tolist() == [True, True, False]
        assert results["int"].tolist() == [0, 1, 0, 1, 2]
        assert results["int"].dtype == torch.int32
        assert results["half"].tolist() == [[0.5, 0.5], [1.5, 1.5], [1.5, 1.5]]
        assert results["half"].dtype == torch.bfloat16
        assert results["empty"].tolist() == [[1, 1]] * 3


def test_without_a_process_group_nothing_happens() -> None:
    rows_BD, weight = torch.ones(2, 3, requires_grad=True), nn.Parameter(torch.zeros(1))
    assert num_ranks() == 1
    assert gather_rows(rows_BD) is rows_BD
    assert gather_texts(("a",)) == ["a"]
    assert gather_counts([3]) == [[3]]
    average_gradients([weight])
    assert weight.grad is None


if __name__ == "__main__":
    _work(int(sys.argv[1]), Path(sys.argv[2]))
    # Threads behind DDP may outlive the process group, and then abort an interpreter that ends as usual.
    os._exit(0)

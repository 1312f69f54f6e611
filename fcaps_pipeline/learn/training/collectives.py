"""One loss over the rows of all ranks, with the gradients a single process would have.

The convention: every rank gathers the embeddings and row losses of all ranks and computes the same
loss over the whole batch; each backpropagates to its own rows, and gradients are averaged over
ranks afterwards, by DDP or FSDP2 (see `sharding`). For that average to be the gradient of the whole
batch, `gather_rows` multiplies what flows back to a rank by the number of ranks W: weights behind
the gather get (1/W) sum_r W g_r = sum_r g_r, and weights in the loss itself, such as scale and
bias, get the mean of W equal gradients. The loss is to be used as it is, without further factors.

What flows back needs no communication, because all ranks hold the same gradient. This asks that
the loss depends on nothing but gathered tensors and shared weights. It also means that a rank whose
rows take no part in a loss blocks no other. Without a process group, or with one rank, everything
here hands back what it was given.

Numbers of rows and texts go over CPUs, so that no GPU is waited for; nothing is pickled.

Shape suffixes: X any shape of which the first dimension is rows; it may differ between ranks.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed


def num_ranks() -> int:
    """Ranks that train together; 1 without a process group."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather_counts(counts: Sequence[int]) -> list[list[int]]:
    """The counts of each rank, as many on every rank."""
    if num_ranks() == 1:
        return [list(counts)]
    own = torch.tensor(list(counts))
    found = [torch.empty_like(own) for _ in range(num_ranks())]
    distributed.all_gather(found, own)
    return [one.tolist() for one in found]


def gather_rows(rows_X: Tensor, counts: Sequence[int] | None = None) -> Tensor:
    """Rows of all ranks in the order of the ranks, with gradients to one's own (see the module).

    Args:
        rows_X: any type; all dimensions but the first are the same on every rank.
        counts: rows of each rank; None asks for them first.
    """
    if num_ranks() == 1:
        return rows_X
    counts = counts or [count for (count,) in gather_counts([len(rows_X)])]
    if not rows_X.is_floating_point():
        return _gather(rows_X.to(torch.int64), counts).to(rows_X.dtype)
    gathered: Tensor = _GatherRows.apply(rows_X, counts)  # type: ignore[no-untyped-call]
    return gathered


def gather_texts(texts: Sequence[str]) -> list[str]:
    """Texts of all ranks in the order of the ranks, as `gather_rows` orders rows."""
    if num_ranks() == 1:
        return list(texts)
    own = torch.from_numpy(np.frombuffer(json.dumps(list(texts)).encode(), np.uint8).copy())
    counts = [count for (count,) in gather_counts([len(own)])]
    parts = torch.split(_gather(own, counts), counts)
    return [text for part in parts for text in json.loads(part.numpy().tobytes())]


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replaces the gradients of a few numbers by their means over the ranks; one without a gradient counts as 0.

    For the scales and biases of cosines, which enter in the loss instead of `forward`, where DDP and FSDP2 cannot see
    them. One that has no gradient on this rank has none on any other, because all compute the same loss.

    Args:
        parameters: in the same order on every rank.
    """
    gradients = [item.grad for item in parameters if item.grad is not None]
    if num_ranks() == 1 or not gradients:
        return
    flat = torch.stack(gradients)
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat / num_ranks(), strict=True):
        gradient.copy_(mean)


class _GatherRows(torch.autograd.Function):
    """Forward gathers; backward hands each rank its own rows times the number of ranks."""

    @staticmethod
    def forward(ctx: Any, rows_X: Tensor, counts: Sequence[int]) -> Tensor:
        ctx.start = sum(counts[: distributed.get_rank()])
        ctx.count = len(rows_X)
        return _gather(rows_X, counts)

    @staticmethod
    def backward(ctx: Any, gradient_X: Tensor) -> tuple[Tensor, None]:
        return gradient_X[ctx.start : ctx.start + ctx.count] * num_ranks(), None


def _gather(rows_X: Tensor, counts: Sequence[int]) -> Tensor:
    """Pads to the longest rank, because the collectives want equal shapes."""
    padded_X = rows_X.new_zeros((max(counts), *rows_X.shape[1:]))
    padded_X[: len(rows_X)] = rows_X
    parts = [torch.empty_like(padded_X) for _ in counts]
    distributed.all_gather(parts, padded_X)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

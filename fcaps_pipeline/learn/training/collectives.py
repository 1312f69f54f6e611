"""One loss over the rows of all ranks, with the gradients a single process would have.

The convention: every rank gathers the embeddings and row losses of all ranks and computes the same
loss over the whole batch; each backpropagates to its own rows, and gradients are averaged over
ranks afterwards, by DDP or `average_gradients`. For that average to be the gradient of the whole
batch, `gather_rows` multiplies what flows back to a rank by the number of ranks W: weights behind
the gather get (1/W) sum_r W g_r = sum_r g_r, and weights in the loss itself, such as scale and
bias, get the mean of W equal gradients. The loss is to be used as it is, without further factors.

What flows back needs no communication, because all ranks hold the same gradient. This asks that
the loss depends on nothing but gathered tensors, gathered texts and shared weights. It also means
that a rank whose rows take no part in a loss blocks no other. Without a process group, or with one
rank, everything here hands back what it was given.

Shape suffixes: X any shape of which the first dimension is rows; it may differ between ranks.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

_BUCKET_ELEMENTS = 2**25


def num_ranks() -> int:
    """Ranks that train together; 1 without a process group."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather_rows(rows_X: Tensor) -> Tensor:
    """Rows of all ranks in the order of the ranks, with gradients to one's own (see the module).

    Args:
        rows_X: any type; all dimensions but the first are the same on every rank. On a GPU for nccl.
    """
    if num_ranks() == 1:
        return rows_X
    if not rows_X.is_floating_point():
        return _gather(rows_X.to(torch.int64), _row_counts(rows_X)).to(rows_X.dtype)
    gathered: Tensor = _GatherRows.apply(rows_X)  # type: ignore[no-untyped-call]
    return gathered


def gather_texts(texts: Sequence[str]) -> list[str]:
    """Texts of all ranks in the order of the ranks, as `gather_rows` orders rows.

    For nccl the device of the rank must be set (`torch.cuda.set_device`).
    """
    if num_ranks() == 1:
        return list(texts)
    lists: list[list[str]] = [[] for _ in range(num_ranks())]
    distributed.all_gather_object(lists, list(texts))
    return [text for part in lists for text in part]


def sum_over_ranks(counts: Sequence[int], device: torch.device) -> list[int]:
    """Each count as the sum of what the ranks have.

    Args:
        counts: as many on every rank.
        device: of the rank, which nccl communicates through.
    """
    if num_ranks() == 1:
        return list(counts)
    total = torch.tensor(list(counts), device=device)
    distributed.all_reduce(total)
    return [int(count) for count in total]


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replaces each gradient by its mean over the ranks, in place; for training without DDP.

    DDP averages in every backward pass and expects every weight in each, and where it looks for
    idle ones it refuses those that enter in the loss instead of `forward`, such as the scale.
    Gradient caching has many passes per step, and a stream may be idle on one rank alone. Here a
    weight without a gradient counts as 0; one that has none on any rank keeps none, as in one process.

    Args:
        parameters: in the same order on every rank.
    """
    if num_ranks() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        return
    used = torch.tensor([parameter.grad is not None for parameter in trained], device=trained[0].device).int()
    distributed.all_reduce(used, distributed.ReduceOp.MAX)
    present = [parameter for parameter, is_used in zip(trained, used.tolist(), strict=True) if is_used]
    for bucket in _buckets(present):
        gradients = [torch.zeros_like(item) if item.grad is None else item.grad for item in bucket]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        means = torch.split(flat / num_ranks(), [item.numel() for item in bucket])
        for parameter, gradient, mean in zip(bucket, gradients, means, strict=True):
            parameter.grad = gradient.copy_(mean.view_as(gradient))


class _GatherRows(torch.autograd.Function):
    """Forward gathers; backward hands each rank its own rows times the number of ranks."""

    @staticmethod
    def forward(ctx: Any, rows_X: Tensor) -> Tensor:
        counts = _row_counts(rows_X)
        ctx.start = sum(counts[: distributed.get_rank()])
        ctx.count = len(rows_X)
        return _gather(rows_X, counts)

    @staticmethod
    def backward(ctx: Any, gradient_X: Tensor) -> Tensor:
        return gradient_X[ctx.start : ctx.start + ctx.count] * num_ranks()


def _row_counts(rows_X: Tensor) -> list[int]:
    own = torch.tensor([len(rows_X)], device=rows_X.device)
    counts = [torch.empty_like(own) for _ in range(num_ranks())]
    distributed.all_gather(counts, own)
    return [int(count) for count in counts]


def _gather(rows_X: Tensor, counts: Sequence[int]) -> Tensor:
    """Pads to the longest rank, because the collectives want equal shapes."""
    padded_X = rows_X.new_zeros((max(counts), *rows_X.shape[1:]))
    padded_X[: len(rows_X)] = rows_X
    parts = [torch.empty_like(padded_X) for _ in counts]
    distributed.all_gather(parts, padded_X)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def _buckets(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Runs of weights of one type: few messages, and no second copy of all gradients at once."""
    bucket: list[torch.nn.Parameter] = []
    for parameter in parameters:
        full = sum(item.numel() for item in bucket) + parameter.numel() > _BUCKET_ELEMENTS
        if bucket and (full or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket

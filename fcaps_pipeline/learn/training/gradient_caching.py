"""Gradient caching: the gradients of a large batch in the memory of a small one.

The loss needs the embeddings of all rows at once, but the graph of a tower only for the rows that
are backpropagated. So: embed part after part without a graph, compute the loss on all embeddings
and keep its gradients with respect to them, then embed each part again with a graph and
backpropagate the kept gradients. It costs one more forward pass.

Enters: parts of a batch, a function that embeds a part, a function from all embeddings to the loss.
Leaves: the loss; gradients are added to the weights. Averaging them over ranks is left to the function that embeds
the part which is backpropagated last.

Source: Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, arXiv 2101.06983.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Part = TypeVar("Part")
Outputs = tuple[Tensor, ...]


def backward_in_parts(
    parts: Sequence[Part],
    embed: Callable[[Part], Outputs],
    loss_of: Callable[[Outputs], Tensor],
    embed_last: Callable[[Part], Outputs] | None = None,
) -> Tensor:
    """Adds the gradients of the loss of the whole batch to the weights, part by part.

    Dropout and other draws are repeated in the second pass: the random states of torch (the CPU and
    the current GPU), numpy and Python are kept per part. Towers that count in `forward`, such as
    batch norm with running means, count twice.

    Args:
        parts: the rows of the batch in pieces; a single one is embedded once.
        embed: gives one or more tensors, rows first, with equal other dimensions in all parts. Of
            what does not have them, such as frames, it should give the row losses.
        loss_of: the loss from the outputs of all parts, concatenated by rows. May gather from other
            ranks, and may use weights itself: they get their gradients too.
        embed_last: embeds the part whose backward pass is the last one; None is `embed`.

    Returns:
        The loss, detached.
    """
    embed_last = embed_last or embed
    if len(parts) == 1:
        loss = loss_of(embed_last(parts[0]))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    states, outputs_by_part = [], []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state())
            outputs_by_part.append(embed(part))
    loss, gradients_by_part = _loss_and_gradients(outputs_by_part, loss_of)
    after = _random_state()
    for part, state, gradients in zip(parts, states, gradients_by_part, strict=True):
        _restore(state)
        _backward((embed_last if part is parts[-1] else embed)(part), gradients)
    _restore(after)
    return loss


def _loss_and_gradients(
    outputs_by_part: Sequence[Outputs], loss_of: Callable[[Outputs], Tensor]
) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
    """The loss, and for each part the gradient with respect to each output; None where it has no part in the loss."""
    row_counts = [len(outputs[0]) for outputs in outputs_by_part]
    joined = tuple(torch.cat(column) for column in zip(*outputs_by_part, strict=True))
    for output in joined:
        output.requires_grad_(output.is_floating_point())
    loss = loss_of(joined)
    loss.backward()  # type: ignore[no-untyped-call]
    columns = [
        [None] * len(row_counts) if output.grad is None else torch.split(output.grad, row_counts) for output in joined
    ]
    return loss.detach(), list(zip(*columns, strict=True))


def _backward(outputs: Outputs, gradients: tuple[Tensor | None, ...]) -> None:
    pairs = [
        (output, gradient)
        for output, gradient in zip(outputs, gradients, strict=True)
        if gradient is not None and output.requires_grad
    ]
    if pairs:
        torch.autograd.backward([output for output, _ in pairs], [gradient for _, gradient in pairs])


def _random_state() -> tuple[Any, ...]:
    """Numpy and Python too, because transformers masks speech features with their global generators."""
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), on_gpu, np.random.get_state(), random.getstate()


def _restore(state: tuple[Any, ...]) -> None:
    on_cpu, on_gpu, of_numpy, of_python = state
    torch.set_rng_state(on_cpu)
    if on_gpu is not None:
        torch.cuda.set_rng_state(on_gpu)
    np.random.set_state(of_numpy)
    random.setstate(of_python)

"""How several ranks keep one model: a copy each (DDP), or a share each of weights, gradients and moments (FSDP2).

Enters: the objective with its model. Leaves: `Distributed`, which embeds parts of a batch and sees to it that after
the last one each gradient is the mean over the ranks. Only the last backward pass communicates, and does so while it
computes. With one rank it is the objective itself.

Scales and biases of cosines are left out of both, because they enter in the loss: see `average_gradients`.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.collectives import average_gradients, num_ranks
from fcaps_pipeline.learn.training.gradient_caching import Outputs
from fcaps_pipeline.learn.training.objectives import MicroBatch, Objective

_METHODS = ("embed_speech", "encode_speech", "encode_frames", "encode_tokens")


def shard(model: DualEncoder) -> None:
    """Divides the weights of a model among the ranks, layer by layer. All ranks call it together."""
    scales = set(scales_of(model))
    for stack in [one for one in model.modules() if isinstance(one, nn.ModuleList)]:
        for layer in stack:
            if any(True for _ in layer.parameters()):
                fully_shard(layer)
    fully_shard(model, ignored_params=scales)
    for name in _METHODS:
        register_fsdp_forward_method(model, name)


@contextmanager
def gathered(model: DualEncoder) -> Iterator[None]:
    """Inside, each rank has all weights of a model that `shard` divided, and may embed as many batches as it likes."""
    divided = [one for one in model.modules() if isinstance(one, FSDPModule)]
    for one in divided:
        one.set_reshard_after_forward(reshard_after_forward=False, recurse=False)
        one.unshard()
    try:
        yield
    finally:
        for depth, one in enumerate(divided):
            # The root keeps its few weights, as torch has it.
            one.set_reshard_after_forward(reshard_after_forward=depth > 0, recurse=False)
            one.reshard()


def scales_of(model: DualEncoder) -> list[nn.Parameter]:
    """Scales and biases of cosines."""
    return [item for one in (model.clip_scale, model.frame_scale, model.tag_scale) for item in one.parameters()]


def full(tensor: Tensor) -> Tensor:
    """The whole tensor, of which this rank may have a share. All ranks call it together."""
    whole: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole


class Distributed:
    """An objective on several ranks."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._model = objective.model
        self._copies: DistributedDataParallel | None = None
        self.rewrap()

    def rewrap(self) -> None:
        """To be called where weights were frozen or thawed: DDP knows those that ask for gradients when it is made."""
        self._copies = None
        if num_ranks() == 1 or isinstance(self._model, FSDPModule):
            return
        scales = [item for item in scales_of(self._model) if item.requires_grad]
        for item in scales:
            item.requires_grad = False
        # Which weights are idle depends on the job; that none is, is not worth a word on the terminal.
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified", UserWarning)
        self._copies = DistributedDataParallel(self._objective, find_unused_parameters=True, forward_sync_buffers=False)
        for item in scales:
            item.requires_grad = True

    def embed(self, part: MicroBatch) -> Outputs:
        """Embeds a part; in its backward pass nothing is communicated but shares of weights."""
        return self._embed(self._objective, part, is_last=False)

    def embed_last(self, part: MicroBatch) -> Outputs:
        """Embeds a part in whose backward pass all gradients so far are averaged over the ranks."""
        return self._embed(self._copies or self._objective, part, is_last=True)

    def _embed(self, towers: nn.Module, part: MicroBatch, *, is_last: bool) -> Outputs:
        if isinstance(self._model, FSDPModule):
            self._model.set_requires_gradient_sync(is_last)
        outputs: Outputs = towers(part)
        return outputs

    def close(self) -> None:
        """Ends the threads of DDP, before the process group that they use."""
        self._copies = None

    def finish(self) -> None:
        """Averages what the wrappers leave out."""
        average_gradients(scales_of(self._model))

    def gradient_norm(self) -> Tensor:
        """Of all weights of all ranks."""
        norms = [torch.nn.utils.get_total_norm(part) for part in self._gradients() if part]
        return torch.linalg.vector_norm(torch.stack([full(norm) for norm in norms])) if norms else torch.zeros(())

    def scale_gradients(self, factor: float) -> None:
        """Multiplies all gradients."""
        for part in self._gradients():
            if part:
                torch._foreach_mul_(part, factor)

    def _gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """Whole ones, and shares, which torch does not mix."""
        found = [item.grad for item in self._model.parameters() if item.grad is not None]
        return [one for one in found if not isinstance(one, DTensor)], [
            one for one in found if isinstance(one, DTensor)
        ]

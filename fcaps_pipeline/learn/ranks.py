"""Which process this is among those that train together, and where it computes.

Enters: the environment that `torchrun` sets, or none. Leaves: a `RankContext`; gloo joins the ranks on
CPUs, nccl on GPUs as well. A process group that exists already is used and left alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from fcaps_pipeline.errors import ResourceError, TrainingError
from fcaps_pipeline.learn.dual_encoder.config import Device
from fcaps_pipeline.machine import describe_device


@dataclass(frozen=True)
class RankContext:
    """One process of a training run."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """True for the rank that writes, logs and prints."""
        return self.rank == 0


@contextmanager
def process_group(device: Device) -> Iterator[RankContext]:
    """Joins the other ranks, if there are any.

    Raises:
        ResourceError: the job asks for a GPU and there is none.
        TrainingError: another rank has ended, or cannot be reached.
    """
    chosen = _device(device)
    ours = "RANK" in os.environ and not distributed.is_initialized()
    if ours:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        if distributed.is_initialized():
            yield RankContext(distributed.get_rank(), distributed.get_world_size(), chosen)
        else:
            yield RankContext(0, 1, chosen)
    except RuntimeError as error:
        # gloo tells it by text alone.
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise TrainingError(
            f"another rank has ended or cannot be reached ({str(error).splitlines()[0]}); see its own message, then "
            "run the same command again to go on from the last checkpoint"
        ) from error
    finally:
        if ours:
            distributed.destroy_process_group()


def wait_for_all() -> None:
    """Returns when every rank has come here."""
    if distributed.is_initialized():
        distributed.barrier()


def _device(device: Device) -> torch.device:
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ResourceError("device is cuda, but torch sees no GPU; set device to cpu, or install torch for CUDA")
    chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(chosen)
    return chosen


def describe_machine(context: RankContext) -> str:
    """What a run computes on, for its report: processes, processor or GPU, version of torch."""
    return f"{context.world_size} x {describe_device(context.device)}, torch {torch.__version__}"

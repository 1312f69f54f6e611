"""What a run computes on, for its report."""

import torch

from fcaps_pipeline.machine import describe_device
from fcaps_pipeline.training.ranks import Place


def describe_machine(place: Place) -> str:
    """One line: processes, processor or GPU, version of torch."""
    return f"{place.world_size} x {describe_device(place.device)}, torch {torch.__version__}"

"""What a run computes on, for its report."""

import os
import platform
from pathlib import Path

import torch

from fcaps_pipeline.training.ranks import Place


def describe_machine(place: Place) -> str:
    """One line: processes, processor or GPU, version of torch."""
    if place.device.type == "cuda":
        kind = torch.cuda.get_device_name(place.device)
    else:
        kind = f"{os.cpu_count()} cores, {_processor()}"
    return f"{place.world_size} x {kind}, torch {torch.__version__}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

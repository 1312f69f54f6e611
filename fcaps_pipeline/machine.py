"""What a program computes on, for reports.

Enters: nothing, or a device of torch. Leaves: one line of text.
"""

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def describe_processor() -> str:
    """Cores and name of the processor, such as `2 cores, AMD EPYC`."""
    return f"{os.cpu_count()} cores, {_processor()}"


def describe_device(device: "torch.device") -> str:
    """The name of a GPU, or the processor."""
    if device.type == "cpu":
        return describe_processor()
    import torch

    return torch.cuda.get_device_name(device)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

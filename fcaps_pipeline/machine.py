"""The machine under a program: what it computes on, and that no worker process outlives it.

Enters: nothing, or a device of torch. Leaves: numbers of cores and GPUs, and lines of text for reports.
"""

import multiprocessing
import os
import platform
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_DRIVER_S = 2.0


def describe_processor() -> str:
    """Cores and name of the processor, such as `2 cores, AMD EPYC`."""
    return f"{os.cpu_count()} cores, {_processor()}"


def describe_device(device: "torch.device") -> str:
    """The name of a GPU, or the processor."""
    if device.type == "cpu":
        return describe_processor()
    import torch

    return torch.cuda.get_device_name(device)


def num_cores() -> int:
    """Cores of the machine; a container may be given fewer."""
    return os.cpu_count() or 1


def num_gpus() -> int:
    """GPUs of NVIDIA that this process may use. Asks the driver and not torch, whose import takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() not in {"", "-1"}])
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=_DRIVER_S)
    except (OSError, subprocess.TimeoutExpired):
        return len(list(Path("/dev").glob("nvidia[0-9]*")))
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def end_with_parent() -> None:
    """Lets this worker process die with the one that started it, also after kill -9; called in the worker."""
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

"""Parts of a benchmark in processes of their own, so that what one takes in memory is not counted for another."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

_KIB = 1024
_T = TypeVar("_T")


def alone(work: Callable[[], _T]) -> _T:
    """What work returns that is done in a fresh process."""
    return beside([work])[0]


def beside(works: list[Callable[[], _T]]) -> list[_T]:
    """The same of several, each in a fresh process, all at once; they may start processes of their own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(works), mp_context=context, max_tasks_per_child=1) as pool:
        return list(pool.map(_call, works))


def peak_bytes() -> int:
    """Of this process alone: what `getrusage` tells begins with the peak of the process that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * _KIB


def _call(work: Callable[[], _T]) -> _T:
    return work()

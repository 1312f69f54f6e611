"""Files that are listed independently of each other, spread over processes.

Enters: files, and a function that lists one. Leaves: what it says of each, in the order of the files. A few more are
in hand than there are processes, so that memory does not grow with their number.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from fcaps_pipeline.annotate.sources.source_path import SourcePath
from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.machine import end_with_parent

_MOST_PROCESSES = 8
_T = TypeVar("_T")


def listed_apart(
    list_one: Callable[[SourcePath], _T], files: Iterable[SourcePath], num_processes: int | None = None
) -> Iterator[tuple[SourcePath, _T]]:
    """Yields each file and what is said of it.

    Args:
        list_one: can be pickled, as can what it returns.
        files: in order.
        num_processes: None takes the cores of this process, eight at most.

    Raises:
        ResourceError: a process died.
        FcapsError: as `list_one` raises.
    """
    count = num_processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
    # Not forked: this process may have threads, and clients of stores do not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=_begin)
    in_hand: deque[tuple[SourcePath, Future[_T]]] = deque()
    try:
        for file in files:
            in_hand.append((file, pool.submit(list_one, file)))
            if len(in_hand) > 2 * count:
                first, listed = in_hand.popleft()
                yield first, listed.result()
        while in_hand:
            first, listed = in_hand.popleft()
            yield first, listed.result()
    except BrokenProcessPool as error:
        raise ResourceError(
            "a process that listed the source died, most likely because memory ran out; free some, then run the same "
            "command again (a script of your own needs `if __name__ == '__main__':` around what it does)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """The parent decides what an interrupt means, and none outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()

"""Runs each piece of work in a process of its own, because what espeak-ng says depends on all it said before.

Enters: a function and the arguments of its calls. Leaves nothing: the calls write files.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVarTuple

_Arguments = TypeVarTuple("_Arguments")


def call_in_fresh_process(
    work: Callable[[*_Arguments], None],
    calls: Sequence[tuple[*_Arguments]],
    *,
    workers: int,
    preload: Sequence[str] = (),
    on_done: Callable[[int], None],
) -> None:
    """Makes every call in a fresh process; after an error those that have not begun are given up.

    Args:
        work: a function of a module.
        calls: its arguments, call by call.
        workers: processes at a time.
        preload: modules that take long to import, beside that of the function.
        on_done: told the index of each call that is done, in the order in which they end.

    Raises:
        Exception: what a call raised.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([work.__module__, *preload])
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        tasks: dict[Any, int] = {pool.submit(work, *call): index for index, call in enumerate(calls)}
        try:
            for task in as_completed(tasks):
                task.result()
                on_done(tasks[task])
        except BaseException:
            # Those that wait would only meet the same full disk or missing voice.
            for task in tasks:
                task.cancel()
            raise

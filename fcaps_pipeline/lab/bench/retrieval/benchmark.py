"""The whole benchmark: makes the corpus, trains and measures four ways to spend one budget, writes the page.

Enters: a work folder and a scale. Leaves in the folder: `corpus/` with the runs, a folder per variant, `report.md` and
`curves.png`. Whatever was killed goes on where it was. Processes share the cores, one thread each.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path
from queue import Empty
from typing import Any

from fcaps_pipeline.lab.bench.retrieval.corpus import write_runs
from fcaps_pipeline.lab.bench.retrieval.jobs import VARIANTS, Scale, Variant
from fcaps_pipeline.lab.bench.retrieval.report import write_page
from fcaps_pipeline.lab.bench.retrieval.train_variant import Note, VariantResult, run_variant
from fcaps_pipeline.machine import end_with_parent
from fcaps_pipeline.storage.job_folder import claim, refuse_strangers
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path

_SCALE_FILE = "scale.json"
_POLL_S = 0.5


def bench_retrieval(
    work: Path, scale: Scale, *, workers: int, on_rows: Callable[[int], None], note: Note, today: str
) -> list[VariantResult]:
    """Runs what is missing of the benchmark.

    Args:
        work: keeps corpus, training runs and results.
        scale: how large the benchmark is.
        workers: processes at a time, for synthesis and for training.
        on_rows: told of Segments that are there.
        note: told of progress, line by line.
        today: date for the page.

    Raises:
        DependencyError: a synthesizer or voice is missing.
        UsageError: the folder holds a benchmark of another scale, or something else.
        FcapsError: as training and evaluation raise.
    """
    root = work.absolute()
    with held(store_path(root), "benchmarking in"):
        if not (root / _SCALE_FILE).is_file():
            refuse_strangers(store_path(root), store_path(root / _SCALE_FILE), kind="the folder of this benchmark")
        claim(root / _SCALE_FILE, scale)
        write_runs(root / "corpus", scale.runs(), workers=workers, on_rows=on_rows)
        results = list(_run_variants(root, scale, workers, note))
        write_page(root, scale, results, today)
        return results


def _run_variants(root: Path, scale: Scale, workers: int, note: Note) -> Iterator[VariantResult]:
    """All ways, as many at a time as there are workers; an error ends those that have not begun."""
    context = multiprocessing.get_context("spawn")
    notes = context.Queue()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(notes,)) as pool:
        # The longest first, so that the last ones end together.
        tasks = [pool.submit(_run_here, variant, scale, root) for variant in reversed(VARIANTS)]
        try:
            _tell_until_done(tasks, notes, note)
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
        yield from (task.result() for task in reversed(tasks))


_notes: Any = None
"""Where a worker process leaves its lines."""


def _begin_worker(notes: Any) -> None:
    """Called in a new worker process, which trains for minutes and must not outlive a killed benchmark."""
    global _notes
    _notes = notes
    end_with_parent()


def _run_here(variant: Variant, scale: Scale, root: Path) -> VariantResult:
    return run_variant(variant, scale, root / "corpus", root / variant.name, _notes.put)


def _tell_until_done(tasks: list[Future[VariantResult]], notes: Any, note: Note) -> None:
    """Passes lines on until all ways are done; the first error is raised at once."""
    pending = set(tasks)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S)
        for line in _lines(notes):
            note(line)
        for task in done:
            task.result()


def _lines(notes: Any) -> Iterator[str]:
    while True:
        try:
            yield notes.get_nowait()
        except Empty:
            return

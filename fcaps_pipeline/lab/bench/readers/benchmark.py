"""Fuzzes the reader: thousands of damaged files, each with a budget of time and memory.

Enters: how many mutations, a seed, a number of processes. Leaves: one Row per format with what became of its
mutations. A process that hangs or dies costs one file and is replaced; processes are replaced in time, too, so that
what leaks shows as memory of one and not of all.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from select import select

from fcaps_pipeline.lab.bench.readers.formats import Format, write_file
from fcaps_pipeline.records.base import Record

_FILES_PER_PROCESS = 1_000


class Row(Record):
    """What became of the mutations of one format."""

    format: str
    num_files: int
    """Files that were damaged."""
    num_mutations: int
    num_read: int
    """Decoded in spite of the damage, perhaps with warnings."""
    num_refused: int
    """Ended in a RecordingError."""
    num_hangs: int
    num_crashes: int
    """The process died, memory beyond its limit included."""
    num_unforeseen: int
    """Another exception came out."""
    unforeseen: tuple[str, ...]
    """Names of those."""
    examples: tuple[int, ...]
    """Numbers of mutations that hung, crashed or raised something else; at most five."""
    slowest_s: float


@dataclass(frozen=True)
class Budget:
    """What one file may take."""

    max_s: float
    max_bytes: int


@dataclass
class _Count:
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: list[int] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, index: int, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        if outcome not in {"read", "refused"}:
            self.examples.append(index)


class _Process:
    """One worker; started when it is needed, replaced when it is gone or has done its share."""

    def __init__(self, budget: Budget, folder: Path) -> None:
        self._budget = budget
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._num_files = 0

    def read(self, line: str) -> tuple[str, float]:
        """Outcome and seconds of one mutation: those of the worker, or `hang` or `crash`."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            return "crash", 0.0
        ready, _, _ = select([process.stdout], [], [], self._budget.max_s)
        answer = process.stdout.readline().split() if ready else []
        if len(answer) == 2:
            return answer[0], float(answer[1])
        self.stop()
        return ("crash", 0.0) if ready else ("hang", self._budget.max_s)

    def stop(self) -> None:
        """Ends the worker, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._num_files % _FILES_PER_PROCESS == 0:
            self.stop()
        self._num_files += 1
        if self._process is None:
            module = "fcaps_pipeline.lab.bench.readers.worker"
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(self._folder), str(self._budget.max_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            # Its start is no part of anybody's budget.
            self._process.stdout.readline()
        return self._process


def bench_readers(
    formats: Sequence[Format],
    *,
    num_mutations: int,
    seed: int,
    workers: int,
    budget: Budget,
    on_done: Callable[[int], None],
) -> list[Row]:
    """Reads so many mutations, shared evenly among the formats, the same ones for the same seed.

    Args:
        formats: what is damaged.
        num_mutations: of all formats together.
        seed: decides every mutation.
        workers: processes at a time.
        budget: of one file.
        on_done: told how many more mutations were read.
    """
    with tempfile.TemporaryDirectory() as work:
        files = [(one, write_file(Path(work), one)) for one in formats]
        shares = [range(start, num_mutations, len(files)) for start in range(len(files))]
        jobs = list(zip(files, shares, strict=True))
        with ThreadPoolExecutor(workers) as pool:
            counts = pool.map(lambda job: _bench_format(job[0][1], job[1], seed, budget, on_done), jobs)
            return [_row(one, share, count) for (one, _), share, count in zip(files, shares, counts, strict=True)]


def _bench_format(path: Path, indices: range, seed: int, budget: Budget, on_done: Callable[[int], None]) -> _Count:
    folder = path.parent / f"damaged-{path.stem}"
    folder.mkdir()
    count, process = _Count(), _Process(budget, folder)
    try:
        for index in indices:
            count.add(index, *process.read(f"{path} {seed} {index}"))
            on_done(1)
    finally:
        process.stop()
    return count


def _row(one: Format, indices: range, count: _Count) -> Row:
    known = {"read", "refused", "hang", "crash", "MemoryError"}
    unforeseen = {name: num for name, num in count.outcomes.items() if name not in known}
    return Row(
        format=one.name,
        num_files=1,
        num_mutations=len(indices),
        num_read=count.outcomes["read"],
        num_refused=count.outcomes["refused"],
        num_hangs=count.outcomes["hang"],
        num_crashes=count.outcomes["crash"] + count.outcomes["MemoryError"],
        num_unforeseen=sum(unforeseen.values()),
        unforeseen=tuple(sorted(unforeseen)),
        examples=tuple(count.examples[:5]),
        slowest_s=count.slowest_s,
    )

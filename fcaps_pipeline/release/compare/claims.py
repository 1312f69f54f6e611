"""Whether captions that differ state something else of the voice, by the attribute reader.

Enters: rows with both captions. Leaves: how many fall into which class, and the largest changes of each. Reading a
caption takes a third of a millisecond, so that many rows are read in several processes.
"""

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.machine import num_cores
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.compare.differences import NUM_EXAMPLES, Change

_NUM_REMEMBERED = 20_000
"""Captions whose statements a process keeps: many datasets say the same of many voices."""
_BATCH_ROWS = 500
_FEW_BATCHES = 4
"""Fewer are read here: processes take a second to start."""
_MAX_PROCESSES = 8

Captions = dict[Granularity, tuple[str, ...]]


@dataclass(frozen=True)
class ChangedRow:
    """A row whose captions differ."""

    segment_id: str
    a: Captions
    b: Captions
    is_judged_otherwise: bool
    """Whether an answer that both have was kept in one alone, or dropped by other rules."""


@dataclass(frozen=True)
class Pick:
    """A row to be shown."""

    change: Change
    segment_id: str
    what: tuple[str, ...]
    size: tuple[int, ...] = ()
    """How large the change is."""


@dataclass
class Claims:
    """What came of the rows so far."""

    counts: Counter[Change] = field(default_factory=Counter)
    picks: list[Pick] = field(default_factory=list)

    def add(self, counts: Counter[Change], picks: Iterable[Pick]) -> None:
        """Takes in what was found in some more rows."""
        self.counts += counts
        self.picks = largest([*self.picks, *picks])


def read_claims(rows: Iterable[ChangedRow]) -> Claims:
    """Tells apart rows that state something else, those judged otherwise, and those reworded."""
    found = Claims()
    batches = _batches(iter(rows))
    first = list(islice(batches, _FEW_BATCHES))
    if len(first) < _FEW_BATCHES:
        for batch in first:
            found.add(*_read_batch(batch))
        return found
    # A forked process would hold locks of the database.
    context = multiprocessing.get_context("forkserver")
    num_processes = min(num_cores(), _MAX_PROCESSES)
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        pending: deque[Future[tuple[Counter[Change], list[Pick]]]] = deque()
        for batch in chain(first, batches):
            pending.append(pool.submit(_read_batch, batch))
            if len(pending) > 2 * num_processes:
                found.add(*pending.popleft().result())
        for one in pending:
            found.add(*one.result())
    return found


def largest(picks: Iterable[Pick]) -> list[Pick]:
    """The largest changes of each class, which are few."""
    shown: Counter[Change] = Counter()
    chosen = []
    for pick in sorted(picks, key=lambda pick: ([-number for number in pick.size], pick.segment_id)):
        shown[pick.change] += 1
        if shown[pick.change] <= NUM_EXAMPLES:
            chosen.append(pick)
    return chosen


def _batches(rows: Iterator[ChangedRow]) -> Iterator[list[ChangedRow]]:
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield batch


def _read_batch(rows: Sequence[ChangedRow]) -> tuple[Counter[Change], list[Pick]]:
    picks = [_read(row) for row in rows]
    return Counter(pick.change for pick in picks), largest(picks)


def _read(row: ChangedRow) -> Pick:
    what = (*_only_in(row.a, row.b, "gone"), *_only_in(row.b, row.a, "new"))
    change: Change = "claims" if what else "verdict" if row.is_judged_otherwise else "reworded"
    return Pick(change, row.segment_id, what, (len(what), _num_words_changed(row)))


def _only_in(one: Captions, other: Captions, name: str) -> list[str]:
    """What captions state at a granularity and the others do not."""
    found = []
    for granularity in Granularity:
        here, there = set(one[granularity]), set(other[granularity])
        statements = set().union(*map(stated, here - there))
        for text in chain(there - here, here & there):
            # Most are found in the first text, and reading the others would take as long.
            if statements:
                statements -= stated(text)
        found += [f"{name}: {statement} ({granularity})" for statement in sorted(statements)]
    return found


@lru_cache(_NUM_REMEMBERED)
def stated(text: str) -> frozenset[str]:
    """Every statement of a caption about the voice, such as `pitch low` or `pauses one at the middle`."""
    found = read_attributes(text)
    classes = ("gender", "age_group", "pitch", "rate", "volume", "accent")
    lists = {"emotion": found.emotions, "timbre": found.timbre, "voice quality": found.voice_qualities}
    statements = [f"{name.replace('_', ' ')} {value}" for name in classes if (value := getattr(found, name))]
    statements += [f"{name} {value}" for name, values in lists.items() for value in values]
    statements += [_placed(f"{one.quantity} {one.direction}", one.place) for one in found.courses]
    statements += [_placed(f"sound {one.sound}", one.place) for one in found.sounds]
    if found.pauses is not None:
        statements.append(_placed(f"pauses {found.pauses.count}", found.pauses.place))
    return frozenset(statements if found.speech else [*statements, "no speech"])


def _placed(statement: str, place: str | None) -> str:
    return statement if place is None else f"{statement} at the {place}"


def _num_words_changed(row: ChangedRow) -> int:
    a, b = (Counter(" ".join(chain(*captions.values())).split()) for captions in (row.a, row.b))
    return ((a - b) + (b - a)).total()

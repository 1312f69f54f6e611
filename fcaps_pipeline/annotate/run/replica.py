"""One engine at work: pulls Segments, has it asked about them side by side, brings the answers to the desks.

Enters: a function that does what is to be done about a Segment, and links to queue, blocks and desks. Leaves: answers,
in whatever order they come. A crash of that function counts against the Segment it happened at; a dead
engine ends `serve`, and the queue asks others what was left open. Knows nothing of Ray.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any, Protocol

from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.annotate.run.queue_service import ReplicaReport, Stumble
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.records.annotations import CaptionSet

_ASK_WAIT_S = 2.0
"""How long the queue may look for work before it says that there is none."""
_FLUSH_EVERY_S = 1.0
"""Answers wait at most so long for others on the same way."""
_FLUSHES_PER_REPORT = 2
"""The next request for work carries what was delivered; where none comes, a report of its own does."""
_FLUSHES_PER_SIGN = 5
"""A replica that has nothing to report says so: a queue that Ray started anew learns of it in no other way."""
_LAST_WORDS_S = 5.0
"""How long a replica whose engine died waits for desks and queue to hear what it had answered before."""
_MOST_IN_VAIN = 32
"""Segments in a row that stumble: then it is not they who are at fault."""

DoErrand = Callable[[Errand], Awaitable[tuple[CaptionSet, ...]]]


class ReplicaLinks(Protocol):
    """Where a replica gets work and leaves answers."""

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...] | None:
        """Reports to the queue and asks it for work; None, after a pause, where it does not answer."""
        ...

    async def fetch(self, block: Any) -> list[Errand] | None:
        """The Segments of a block; None where they are gone with the process that offered them."""
        ...

    async def deliver(self, desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
        """Brings answers to a desk; one that is gone needs none."""
        ...


class Replica:
    """Serves until it is told to stop or its engine dies."""

    def __init__(
        self,
        name: str,
        do: DoErrand,
        room: int,
        links: ReplicaLinks,
        statistics: Callable[[], Any] = lambda: None,
    ) -> None:
        """Starts with nothing in hand.

        Args:
            name: of this process, never used again for another.
            do: asks the engine about one Segment.
            room: Segments in hand at once.
            links: to queue, blocks and desks.
            statistics: what the engine says of itself.
        """
        self._name = name
        self._do = do
        self._room = room
        self._links = links
        self._statistics = statistics
        self._at_work: set[asyncio.Task[None]] = set()
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self._delivered: dict[str, list[str]] = defaultdict(list)
        self._dropped: list[tuple[str, tuple[str, ...]]] = []
        self._stumbles: list[Stumble] = []
        self._num_held = self._num_in_vain = 0
        self._got_on_s = 0.0
        """When the engine last answered, or last got work while it had none."""
        self._changed = asyncio.Event()
        self._end = asyncio.Event()
        self._error: BaseException | None = None
        """What ends `serve`."""

    async def serve(self) -> None:
        """Pulls and answers until `stop`.

        Raises:
            EngineDeadError: the engine can answer nothing any more.
        """
        work = [asyncio.create_task(one) for one in (self._pull_for_ever(), self._flush_for_ever(), self._end.wait())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self._error is not None:
                await self._report_the_last()
                raise self._error
        finally:
            for task in (*work, *self._at_work, *self._on_the_way):
                task.cancel()

    def stop(self) -> None:
        """Takes no more work; what is in hand is left to others."""
        self._end.set()

    async def _report_the_last(self) -> None:
        """What a dead engine had answered before is no part of its death."""
        self._flush()
        if self._on_the_way:
            await asyncio.wait(self._on_the_way, timeout=_LAST_WORDS_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._take(0, 0), _LAST_WORDS_S)

    async def _pull_for_ever(self) -> None:
        while True:
            self._changed.clear()
            room = self._room - self._num_held
            if 4 * room < self._room and self._num_held:
                await self._changed.wait()
            else:
                for lot in await self._take(room, _ASK_WAIT_S):
                    await self._begin(lot)

    async def _begin(self, lot: Lot) -> None:
        block = await self._links.fetch(lot.block)
        if block is None:
            self._dropped.append((lot.owner, lot.segment_ids))
            return
        if not self._num_held:
            self._got_on_s = time.monotonic()
        self._num_held += len(lot.segment_ids)
        for segment_id, place in zip(lot.segment_ids, lot.places, strict=True):
            self._start(self._ask(lot, segment_id, block[place]), self._at_work)

    async def _ask(self, lot: Lot, segment_id: str, errand: Errand) -> None:
        try:
            caption_sets = await self._do(errand)
        except EngineDeadError:
            raise
        except Exception as error:  # the unit border, for one Segment: the queue counts it
            cause = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; please report it"
            self._stumbles.append(Stumble(lot.owner, segment_id, cause))
            self._num_held -= 1
            self._num_in_vain += 1
            if self._num_in_vain >= _MOST_IN_VAIN:
                raise EngineDeadError(f"the last {_MOST_IN_VAIN} Segments all failed: {cause}") from error
        else:
            self._num_in_vain = 0
            self._num_held -= 1
            self._answers[lot.desk, lot.owner].append(Answer(segment_id, caption_sets))
        self._got_on_s = time.monotonic()
        self._changed.set()
        if 4 * sum(map(len, self._answers.values())) >= self._num_held:
            self._flush()

    async def _flush_for_ever(self) -> None:
        for turn in count():
            await asyncio.sleep(_FLUSH_EVERY_S)
            self._flush()
            is_due = turn % (_FLUSHES_PER_REPORT if self._delivered else _FLUSHES_PER_SIGN) == 0
            if self._stumbles or is_due:
                await self._take(0, 0)

    def _flush(self) -> None:
        """Sends what is ready to the desks, side by side: one that does not answer holds up no other."""
        ready, self._answers = self._answers, defaultdict(list)
        for (desk, owner), answers in ready.items():
            self._start(self._deliver(desk, owner, answers), self._on_the_way)

    async def _deliver(self, desk: str, owner: str, answers: list[Answer]) -> None:
        """Only once the desk has them does the queue hear of answers."""
        await self._links.deliver(desk, owner, tuple(answers))
        self._delivered[owner].extend(one.segment_id for one in answers)

    async def _take(self, room: int, wait_s: float) -> tuple[Lot, ...]:
        delivered, self._delivered = self._delivered, defaultdict(list)
        dropped, self._dropped = self._dropped, []
        stumbles, self._stumbles = self._stumbles, []
        report = ReplicaReport(
            replica=self._name,
            room=room,
            answered=tuple((owner, tuple(ids)) for owner, ids in delivered.items()),
            dropped=tuple(dropped),
            stumbles=tuple(stumbles),
            idle_s=time.monotonic() - self._got_on_s if self._num_held else 0.0,
            statistics=self._statistics(),
        )
        lots = await self._links.take(report, wait_s)
        if lots is not None:
            return lots
        for owner, segment_ids in report.answered:
            self._delivered[owner].extend(segment_ids)
        self._dropped.extend(dropped)
        self._stumbles.extend(stumbles)
        return ()

    def _start(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        """Runs it beside everything else; it is kept until it ends."""
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._end.set()

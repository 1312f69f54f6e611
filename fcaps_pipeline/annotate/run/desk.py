"""A segmenter's side of captioning: offers Segments in blocks, takes answers in any order, keeps the rows in theirs.

Enters: Segments of the units in hand, and answers from other threads. Leaves: each Segment with all that was
asked about it, in Segment order within its unit. A Segment passes through stages, each a set of engines that must
answer: first those that write its captions, then those that check them. How many are unanswered, and how many wait
for their turn, is bounded over all units and stages. Knows nothing of Ray: a block is whatever `publish` makes of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio

_BLOCK_SEGMENTS = 32
_BLOCK_OPEN_S = 0.5
"""A block that is not full is sent after this: at the start of a run the engines wait for it."""
_HELD_PER_OPEN = 4
"""Segments that may wait for their turn, for each that may be unanswered."""
_SILENCE_S = 10.0
"""Where no answer came for so long, everything unanswered is offered again; who has it already leaves it as it is."""


class QueueLink(Protocol):
    """The queue of one engine, as a desk meets it."""

    def offer(self, lots: tuple[Lot, ...]) -> str | None:
        """Hands Segments over; says which life of the queue took them, None where it does not answer now."""
        ...

    def withdraw(self, owner: str) -> None:
        """Gives up all that one owner offered."""
        ...


class Itinerary(Protocol):
    """Through which stages a Segment passes."""

    def next_stage(self, errand: Errand) -> Stage | None:
        """What comes after the stage that is answered; before the first that is none. None ends the way."""
        ...

    def refused(self, errand: Errand, engine: str, reason: str) -> tuple[CaptionSet, ...]:
        """What stands in place of an answer that an engine will never give."""
        ...


@dataclass(slots=True)
class _Block:
    reference: Any
    owner: str
    segment_ids: tuple[str, ...]
    num_open: int


@dataclass(slots=True)
class _Held:
    errand: Errand
    round: int = -1
    """Stages that it was offered at before this one."""
    missing: frozenset[str] = frozenset()
    """Engines that have not answered yet."""
    block: _Block | None = None
    """Where it is asked about; None while it is not."""

    @property
    def segment_id(self) -> str:
        return self.errand.segment.segment.segment_id


class Desk:
    """What one process has offered and not written yet."""

    def __init__(
        self,
        name: str,
        queues: Mapping[str, QueueLink],
        itinerary: Itinerary,
        max_open: int,
        publish: Callable[[Sequence[Errand]], Any],
    ) -> None:
        """Starts empty.

        Args:
            name: where answers are sent, never used again for another process.
            queues: of every engine.
            itinerary: says who must answer about a Segment, stage by stage.
            max_open: Segments unanswered at once.
            publish: puts a block with its audio where engines find it, and returns the reference.
        """
        self.name = name
        self.queues = queues
        self.itinerary = itinerary
        self.publish = publish
        self.block_segments = min(_BLOCK_SEGMENTS, max(1, max_open // 4))
        self.changed = threading.Condition()
        """Guards what answers change, and tells of them."""
        self._max_open = max_open
        self._trays: dict[str, Tray] = {}
        self._num_trays = 0
        self._num_open = 0
        self._num_held = 0

    def tray(self, unit_index: int) -> "Tray":
        """A place for the Segments of one try of a unit."""
        with self.changed:
            self._num_trays += 1
            return Tray(self, f"{self.name}/{unit_index}/{self._num_trays}")

    def register(self, owner: str, tray: "Tray") -> None:
        """Says whose the answers are that come for an owner."""
        with self.changed:
            self._trays[owner] = tray

    def deliver(self, engine: str, owner: str, answers: Sequence[Answer]) -> None:
        """Takes answers; those to Segments that were answered or given up before change nothing."""
        with self.changed:
            tray = self._trays.get(owner)
            if tray is not None:
                for answer in answers:
                    tray.note(engine, owner, answer)
                self.changed.notify_all()

    def is_full(self) -> bool:
        """Whether another Segment has to wait."""
        with self.changed:
            return self._num_open >= self._max_open or self._num_held >= _HELD_PER_OPEN * self._max_open

    def wait(self, timeout_s: float) -> None:
        """Waits for any answer."""
        with self.changed:
            self.changed.wait(timeout_s)

    def added(self, tray: "Tray", *, is_open: bool) -> None:
        """Counts one more Segment that is held, and whether it is unanswered."""
        with self.changed:
            tray.num_open += is_open
            self._num_open += is_open
            self._num_held += 1

    def answered(self, tray: "Tray") -> None:
        """Counts one Segment less that is unanswered."""
        with self.changed:
            tray.num_open -= 1
            self._num_open -= 1
            self.changed.notify_all()

    def popped(self) -> None:
        """Counts one Segment less that is held."""
        with self.changed:
            self._num_held -= 1
            self.changed.notify_all()

    def close(self, tray: "Tray", owners: Sequence[str]) -> None:
        """Forgets a unit."""
        with self.changed:
            if not tray.is_closed:
                tray.is_closed = True
                for owner in owners:
                    del self._trays[owner]
                self._num_open -= tray.num_open
                self._num_held -= tray.num_held
                self.changed.notify_all()


class Tray:
    """The Segments of one unit, in their order; one thread attends to it, and answers come in from others."""

    def __init__(self, desk: Desk, name: str) -> None:
        """Starts empty; see `Desk.tray`."""
        self.num_open = 0
        self.is_closed = False
        self._name = name
        self._desk = desk
        self._held: deque[_Held] = deque()
        self._by_id: dict[str, _Held] = {}
        self._filling: list[_Held] = []
        self._filling_since_s = 0.0
        self._answered: list[_Held] = []
        """Through their stage, and not sent on yet."""
        self._blocks: dict[int, _Block] = {}
        self._owners: list[str] = []
        """Names under which Segments are offered, one for each round, so that late answers of earlier ones are told."""
        self._epochs: dict[str, str] = {}
        self._heard_s = time.monotonic()

    @property
    def num_held(self) -> int:
        """Segments that were not popped yet."""
        return len(self._held)

    def add(self, segment: SegmentAudio) -> None:
        """Takes a Segment; it is offered once its block is full or a moment old."""
        held = self._hold(segment, is_open=True)
        self._send_on(held)
        self._flush_if_due()

    def add_known(self, segment: SegmentAudio) -> None:
        """Takes a Segment about which nothing is to be asked; it leaves in its turn, without answers."""
        self._hold(segment, is_open=False)

    def flush(self) -> None:
        """Offers what waits for its block to fill."""
        self._sort_answered()
        filled, self._filling = self._filling, []
        blocks = [self._block(number, [one for one in filled if one.round == number]) for number in _rounds(filled)]
        self._offer(blocks)

    def pop_ready(self) -> Iterator[tuple[SegmentAudio, tuple[CaptionSet, ...]]]:
        """Segments whose turn it is and that are through all their stages, with the answers."""
        self._sort_answered()
        self._flush_if_due()
        while self._held and self._held[0].errand.stage is None:
            held = self._held.popleft()
            del self._by_id[held.segment_id]
            self._desk.popped()
            yield held.errand.segment, held.errand.caption_sets

    def wait(self, timeout_s: float = 1.0) -> None:
        """Waits for an answer to any unit; what stays without one for long is offered again."""
        self.flush()
        self._desk.wait(timeout_s)
        if time.monotonic() - self._heard_s > _SILENCE_S:
            self._heard_s = time.monotonic()
            self._offer(list(self._blocks.values()))

    def close(self) -> None:
        """Gives up what is unanswered; answers that still come change nothing."""
        if self.num_open:
            for queue in self._desk.queues.values():
                for owner in self._owners:
                    queue.withdraw(owner)
        self._desk.close(self, self._owners)

    def note(self, engine: str, owner: str, answer: Answer) -> None:
        """Takes one answer, under the lock of the desk; the thread of the tray finds those that need no other."""
        held = self._by_id.get(answer.segment_id)
        if held is None or held.block is None or held.block.owner != owner or engine not in held.missing:
            return
        self._heard_s = time.monotonic()
        found = answer.caption_sets
        if answer.refusal is not None:
            found = self._desk.itinerary.refused(held.errand, engine, answer.refusal)
        held.errand = held.errand.answered(found)
        held.missing -= {engine}
        if held.missing:
            return
        held.block.num_open -= 1
        if not held.block.num_open:
            del self._blocks[id(held.block)]
        held.block = None
        self._answered.append(held)

    def _hold(self, segment: SegmentAudio, *, is_open: bool) -> _Held:
        held = _Held(Errand(segment, None))
        self._held.append(held)
        self._by_id[held.segment_id] = held
        self._desk.added(self, is_open=is_open)
        return held

    def _sort_answered(self) -> None:
        """Sends on what is through its stage."""
        with self._desk.changed:
            answered, self._answered = self._answered, []
        for held in answered:
            self._send_on(held)

    def _send_on(self, held: _Held) -> None:
        """To the block of its next stage, or out of what is open."""
        stage = self._desk.itinerary.next_stage(held.errand)
        held.errand = held.errand.at(stage)
        if stage is None:
            self._desk.answered(self)
            return
        held.round += 1
        held.missing = stage.engines
        if not self._filling:
            self._filling_since_s = time.monotonic()
        self._filling.append(held)

    def _flush_if_due(self) -> None:
        is_old = time.monotonic() - self._filling_since_s > _BLOCK_OPEN_S
        if self._filling and (is_old or len(self._filling) >= self._desk.block_segments):
            self.flush()

    def _block(self, number: int, filled: list[_Held]) -> _Block:
        while len(self._owners) <= number:
            self._owners.append(f"{self._name}/{len(self._owners)}")
            self._desk.register(self._owners[-1], self)
        reference = self._desk.publish([one.errand for one in filled])
        block = _Block(reference, self._owners[number], tuple(one.segment_id for one in filled), len(filled))
        for held in filled:
            held.block = block
        self._blocks[id(block)] = block
        return block

    def _offer(self, blocks: list[_Block]) -> None:
        for name, queue in self._desk.queues.items():
            lots = tuple(self._lots(name, blocks))
            epoch = queue.offer(lots) if lots else None
            if epoch is not None and epoch != self._epochs.setdefault(name, epoch):
                # Another life of the queue knows nothing of what the former one was offered.
                self._epochs[name] = epoch
                queue.offer(tuple(self._lots(name, list(self._blocks.values()))))

    def _lots(self, engine: str, blocks: list[_Block]) -> Iterator[Lot]:
        for block in blocks:
            unanswered = [
                (place, segment_id)
                for place, segment_id in enumerate(block.segment_ids)
                if (held := self._by_id.get(segment_id)) is not None and held.block is block and engine in held.missing
            ]
            if unanswered:
                places, segment_ids = zip(*unanswered, strict=True)
                yield Lot(self._desk.name, block.owner, block.reference, segment_ids, places)


def _rounds(filled: list[_Held]) -> list[int]:
    return sorted({one.round for one in filled})

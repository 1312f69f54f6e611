"""A segmenter's side of captioning: offers Segments in blocks, takes answers in any order, keeps the rows in theirs.

Enters: Segments of the units in hand, and answers from other threads. Leaves: each Segment with all that was
asked about it, in Segment order within its unit. How many are unanswered, and how many wait for their turn,
is bounded over all units. Knows nothing of Ray: a block is whatever `publish` makes of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.annotate.run.ladder import DEATHS_UNTIL_CONVICTED
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity

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


@dataclass(frozen=True)
class EngineLink:
    """An engine with the granularities it is asked for."""

    queue: QueueLink
    granularities: tuple[Granularity, ...]


@dataclass(slots=True)
class _Block:
    reference: Any
    segment_ids: tuple[str, ...]
    num_open: int


@dataclass(slots=True)
class _Held:
    segment: SegmentAudio
    missing: set[str]
    """Engines that have not answered yet."""
    block: _Block | None = None
    """None until it is offered."""
    caption_sets: list[CaptionSet] = field(default_factory=list)


class Desk:
    """What one process has offered and not written yet."""

    def __init__(
        self,
        name: str,
        engines: Mapping[str, EngineLink],
        max_open: int,
        publish: Callable[[Sequence[SegmentAudio]], Any],
    ) -> None:
        """Starts empty.

        Args:
            name: where answers are sent, never used again for another process.
            engines: all that must answer about a Segment.
            max_open: Segments unanswered at once.
            publish: puts the audio of a block where engines find it, and returns the reference.
        """
        self.name = name
        self.engines = engines
        self.publish = publish
        self.block_segments = min(_BLOCK_SEGMENTS, max(1, max_open // 4))
        self._max_open = max_open
        self._trays: dict[str, Tray] = {}
        self._changed = threading.Condition()
        self._num_trays = 0
        self._num_open = 0
        self._num_held = 0

    def tray(self, unit_index: int) -> "Tray":
        """A place for the Segments of one try of a unit."""
        with self._changed:
            self._num_trays += 1
            tray = Tray(self, f"{self.name}/{unit_index}/{self._num_trays}")
            self._trays[tray.owner] = tray
            return tray

    def deliver(self, engine: str, owner: str, answers: Sequence[Answer]) -> None:
        """Takes answers; those to Segments that were answered or given up before change nothing."""
        with self._changed:
            tray = self._trays.get(owner)
            if tray is not None:
                self._num_open -= sum(tray.note(engine, answer) for answer in answers)
                self._changed.notify_all()

    def is_full(self) -> bool:
        """Whether another Segment has to wait."""
        with self._changed:
            return self._num_open >= self._max_open or self._num_held >= _HELD_PER_OPEN * self._max_open

    def wait(self, timeout_s: float) -> None:
        """Waits for any answer."""
        with self._changed:
            self._changed.wait(timeout_s)

    def added(self, tray: "Tray", *, is_open: bool) -> None:
        """Counts one more Segment that is held, and whether it is unanswered."""
        with self._changed:
            tray.num_open += is_open
            self._num_open += is_open
            self._num_held += 1

    def popped(self) -> None:
        """Counts one Segment less that is held."""
        with self._changed:
            self._num_held -= 1
            self._changed.notify_all()

    def close(self, tray: "Tray") -> None:
        """Forgets a unit."""
        with self._changed:
            if self._trays.pop(tray.owner, None) is not None:
                self._num_open -= tray.num_open
                self._num_held -= tray.num_held
                self._changed.notify_all()


class Tray:
    """The Segments of one unit, in their order."""

    def __init__(self, desk: Desk, owner: str) -> None:
        """Starts empty; see `Desk.tray`."""
        self.owner = owner
        self.num_open = 0
        self._desk = desk
        self._held: deque[_Held] = deque()
        self._by_id: dict[str, _Held] = {}
        self._filling: list[_Held] = []
        self._filling_since_s = 0.0
        self._blocks: dict[int, _Block] = {}
        self._epochs: dict[str, str] = {}
        self._heard_s = time.monotonic()

    @property
    def num_held(self) -> int:
        """Segments that were not popped yet."""
        return len(self._held)

    def add(self, segment: SegmentAudio) -> None:
        """Takes a Segment; it is offered once its block is full or a moment old."""
        held = _Held(segment, set(self._desk.engines))
        self._held.append(held)
        self._by_id[segment.segment.segment_id] = held
        self._desk.added(self, is_open=True)
        if not self._filling:
            self._filling_since_s = time.monotonic()
        self._filling.append(held)
        is_old = time.monotonic() - self._filling_since_s > _BLOCK_OPEN_S
        if is_old or len(self._filling) >= self._desk.block_segments:
            self.flush()

    def add_known(self, segment: SegmentAudio) -> None:
        """Takes a Segment about which nothing is to be asked; it leaves in its turn, without answers."""
        held = _Held(segment, set())
        self._held.append(held)
        self._by_id[segment.segment.segment_id] = held
        self._desk.added(self, is_open=False)

    def flush(self) -> None:
        """Offers what waits for its block to fill."""
        if not self._filling:
            return
        filled, self._filling = self._filling, []
        reference = self._desk.publish([one.segment for one in filled])
        block = _Block(reference, tuple(one.segment.segment.segment_id for one in filled), len(filled))
        for held in filled:
            held.block = block
        self._blocks[id(block)] = block
        self._offer([block])

    def pop_ready(self) -> Iterator[tuple[SegmentAudio, tuple[CaptionSet, ...]]]:
        """Segments whose turn it is and that every engine has answered, with the answers."""
        while self._held and not self._held[0].missing:
            held = self._held.popleft()
            del self._by_id[held.segment.segment.segment_id]
            self._desk.popped()
            yield held.segment, tuple(held.caption_sets)

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
            for engine in self._desk.engines.values():
                engine.queue.withdraw(self.owner)
        self._desk.close(self)

    def note(self, engine: str, answer: Answer) -> int:
        """Takes one answer, under the lock of the desk; returns 1 where it was the last one missing."""
        held = self._by_id.get(answer.segment_id)
        if held is None or engine not in held.missing or held.block is None:
            return 0
        self._heard_s = time.monotonic()
        granularities = self._desk.engines[engine].granularities
        held.caption_sets.extend(answer.caption_sets if answer.refusal is None else _refused(granularities, answer))
        held.missing.discard(engine)
        if held.missing:
            return 0
        self.num_open -= 1
        held.block.num_open -= 1
        if not held.block.num_open:
            del self._blocks[id(held.block)]
        return 1

    def _offer(self, blocks: list[_Block]) -> None:
        for name, engine in self._desk.engines.items():
            epoch = engine.queue.offer(tuple(self._lots(name, blocks)))
            if epoch is not None and epoch != self._epochs.setdefault(name, epoch):
                # Another life of the queue knows nothing of what the former one was offered.
                self._epochs[name] = epoch
                engine.queue.offer(tuple(self._lots(name, list(self._blocks.values()))))

    def _lots(self, engine: str, blocks: list[_Block]) -> Iterator[Lot]:
        for block in blocks:
            unanswered = [
                (place, segment_id)
                for place, segment_id in enumerate(block.segment_ids)
                if (held := self._by_id.get(segment_id)) is not None and engine in held.missing
            ]
            if unanswered:
                places, segment_ids = zip(*unanswered, strict=True)
                yield Lot(self._desk.name, self.owner, block.reference, segment_ids, places)


def _refused(granularities: tuple[Granularity, ...], answer: Answer) -> list[CaptionSet]:
    error = f"EngineDeadError: {answer.refusal}"
    return [
        CaptionSet(granularity=one, candidates=(), attempts=DEATHS_UNTIL_CONVICTED, error=error)
        for one in granularities
    ]

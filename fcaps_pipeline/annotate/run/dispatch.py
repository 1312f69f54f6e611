"""Who is asked about which Segment: a queue from which the replicas of one engine pull.

Segmenters offer Segments in blocks; a replica takes as many as it has room for. A Segment that is out is a
lease: it ends with the answer, with the loss of its replica, or at a deadline that follows from how long
answers take. What comes back unanswered is asked again, by the `Ladder`. Knows neither Ray nor audio nor
clocks: blocks are references that it hands on, times are arguments. The answers do not pass through here.

It is bounded by those who offer: each segmenter has a limited number of Segments unanswered.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fcaps_pipeline.annotate.run.answer_times import AnswerTimes
from fcaps_pipeline.annotate.run.ladder import DEATHS_UNTIL_CONVICTED, Ladder, Step

_SMALLEST_GRANT = 8
"""Fewer Segments than this are not worth a call of their own."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Segments of one block, on their way to a replica."""

    desk: str
    """Process that waits for the answers."""
    owner: str
    """One try of a unit; what it offered can be withdrawn together."""
    block: Any
    """Reference to the audio."""
    segment_ids: tuple[str, ...]
    places: tuple[int, ...]
    """Where in the block each of them is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known about one Segment, on its way to the desk."""

    segment_id: str
    caption_sets: tuple[Any, ...]
    refusal: str | None = None
    """Why it is asked no more; None where it was answered."""


@dataclass(frozen=True, slots=True)
class Conviction:
    """A Segment that took down whoever was asked."""

    desk: str
    owner: str
    segment_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of one queue, for whoever watches."""

    num_queued: int
    num_alone: int
    """Of them, those that wait to be asked alone."""
    held: dict[str, int]
    """Leases by replica."""
    answered: dict[str, int]
    """Answers by replica, of those that are up."""
    num_answered: int
    num_late: int
    """Answers to what was answered or withdrawn before."""
    num_deaths: int
    num_convicted: int
    deadline_s: float


@dataclass(slots=True, eq=False)
class _Asked:
    desk: str
    owner: str
    segment_id: str
    block: Any
    place: int
    is_alone: bool = False
    is_unproven: bool = False
    """Whether it died as often as it may, and only a proof is missing that the engine works."""
    is_suspect: bool = False
    """Whether a replica died with it; not told apart yet from what it died of."""
    replica: str | None = None
    since_s: float = 0.0


@dataclass(slots=True)
class _Replica:
    leases: dict[tuple[str, str], _Asked] = field(default_factory=dict)
    num_answered: int = 0
    last_answer_s: float = 0.0
    num_suspects: int = 0
    """Leases on suspects."""
    is_emptying: bool = False
    """Gets nothing until it holds nothing, so that it can be asked about one Segment alone."""


class _Line:
    """Segments in the order in which they wait; whichever is answered or withdrawn leaves it at once."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def __iter__(self) -> Iterator[_Asked]:
        return iter(self._asked.values())

    def add(self, asked: _Asked, *, first: bool) -> None:
        key = asked.owner, asked.segment_id
        self._asked[key] = asked
        if first:
            self._asked.move_to_end(key, last=False)

    def pop(self) -> _Asked:
        return self._asked.popitem(last=False)[1]

    def remove(self, asked: _Asked) -> None:
        del self._asked[asked.owner, asked.segment_id]


class SegmentQueue:
    """The Segments of one engine, waiting and out."""

    def __init__(self, shortest_deadline_s: float, longest_deadline_s: float) -> None:
        """Starts empty.

        Args:
            shortest_deadline_s: no lease is taken back sooner, however fast the answers come.
            longest_deadline_s: every lease is taken back after this; holds alone until enough answers came.
        """
        self._times = AnswerTimes(shortest_deadline_s, longest_deadline_s)
        self._ladder = Ladder()
        self._open: dict[str, dict[str, _Asked]] = {}
        self._waiting, self._suspects, self._alone, self._unproven = _Line(), _Line(), _Line(), _Line()
        self._replicas: dict[str, _Replica] = {}
        self._gone: dict[str, bool] = {}
        """Replicas that get nothing any more, and whether they had answered anything."""
        self._hung: set[str] = set()
        self._convictions: list[Conviction] = []
        self._num_answered = self._num_late = self._num_deaths = self._num_convicted = 0

    def offer(self, lot: Lot) -> None:
        """Takes Segments to be asked about; those it has from this owner already are left as they are."""
        known = self._open.setdefault(lot.owner, {})
        for segment_id, place in zip(lot.segment_ids, lot.places, strict=True):
            if segment_id not in known:
                asked = _Asked(lot.desk, lot.owner, segment_id, lot.block, place)
                known[segment_id] = asked
                self._wait_for_its_step(asked, again=False)

    def take(self, replica: str, room: int, now_s: float) -> tuple[Lot, ...]:
        """Gives a replica work, as leases; nothing where there is none for it now.

        Args:
            replica: name of its process, never used again for another.
            room: Segments it can take beside those it holds.
            now_s: the time.
        """
        if replica in self._gone:
            return ()
        one = self._replicas.setdefault(replica, _Replica(last_answer_s=now_s))
        if len(one.leases) == 1 and next(iter(one.leases.values())).is_alone:
            return ()
        if self._is_for_one_alone(one):
            if one.leases:
                return ()
            one.is_emptying = False
            return self._lend([self._line_alone().pop()], replica, one, now_s)
        again = self._share_of_suspects(one, room)
        usual = max(_SMALLEST_GRANT, len(self._waiting) // (2 * len(self._replicas)))
        count = min(room - len(again), usual, len(self._waiting))
        return self._lend([*again, *(self._waiting.pop() for _ in range(count))], replica, one, now_s)

    def heard(self, replica: str, idle_s: float, now_s: float) -> None:
        """A replica says how long its engine has owed answers: it may hold what another life of this queue lent."""
        if replica not in self._gone:
            self._replicas.setdefault(replica, _Replica(last_answer_s=now_s))
            if idle_s > self._times.deadline_s:
                self._hangs(replica)

    def answered(self, replica: str, owner: str, segment_ids: Iterable[str], now_s: float) -> None:
        """The desk has the answers to these, from this replica or from one they were taken back from."""
        one = self._replicas.get(replica)
        for segment_id in segment_ids:
            asked = self._close(owner, segment_id)
            if asked is None:
                self._num_late += 1
                continue
            if asked.replica == replica and one is not None:
                self._times.add(now_s - asked.since_s)
            self._num_answered += 1
            self._ladder.lived(segment_id)
            if one is not None:
                one.num_answered += 1
                one.last_answer_s = now_s

    def stumbled(self, replica: str, owner: str, segment_id: str, cause: str) -> None:
        """Asking about a Segment raised something nobody expected; it counts like a death, of this Segment alone."""
        asked = self._open.get(owner, {}).get(segment_id)
        if asked is not None and asked.replica == replica:
            self._take_back(asked, cause)

    def dropped(self, owner: str, segment_ids: Iterable[str]) -> None:
        """The audio of these is gone, with whoever offered it; where it still lives, it offers them again."""
        for segment_id in segment_ids:
            self._close(owner, segment_id)

    def lost(self, replica: str, cause: str | None) -> bool:
        """A replica is gone with all it held.

        Args:
            replica: its name; it gets nothing any more.
            cause: what it died of, a death for each Segment it held; None where the Segments cannot be at
                fault, because its node was lost or it was sent away.

        Returns:
            Whether it had answered anything.
        """
        self._hung.discard(replica)
        return self._let_go(replica, cause)

    def withdraw(self, owner: str) -> None:
        """Forgets what one owner offered."""
        for segment_id in list(self._open.get(owner, ())):
            self._close(owner, segment_id)
        self._open.pop(owner, None)

    def withdraw_desk(self, desk: str) -> None:
        """Forgets what a process offered that is gone."""
        owners = [owner for owner, known in self._open.items() if any(one.desk == desk for one in known.values())]
        for owner in owners:
            self.withdraw(owner)

    def check_deadlines(self, now_s: float) -> None:
        """Takes back what is overdue; a replica that answered nothing else in that time counts as hung."""
        deadline_s = self._times.deadline_s
        for name, one in list(self._replicas.items()):
            overdue = [asked for asked in one.leases.values() if now_s - asked.since_s > deadline_s]
            if not overdue:
                continue
            if now_s - one.last_answer_s > deadline_s:
                self._hangs(name)
            else:
                for asked in overdue:
                    self._take_back(asked, f"no answer within {deadline_s:.0f} s")

    @property
    def hung(self) -> tuple[str, ...]:
        """Replicas that hang and whose processes should end; each is told until it is `lost`."""
        return tuple(self._hung)

    def pop_convictions(self) -> tuple[Conviction, ...]:
        """Segments that are asked no more; each is told once."""
        convictions, self._convictions = tuple(self._convictions), []
        return convictions

    @property
    def has_work(self) -> bool:
        """Whether any Segment waits."""
        return bool(self._waiting or self._suspects or self._alone or self._unproven)

    def state(self) -> QueueState:
        """Counts as of now."""
        return QueueState(
            num_queued=sum(map(len, (self._waiting, self._suspects, self._alone, self._unproven))),
            num_alone=len(self._alone) + len(self._unproven),
            held={name: len(one.leases) for name, one in self._replicas.items()},
            answered={name: one.num_answered for name, one in self._replicas.items()},
            num_answered=self._num_answered,
            num_late=self._num_late,
            num_deaths=self._num_deaths,
            num_convicted=self._num_convicted,
            deadline_s=self._times.deadline_s,
        )

    def _is_for_one_alone(self, one: _Replica) -> bool:
        """Whether this replica is emptied for a Segment asked alone; no more are than there are such Segments."""
        line = self._line_alone()
        emptying = [other for other in self._replicas.values() if other.is_emptying and other.leases] if line else []
        one.is_emptying = bool(line) and (one.is_emptying or len(emptying) < len(line))
        return one.is_emptying

    def _line_alone(self) -> _Line:
        """Who is asked alone next: the unproven only when nobody else could give the proof."""
        return self._alone if self._alone or self._waiting or self._suspects else self._unproven

    def _share_of_suspects(self, one: _Replica, room: int) -> list[_Asked]:
        """Suspects are spread, so that the next death tells the culprit from its company.

        Over the replicas, or where there are few of them over time.
        """
        if not self._suspects:
            return []
        num_open = len(self._suspects) + sum(other.num_suspects for other in self._replicas.values())
        num_groups = max(len(self._replicas), math.isqrt(num_open))
        share = math.ceil(num_open / num_groups) - one.num_suspects
        return [self._suspects.pop() for _ in range(min(max(share, 0), room, len(self._suspects)))]

    def _lend(self, asked: list[_Asked], replica: str, one: _Replica, now_s: float) -> tuple[Lot, ...]:
        for item in asked:
            item.replica, item.since_s = replica, now_s
            one.leases[item.owner, item.segment_id] = item
            one.num_suspects += item.is_suspect
        return tuple(_lots(asked))

    def _line_of(self, asked: _Asked) -> _Line:
        if asked.is_alone:
            return self._unproven if asked.is_unproven else self._alone
        return self._suspects if asked.is_suspect else self._waiting

    def _hangs(self, replica: str) -> None:
        self._hung.add(replica)
        self._let_go(replica, f"its engine hung for more than {self._times.deadline_s:.0f} s")

    def _let_go(self, replica: str, cause: str | None) -> bool:
        one = self._replicas.pop(replica, None)
        if one is None:
            return self._gone.setdefault(replica, False)
        self._gone[replica] = one.num_answered > 0
        # Asked again first, in their order: the rows after them wait to be written.
        for asked in reversed(one.leases.values()):
            self._take_back(asked, cause)
        return self._gone[replica]

    def _take_back(self, asked: _Asked, cause: str | None) -> None:
        self._end_lease(asked)
        if cause is not None:
            self._num_deaths += 1
            self._ladder.died(asked.segment_id, cause)
        self._wait_for_its_step(asked, again=True)

    def _wait_for_its_step(self, asked: _Asked, *, again: bool) -> None:
        num_deaths = self._ladder.num_deaths(asked.segment_id)
        is_last = num_deaths >= DEATHS_UNTIL_CONVICTED and self._has_only_suspects()
        step = self._ladder.step(asked.segment_id, is_last=is_last)
        if step is Step.NEVER:
            self._num_convicted += 1
            reason = self._ladder.reason(asked.segment_id)
            self._convictions.append(Conviction(asked.desk, asked.owner, asked.segment_id, reason))
            self._strike(asked.owner, asked.segment_id)
            return
        asked.replica = None
        asked.is_alone = step is Step.ALONE
        asked.is_unproven = num_deaths >= DEATHS_UNTIL_CONVICTED
        asked.is_suspect = num_deaths > 0 and not asked.is_alone
        self._line_of(asked).add(asked, first=again and not asked.is_alone)

    def _has_only_suspects(self) -> bool:
        """Whether nothing is left that could still prove the engine: all that is open died as often as it may."""
        is_any_out = any(one.leases for one in self._replicas.values())
        return not (self._waiting or self._suspects or self._alone or is_any_out)

    def _end_lease(self, asked: _Asked) -> None:
        holder = self._replicas.get(asked.replica or "")
        if holder is not None and holder.leases.pop((asked.owner, asked.segment_id), None) is not None:
            holder.num_suspects -= asked.is_suspect

    def _close(self, owner: str, segment_id: str) -> _Asked | None:
        asked = self._strike(owner, segment_id)
        if asked is None:
            return None
        if asked.replica is not None:
            self._end_lease(asked)
        else:
            self._line_of(asked).remove(asked)
        return asked

    def _strike(self, owner: str, segment_id: str) -> _Asked | None:
        """Takes a Segment off what is open, wherever it stands."""
        known = self._open.get(owner)
        asked = known.pop(segment_id, None) if known else None
        if known is not None and not known:
            del self._open[owner]
        return asked


def _lots(asked: list[_Asked]) -> Iterator[Lot]:
    """Segments packed by block, in their order."""
    groups: dict[tuple[str, int], list[_Asked]] = {}
    for one in asked:
        groups.setdefault((one.owner, id(one.block)), []).append(one)
    for items in groups.values():
        first = items[0]
        yield Lot(
            desk=first.desk,
            owner=first.owner,
            block=first.block,
            segment_ids=tuple(one.segment_id for one in items),
            places=tuple(one.place for one in items),
        )

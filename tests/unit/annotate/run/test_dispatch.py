"""The queue against replicas that die, hang, leave and answer late: every Segment ends exactly once."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.dispatch import Lot, SegmentQueue

SHORTEST_S, LONGEST_S = 60.0, 600.0


def _queue() -> SegmentQueue:
    return SegmentQueue(SHORTEST_S, LONGEST_S)


def _lot(first: int, count: int, owner: str = "u0", block: object = "block") -> Lot:
    return Lot("desk", owner, block, tuple(f"s{first + one}" for one in range(count)), tuple(range(count)))


def _ids(lots: tuple[Lot, ...]) -> list[str]:
    return [segment_id for lot in lots for segment_id in lot.segment_ids]


def test_work_is_pulled_in_order_by_whoever_has_room() -> None:
    queue = _queue()
    queue.offer(_lot(0, 10))
    first, second = queue.take("a", 4, 0.0), queue.take("b", 20, 0.0)
    assert _ids(first) == ["s0", "s1", "s2", "s3"]
    assert _ids(second) == [f"s{index}" for index in range(4, 10)]
    assert second[0].places == (4, 5, 6, 7, 8, 9)
    assert not queue.has_work


def test_a_replica_leaves_some_for_the_others() -> None:
    queue = _queue()
    queue.offer(_lot(0, 400))
    for replica in "abcd":
        queue.take(replica, 1, 0.0)
    assert len(_ids(queue.take("a", 999, 0.0))) == 396 // 8


def test_what_is_offered_twice_is_asked_once() -> None:
    queue = _queue()
    queue.offer(_lot(0, 4))
    queue.take("a", 2, 0.0)
    queue.offer(_lot(0, 4))
    assert _ids(queue.take("b", 9, 0.0)) == ["s2", "s3"]


def test_a_segment_of_the_next_round_is_asked_about_before_the_queue_hears_of_the_last_one() -> None:
    """Its desk has the answer and offers it again, under another name, to the same engine."""
    queue = _queue()
    queue.offer(_lot(0, 2, owner="u0/0"))
    assert _ids(queue.take("a", 9, 0.0)) == ["s0", "s1"]
    queue.offer(_lot(0, 1, owner="u0/1"))
    assert _ids(queue.take("b", 9, 1.0)) == ["s0"]
    queue.answered("a", "u0/0", ["s0", "s1"], 2.0)
    assert queue.state().held == {"a": 0, "b": 1}
    queue.answered("b", "u0/1", ["s0"], 3.0)
    assert (queue.state().num_answered, queue.state().num_late) == (3, 0)
    assert not queue.has_work


def test_segments_of_a_lost_replica_are_next_and_only_its_death_counts() -> None:
    queue = _queue()
    queue.offer(_lot(0, 20))
    queue.take("a", 3, 0.0)
    assert queue.lost("a", None) is False
    assert _ids(queue.take("b", 3, 0.0)) == ["s0", "s1", "s2"]
    queue.answered("b", "u0", ["s0"], 1.0)
    assert queue.lost("b", "its process died") is True
    assert _ids(queue.take("c", 3, 0.0)) == ["s1", "s2", "s3"]
    assert queue.state().num_deaths == 2


def test_the_company_of_a_death_is_spread_so_that_the_next_one_tells_the_culprit() -> None:
    queue = _queue()
    queue.offer(_lot(0, 200))
    first = _ids(queue.take("a", 8, 0.0))
    for replica in "bcdefghi":
        queue.take(replica, 8, 0.0)
    queue.lost("a", "its process died")
    taken = {replica: _ids(queue.take(replica, 4, 1.0)) for replica in "bcdefghi"}
    assert {replica: sum(one in first for one in ids) for replica, ids in taken.items()} == dict.fromkeys(taken, 1)
    assert all(len(ids) == 4 for ids in taken.values()), "the rest of the room is for others"
    (culprit,) = [replica for replica, ids in taken.items() if "s0" in ids]
    queue.lost(culprit, "its process died")
    assert queue.state().num_alone == 1


def test_a_segment_with_two_deaths_is_asked_alone_and_the_third_convicts_it() -> None:
    queue = _queue()
    queue.offer(_lot(0, 8))
    for replica in ("a", "b"):
        assert "s0" in _ids(queue.take(replica, 2, 0.0))
        queue.lost(replica, "its process died")
    assert queue.state().num_alone == 2
    assert len(_ids(queue.take("c", 8, 0.0))) == 1
    assert queue.take("c", 8, 0.0) == (), "asked alone means alone"
    queue.answered("c", "u0", ["s1"], 1.0)
    (lot,) = queue.take("c", 8, 2.0)
    assert lot.segment_ids == ("s0",)
    queue.lost("c", "its process died")
    (conviction,) = queue.pop_convictions()
    assert (conviction.owner, conviction.segment_id) == ("u0", "s0")
    assert "its process died" in conviction.reason
    assert len(_ids(queue.take("d", 8, 2.0))) == 6
    queue.offer(_lot(0, 1, owner="u0 again"))
    assert [one.owner for one in queue.pop_convictions()] == ["u0 again"], "it is known wherever it comes from"


def test_the_others_are_still_asked_when_a_convicted_one_is_offered_again() -> None:
    queue = _queue()
    for replica in "abc":
        queue.offer(_lot(0, 1, owner=f"u0/{replica}"))
        queue.take(replica, 1, 0.0)
        queue.lost(replica, "its process died")
        queue.withdraw(f"u0/{replica}")
    queue.offer(_lot(0, 3, owner="u0 again"))
    assert [(one.owner, one.segment_id) for one in queue.pop_convictions()] == [("u0/c", "s0"), ("u0 again", "s0")]
    assert _ids(queue.take("d", 8, 1.0)) == ["s1", "s2"]
    assert not queue.has_work


def test_of_few_replicas_each_gets_a_part_of_the_suspects_at_a_time() -> None:
    queue = _queue()
    queue.offer(_lot(0, 120))
    held = set(_ids(queue.take("a", 96, 0.0)))
    held |= set(_ids(queue.take("a", 96 - len(held), 0.0)))
    queue.lost("a", "its process died")
    again = _ids(queue.take("b", 96, 1.0))
    num_suspects = sum(one in held for one in again)
    assert 1 < num_suspects <= 10, "so many are asked alone where it dies of one of them"
    queue.lost("b", "its process died")
    assert queue.state().num_alone == num_suspects


def test_a_replica_is_emptied_before_it_is_asked_about_one_alone() -> None:
    queue = _queue()
    queue.offer(_lot(0, 1))
    for replica in ("a", "b"):
        queue.take(replica, 1, 0.0)
        queue.lost(replica, "its process died")
    queue.offer(_lot(1, 40, owner="u1"))
    queue.lost("a", None)
    busy = _queue_with_busy_replica(queue)
    assert _ids(queue.take("d", 8, 0.0)) == ["s0"], "an idle one is asked at once"
    assert busy


def _queue_with_busy_replica(queue: SegmentQueue) -> bool:
    queue.withdraw("u0")
    taken = queue.take("c", 4, 0.0)
    queue.offer(_lot(0, 1, owner="u0"))
    assert queue.take("c", 4, 0.0) == (), "one that holds others is emptied first"
    queue.answered("c", "u1", _ids(taken), 1.0)
    queue.lost("c", None)
    return bool(taken)


def test_a_hung_replica_is_found_and_what_it_held_goes_to_others() -> None:
    queue = _queue()
    queue.offer(_lot(0, 4))
    queue.take("a", 4, 0.0)
    queue.check_deadlines(LONGEST_S)
    assert not queue.hung
    queue.check_deadlines(LONGEST_S + 1)
    for _ in range(2):
        assert list(queue.hung) == ["a"], "told until its process is gone: an answer of ours may be lost"
    assert queue.take("a", 4, LONGEST_S + 2) == (), "it gets nothing any more"
    for _ in range(2):
        taken = _ids(queue.take("b", 4, LONGEST_S + 2))
        queue.answered("b", "u0", taken, LONGEST_S + 3)
    assert queue.state().num_answered == 4
    queue.lost("a", "its engine hung")
    assert not queue.hung
    assert queue.state().num_deaths == 4, "counted once"


def test_a_queue_that_was_started_anew_finds_what_hung_before() -> None:
    queue = _queue()
    queue.heard("a", LONGEST_S, 0.0)
    queue.heard("b", 0.0, 0.0)
    assert not queue.hung
    queue.heard("a", LONGEST_S + 5, 5.0)
    assert list(queue.hung) == ["a"]
    assert list(queue.state().held) == ["b"]
    queue.lost("a", "its engine hung")
    queue.heard("a", LONGEST_S + 10, 10.0)
    assert not queue.hung, "told once"


def test_a_single_answer_that_does_not_come_is_asked_elsewhere_and_its_replica_goes_on() -> None:
    queue = _queue()
    queue.offer(_lot(0, 2))
    queue.take("a", 2, 0.0)
    queue.answered("a", "u0", ["s1"], LONGEST_S)
    queue.check_deadlines(LONGEST_S + 1)
    assert not queue.hung
    assert _ids(queue.take("b", 2, LONGEST_S + 1)) == ["s0"]
    queue.answered("a", "u0", ["s0"], LONGEST_S + 2)
    assert queue.state().held == {"a": 0, "b": 0}, "a late answer is an answer"
    queue.answered("b", "u0", ["s0"], LONGEST_S + 3)
    assert queue.state().num_late == 1


def test_the_deadline_follows_how_long_answers_take() -> None:
    queue = _queue()
    assert queue.state().deadline_s == LONGEST_S
    queue.offer(_lot(0, 60))
    for index in range(60):
        queue.take("a", 1, 0.0)
        queue.answered("a", "u0", [f"s{index}"], 20.0)
    assert queue.state().deadline_s == pytest.approx(100.0)


def test_a_stumble_counts_for_one_segment_alone() -> None:
    queue = _queue()
    queue.offer(_lot(0, 2))
    for attempt in range(3):
        taken = _ids(queue.take("a", 2, 0.0))
        if attempt == 1:
            queue.answered("a", "u0", ["s1"], 1.0)
        assert taken
        queue.stumbled("a", "u0", "s0", "unexpected ZeroDivisionError")
    assert [one.segment_id for one in queue.pop_convictions()] == ["s0"]


def test_what_has_lost_its_audio_is_forgotten_and_proves_nothing() -> None:
    queue = _queue()
    queue.offer(_lot(0, 2))
    queue.take("a", 2, 0.0)
    queue.dropped("u0", ["s0", "s1"])
    assert (queue.state().num_answered, queue.state().held) == (0, {"a": 0})
    queue.offer(_lot(0, 2))
    assert _ids(queue.take("a", 2, 0.0)) == ["s0", "s1"]


@dataclass
class _World:
    """Replicas with what they hold, and what became of every Segment."""

    queue: SegmentQueue
    holds: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    convicted: set[str] = field(default_factory=set)
    mishaps: Counter[str] = field(default_factory=Counter)
    """Hangs by chance that met a Segment."""
    num_replicas: int = 0

    def start(self) -> None:
        self.num_replicas += 1
        self.holds[f"r{self.num_replicas}"] = []

    def deliver(self, segment_id: str) -> None:
        """What a desk does: the first answer counts."""
        self.ended.setdefault(segment_id, 0)
        self.ended[segment_id] = 1

    def look(self, now_s: float) -> None:
        self.queue.check_deadlines(now_s)
        for name in self.queue.hung:
            self.holds.pop(name, None)
        for one in self.queue.pop_convictions():
            assert one.segment_id not in self.ended, "answered and convicted"
            assert one.segment_id not in self.convicted, "convicted twice"
            self.convicted.add(one.segment_id)


@settings(max_examples=150, deadline=None)
@example(seed=52, num_segments=15, num_replicas=1, poisoned={0, 1})  # these two took turns, and nobody else was asked
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 5), st.sets(st.integers(0, 59), max_size=3))
def test_whatever_replicas_do_every_segment_ends_exactly_once(
    seed: int, num_segments: int, num_replicas: int, poisoned: set[int]
) -> None:
    rng = random.Random(seed)
    world = _World(_queue())
    names = [f"s{index}" for index in range(num_segments)]
    poison = {f"s{index}" for index in poisoned if index < num_segments}
    waiting = [_lot(first, min(7, num_segments - first), block=first) for first in range(0, num_segments, 7)]
    now_s = 0.0
    for _ in range(num_replicas):
        world.start()
    for turn in range(4000):
        now_s += rng.random() * 5
        if waiting and rng.random() < 0.5:
            world.queue.offer(waiting.pop(0))
        if turn < 400 and rng.random() < 0.05:
            world.start()
        if world.holds:
            _act(world, rng.choice(sorted(world.holds)), rng, now_s, poison, calm=turn > 400)
        while len(world.holds) < num_replicas:
            world.start()
        world.look(now_s)
        if len(world.ended) + len(world.convicted) == num_segments and not waiting:
            break
    innocent = {one for one in world.convicted - poison if world.mishaps[one] == 0}
    assert not innocent, "only what kills, or met a hang each time, is convicted"
    assert set(world.ended) | world.convicted == set(names)
    assert world.queue.state().num_queued == 0


def _act(world: _World, name: str, rng: random.Random, now_s: float, poison: set[str], *, calm: bool) -> None:
    """One thing that a replica does: dies of poison, hangs, leaves, dies by chance (seldom), answers, or takes."""
    held = world.holds[name]
    if any(segment_id in poison for _, segment_id in held) and rng.random() < 0.5:
        del world.holds[name]
        world.queue.lost(name, "its process died")
    elif not calm and rng.random() < 0.05:
        del world.holds[name]
        if rng.random() < 0.5:
            world.queue.lost(name, None)
        else:
            world.mishaps.update(segment_id for _, segment_id in held)
    elif held and rng.random() < 0.6:
        owner, segment_id = held.pop(rng.randrange(len(held)))
        if segment_id in poison:
            held.append((owner, segment_id))
            return
        world.deliver(segment_id)
        world.queue.answered(name, owner, [segment_id], now_s)
    else:
        held += [(lot.owner, one) for lot in world.queue.take(name, 4, now_s) for one in lot.segment_ids]

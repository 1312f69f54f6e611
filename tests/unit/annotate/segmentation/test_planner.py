from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.segmentation.planner import PlannedInterval, PlanRules, SegmentPlanner, plan_intervals
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import SpeechInterval

RULES = PlanRules(min_segment_samples=20, max_segment_samples=300, max_pause_samples=10, padding_samples=2)


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[SpeechInterval], int, PlanRules]:
    minimum = draw(st.integers(1, 30))
    maximum = draw(st.integers(minimum + 1, 120))
    rules = PlanRules(minimum, maximum, draw(st.integers(1, 30)), draw(st.integers(0, 40)))
    intervals, position = [], 0
    for _ in range(draw(st.integers(0, 25))):
        start = position + draw(st.integers(0, 60))
        position = start + draw(st.integers(1, maximum))
        intervals.append(SpeechInterval(start_samples=start, end_samples=position))
    return intervals, position + draw(st.integers(0, 60)), rules


def _speech(*places: tuple[int, int]) -> list[SpeechInterval]:
    return [SpeechInterval(start_samples=start, end_samples=end) for start, end in places]


def _kept(planned: list[PlannedInterval]) -> list[tuple[int, int]]:
    return [(item.start_samples, item.end_samples) for item in planned if item.is_kept]


@settings(max_examples=400)
@given(plans())
def test_laws(plan: tuple[list[SpeechInterval], int, PlanRules]) -> None:
    intervals, num_samples, rules = plan
    planned = plan_intervals(intervals, num_samples, rules)
    assert all(item.end_samples <= num_samples for item in planned)
    assert all(a.end_samples <= b.start_samples for a, b in pairwise(planned))
    assert all(item.num_samples <= rules.max_segment_samples for item in planned)
    assert all(item.is_kept == (item.num_samples >= rules.min_segment_samples) for item in planned)
    for interval in intervals:
        holders = [item for item in planned if item.start_samples <= interval.start_samples < item.end_samples]
        assert len(holders) == 1, "no speech is lost"
        assert interval.end_samples <= holders[0].end_samples, "no SpeechInterval is cut"
    assert sum(item.speech_samples for item in planned) == sum(interval.num_samples for interval in intervals)


@given(plans())
def test_pauses_inside_are_short_and_cuts_prefer_pauses(plan: tuple[list[SpeechInterval], int, PlanRules]) -> None:
    intervals, num_samples, rules = plan
    for item in plan_intervals(intervals, num_samples, rules):
        inside = [i for i in intervals if item.start_samples <= i.start_samples < item.end_samples]
        pauses = [b.start_samples - a.end_samples for a, b in pairwise(inside)]
        assert all(pause <= rules.max_pause_samples for pause in pauses)
        if item.ends_in_speech:
            assert not any(pause > 0 for pause in pauses), "cut inside speech although it holds a pause"


@given(plans(), st.data())
def test_knowing_early_changes_nothing(plan: tuple[list[SpeechInterval], int, PlanRules], data: st.DataObject) -> None:
    intervals, num_samples, rules = plan
    planner = SegmentPlanner(rules)
    planned: list[PlannedInterval] = []
    position = 0
    for interval in intervals:
        decided_samples = data.draw(st.integers(position, interval.start_samples))
        planned += planner.advance(decided_samples)
        needed = planner.needed_from_samples
        new = planner.push(interval)
        assert all(item.start_samples >= needed for item in new), "audio was let go too early"
        planned += new
        position = interval.end_samples
    planned += planner.advance(num_samples) + planner.finish(num_samples)
    assert planned == plan_intervals(intervals, num_samples, rules)


def test_neighbours_are_merged_over_short_pauses_only() -> None:
    assert _kept(plan_intervals(_speech((10, 40), (50, 90), (101, 140)), 200, RULES)) == [(8, 92), (99, 142)]


def test_long_stretches_are_split_at_their_longest_pause() -> None:
    speech = _speech((0, 100), (104, 180), (189, 250), (253, 340))
    assert _kept(plan_intervals(speech, 400, RULES)) == [(0, 182), (187, 342)]


def test_a_split_leaves_enough_on_both_sides() -> None:
    speech = _speech((0, 10), (20, 150), (152, 290), (299, 310))
    assert _kept(plan_intervals(speech, 400, RULES)) == [(0, 151), (151, 312)]


def test_padding_takes_half_the_gap_and_stays_inside() -> None:
    rules = replace(RULES, padding_samples=50, max_pause_samples=5)
    assert _kept(plan_intervals(_speech((3, 60), (80, 140)), 150, rules)) == [(0, 70), (70, 150)]


def test_padding_gives_way_to_the_longest_segment() -> None:
    assert _kept(plan_intervals(_speech((50, 349)), 500, RULES)) == [(50, 350)]


def test_what_stays_too_short_is_handed_out_as_not_kept() -> None:
    (item,) = plan_intervals(_speech((50, 60)), 200, RULES)
    assert (item.is_kept, item.speech_samples) == (False, 10)


def test_speech_without_a_pause_is_cut_where_the_detector_divided_it() -> None:
    first, second = plan_intervals(_speech((0, 200), (200, 390)), 400, RULES)
    assert (first.ends_in_speech, second.ends_in_speech) == (True, False)
    assert _kept([first, second]) == [(0, 200), (200, 392)]


@pytest.mark.parametrize("places", [[(0, 301)], [(0, 50), (49, 80)]])
def test_impossible_speech_is_refused(places: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="speech"):
        plan_intervals(_speech(*places), 400, RULES)


def test_rules_of_a_job_are_in_samples() -> None:
    assert PlanRules.of(SegmentationConfig()) == PlanRules(32_000, 480_000, 16_000, 1_600)

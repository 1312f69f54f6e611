from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from silero_vad.utils_vad import get_speech_timestamps_from_probs

from fcaps_pipeline.annotate.segmentation.hysteresis import WINDOW_SAMPLES, SpeechRules, SpeechTracker

NO_LIMIT = 1 << 40
PROBABILITIES = st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.45, 0.5, 0.6, 0.9]), max_size=300)


def _rules(**changes: float) -> SpeechRules:
    plain: dict[str, float] = {
        "threshold": 0.5,
        "min_speech_samples": 4_000,
        "min_silence_samples": 1_600,
        "min_part_samples": 8_000,
        "max_interval_samples": NO_LIMIT,
    }
    return SpeechRules(**(plain | changes))  # type: ignore[arg-type]


def _track(probabilities: list[float], num_samples: int, rules: SpeechRules) -> list[tuple[int, int]]:
    tracker = SpeechTracker(rules)
    intervals = tracker.push(probabilities) + tracker.finish(num_samples)
    return [(interval.start_samples, interval.end_samples) for interval in intervals]


@given(PROBABILITIES, st.integers(0, WINDOW_SAMPLES - 1))
def test_the_rules_are_those_of_silero(probabilities: list[float], missing: int) -> None:
    num_samples = max(0, len(probabilities) * WINDOW_SAMPLES - missing)
    expected = get_speech_timestamps_from_probs(probabilities, speech_pad_ms=0, audio_length_samples=num_samples)
    assert _track(probabilities, num_samples, _rules()) == [(item["start"], item["end"]) for item in expected]


@given(PROBABILITIES, st.integers(8, 40))
def test_a_limit_divides_and_loses_nothing(probabilities: list[float], max_windows: int) -> None:
    num_samples = len(probabilities) * WINDOW_SAMPLES
    limit = max_windows * WINDOW_SAMPLES
    parts = _track(probabilities, num_samples, _rules(max_interval_samples=limit, min_part_samples=1_024))
    assert all(0 < end - start <= limit for start, end in parts)
    assert all(first[1] <= second[0] for first, second in pairwise(parts))
    for start, end in _track(probabilities, num_samples, _rules()):
        missing = [s for s in range(start, end, WINDOW_SAMPLES // 2) if not any(a <= s < b for a, b in parts)]
        assert len(missing) * WINDOW_SAMPLES // 2 <= 4_000


@given(PROBABILITIES)
def test_nothing_starts_before_what_is_decided(probabilities: list[float]) -> None:
    tracker = SpeechTracker(_rules(max_interval_samples=20 * WINDOW_SAMPLES, min_part_samples=1_024))
    decided_samples = 0
    for probability in probabilities:
        assert all(interval.start_samples >= decided_samples for interval in tracker.push([probability]))
        assert tracker.decided_samples >= decided_samples
        decided_samples = tracker.decided_samples


def test_speech_is_divided_at_its_least_likely_window() -> None:
    probabilities = [0.9] * 100
    probabilities[60] = 0.4
    parts = _track(probabilities, 100 * WINDOW_SAMPLES, _rules(max_interval_samples=90 * WINDOW_SAMPLES))
    assert parts[0] == (0, 60 * WINDOW_SAMPLES + WINDOW_SAMPLES // 2)
    assert parts[1][0] == parts[0][1]


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 0.35), (0.1, 0.01)])
def test_the_end_threshold_lies_below(threshold: float, expected: float) -> None:
    assert _rules(threshold=threshold).end_threshold == pytest.approx(expected)

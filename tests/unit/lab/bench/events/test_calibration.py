import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.acoustics.event_bounds import EventKind, shipped_event_bounds
from fcaps_pipeline.lab.bench.events.calibration import MIN_PRECISION, Scored, calibrate
from fcaps_pipeline.lab.bench.events.matching import Timed, match, overlap_of

STATES = shipped_event_bounds().states


def _kind(scored: list[Scored]) -> EventKind:
    return next(kind for kind in calibrate(scored, STATES, "a test").kinds if kind.phrase == "pauses")


def test_the_bound_lies_where_events_begin_to_be_right() -> None:
    rng = np.random.default_rng(0)
    scored = [Scored("pauses", float(score), bool(rng.random() < (score > 1.0))) for score in rng.uniform(0, 2, 800)]
    kind = _kind(scored)
    assert kind.bound is not None
    assert 0.7 < kind.bound < 1.0
    assert kind.confidence(0.5) is None
    assert (kind.confidence(1.9) or 0.0) > 0.95
    right = [one.is_right for one in scored if one.score >= kind.bound]
    assert np.mean(right) >= MIN_PRECISION


def test_a_kind_that_is_seldom_right_or_of_which_little_is_known_has_no_bound() -> None:
    assert _kind([Scored("pauses", score / 100, score % 2 == 0) for score in range(100)]).bound is None
    assert _kind([Scored("pauses", float(score), is_right=True) for score in range(9)]).bound is None
    assert _kind([]).bound is None


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=60))
def test_confidence_never_falls_with_the_score(found: list[tuple[float, bool]]) -> None:
    kind = _kind([Scored("pauses", score, is_right) for score, is_right in found])
    assert list(kind.scores) == sorted(kind.scores)
    assert list(kind.shares) == sorted(kind.shares)
    assert len(kind.scores) == len(kind.shares)
    assert all(0 < share < 1 for share in kind.shares)


def test_each_true_event_is_found_once_by_what_overlaps_it_most() -> None:
    true = [Timed("pauses", 1.0, 2.0), Timed("laughs", 1.0, 2.0)]
    given_events = [
        Timed("pauses", 1.2, 2.2),
        Timed("pauses", 1.0, 1.9),
        Timed("pauses", 1.8, 3.0),
        Timed("whispers", 1.0, 2.0),
    ]
    assert match(given_events, true) == [None, true[0], None, None]
    assert overlap_of(true[0], Timed("pauses", 1.5, 2.5)) == 1 / 3
    assert overlap_of(true[0], Timed("pauses", 4.0, 5.0)) == 0.0

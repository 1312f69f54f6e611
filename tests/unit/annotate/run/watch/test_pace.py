from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.watch.pace import Pace


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_rate_needs_time_and_follows_the_window() -> None:
    clock = Clock()
    pace = Pace(clock, window_s=60)
    assert (pace.per_s(), pace.eta_s(10), pace.eta_s(0)) == (0.0, None, 0.0)
    clock.now_s += 10
    pace.add(50)
    assert (pace.per_s(), pace.eta_s(100)) == (5.0, 20.0)
    clock.now_s += 50
    assert pace.per_s() == 50 / 60
    clock.now_s += 600
    assert (pace.per_s(), pace.eta_s(100), pace.total) == (0.0, None, 50)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=40), st.integers(0, 100))
def test_the_rate_is_what_a_slow_sum_over_the_window_says(steps: list[tuple[int, int]], idle_s: int) -> None:
    clock = Clock()
    begun_s, grown = clock.now_s, [(clock.now_s, 0)]
    pace = Pace(clock, window_s=60)
    for wait_s, amount in steps:
        clock.now_s += wait_s
        pace.add(amount)
        grown.append((clock.now_s, amount))
    clock.now_s += idle_s
    elapsed_s = min(60, clock.now_s - begun_s)
    recent = sum(amount for at_s, amount in grown if at_s > clock.now_s - 60)
    # What came before the first window has passed counts from the beginning.
    expected = recent / elapsed_s if elapsed_s else 0.0
    assert abs(pace.per_s() - expected) < 1e-9

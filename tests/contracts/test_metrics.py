"""What every place for metrics must do: take what may be taken, refuse what Prometheus could not show."""

from collections.abc import Callable

import pytest

from fcaps_pipeline.annotate.run.ray_runtime.ray_metrics import RayMetrics
from fcaps_pipeline.annotate.run.watch.metrics import ALL, ETA, OUTPUT_TOKENS, SEGMENTS, Metrics, NullMetrics


@pytest.fixture(params=[NullMetrics, RayMetrics])
def metrics(request: pytest.FixtureRequest) -> Metrics:
    make: Callable[[], Metrics] = request.param
    return make()


def test_every_metric_is_taken_twice(metrics: Metrics) -> None:
    for metric in (*ALL, *ALL):
        tags = dict.fromkeys(metric.tags, "any")
        (metrics.add if metric.kind == "counter" else metrics.put)(metric, 2, **tags)


def test_a_counter_may_stand_still_and_a_gauge_be_zero(metrics: Metrics) -> None:
    metrics.add(OUTPUT_TOKENS, 0, engine="small")
    metrics.put(ETA, 0.0)


def test_a_counter_never_goes_back(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="fcaps_output_tokens_total is a counter and cannot go back by -1"):
        metrics.add(OUTPUT_TOKENS, -1, engine="small")


@pytest.mark.parametrize("tags", [{}, {"engine": "small"}, {"outcome": "failed", "segment_id": "a-c0"}])
def test_a_missing_or_unknown_tag_is_refused(metrics: Metrics, tags: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"fcaps_segments_total: expected the tags \['outcome'\], found"):
        metrics.add(SEGMENTS, 1, **tags)


def test_names_are_what_prometheus_wants() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)
    assert all((metric.kind == "counter") == metric.name.endswith("_total") for metric in ALL)

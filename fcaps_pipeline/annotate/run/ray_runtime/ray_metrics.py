"""The metrics of a run as Ray exports them, on every node's metrics port, to whatever Prometheus asks there."""

from ray.util.metrics import Counter, Gauge

from fcaps_pipeline.annotate.run.watch.metrics import Metric


class RayMetrics:
    """Hands values to Ray. Metrics come into being with their first value, when Ray runs."""

    def __init__(self) -> None:
        self._counters: dict[Metric, Counter] = {}
        self._gauges: dict[Metric, Gauge] = {}

    def add(self, metric: Metric, amount: float, **tags: str) -> None:
        """See `Metrics.add`."""
        metric.check(amount, tags)
        if not amount:
            return  # Ray refuses to add nothing
        if metric not in self._counters:
            self._counters[metric] = Counter(metric.name, metric.description, metric.tags)
        self._counters[metric].inc(amount, tags)

    def put(self, metric: Metric, value: float, **tags: str) -> None:
        """See `Metrics.put`."""
        metric.check(value, tags)
        if metric not in self._gauges:
            self._gauges[metric] = Gauge(metric.name, metric.description, metric.tags)
        self._gauges[metric].set(value, tags)

"""What a run exports to Prometheus: the list of its metrics, and a protocol behind which they go somewhere or nowhere.

Values enter, nothing leaves. Tags are few and bounded: engines, outcomes, rules; never a Recording or a Segment. The
twin that hands them to Ray is `ray_metrics`; the board that draws them is `jobs/watch_annotate_grafana.json`.
"""

import socket
from dataclasses import dataclass
from typing import Literal, Protocol

from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.capacity import ResourceConfig


@dataclass(frozen=True)
class Metric:
    """One exported quantity."""

    name: str
    """As Prometheus shows it behind Ray's prefix `ray_`; counters end in `_total`."""
    kind: Literal["counter", "gauge"]
    description: str
    tags: tuple[str, ...] = ()

    def check(self, amount: float, tags: dict[str, str]) -> None:
        """Refuses what Prometheus could not take.

        Raises:
            ValueError: a tag is missing or unknown, or a counter would go back.
        """
        if set(tags) != set(self.tags):
            raise ValueError(f"metric {self.name}: expected the tags {sorted(self.tags)}, found {sorted(tags)}")
        if self.kind == "counter" and amount < 0:
            raise ValueError(f"metric {self.name} is a counter and cannot go back by {amount}")


SEGMENTS = Metric("fcaps_segments_total", "counter", "Segments by what they became", ("outcome",))
RECORDING_FAILURES = Metric("fcaps_recording_failures_total", "counter", "Recordings that could not be read")
AUDIO_HOURS = Metric("fcaps_audio_hours_total", "counter", "Hours of audio gone through")
OUTPUT_TOKENS = Metric("fcaps_output_tokens_total", "counter", "Tokens written by an engine", ("engine",))
VERDICTS = Metric("fcaps_verdicts_total", "counter", "Candidates by the rule against them, or kept", ("rule",))
UNITS = Metric("fcaps_units_committed_total", "counter", "WorkUnits committed")
ETA = Metric("fcaps_eta_seconds", "gauge", "Seconds until the run is done at its present rate")
QUEUE = Metric("fcaps_queue_segments", "gauge", "Segments waiting for an engine", ("engine",))
REPLICAS = Metric("fcaps_engine_replicas", "gauge", "Replicas wanted and up", ("engine", "state"))
BUSY_SHARE = Metric("fcaps_engine_busy_share", "gauge", "Share of the replicas' room in use", ("engine",))
TOKENS_PER_S = Metric("fcaps_engine_tokens_per_second", "gauge", "Tokens per second over ten minutes", ("engine",))
KV_CACHE_SHARE = Metric("fcaps_engine_kv_cache_share", "gauge", "Mean use of the KV cache", ("engine",))
PREEMPTIONS = Metric("fcaps_engine_preemptions_total", "counter", "Requests that lost their KV cache", ("engine",))
RESTARTS = Metric("fcaps_engine_restarts_total", "counter", "Replicas started anew", ("engine",))

ALL = (
    SEGMENTS,
    RECORDING_FAILURES,
    AUDIO_HOURS,
    OUTPUT_TOKENS,
    VERDICTS,
    UNITS,
    ETA,
    QUEUE,
    REPLICAS,
    BUSY_SHARE,
    TOKENS_PER_S,
    KV_CACHE_SHARE,
    PREEMPTIONS,
    RESTARTS,
)


class Metrics(Protocol):
    """Where values go."""

    def add(self, metric: Metric, amount: float, **tags: str) -> None:
        """Lets a counter grow; 0 changes nothing.

        Raises:
            ValueError: see `Metric.check`.
        """
        ...

    def put(self, metric: Metric, value: float, **tags: str) -> None:
        """Sets a gauge.

        Raises:
            ValueError: see `Metric.check`.
        """
        ...


class NullMetrics:
    """Checks values and forgets them."""

    def add(self, metric: Metric, amount: float, **tags: str) -> None:
        """See `Metrics.add`."""
        metric.check(amount, tags)

    def put(self, metric: Metric, value: float, **tags: str) -> None:
        """See `Metrics.put`."""
        metric.check(value, tags)


def build_metrics(config: ResourceConfig) -> Metrics:
    """Where the metrics of a run go: to Ray where it exports them, else nowhere.

    Raises:
        ResourceError: the port is taken.
    """
    if config.metrics_port is not None:
        _check_free(config.metrics_port)
    elif config.ray_address is None:
        return NullMetrics()
    from fcaps_pipeline.annotate.run.ray_runtime.ray_metrics import RayMetrics

    return RayMetrics()


def _check_free(port: int) -> None:
    """Ray itself would only log that it exports nothing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ResourceError(
                f"resources.metrics_port {port} cannot be used: {error.strerror}; choose a free port, or leave it out"
            ) from error

"""How much a run may use: sections of a Job that decide how fast it goes and how patient it is, not what comes out."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from fcaps_pipeline.jobs.job_file import Seconds, Section


class ReplicaRange(Section):
    """How many replicas an engine has, on a cluster that may grow and shrink."""

    min: Annotated[int, Field(gt=0)] = 1
    """The run says what it waits for while fewer are up; on one machine they must fit."""
    max: Annotated[int, Field(gt=0)] = 1
    """The cluster is asked for so many."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} must not exceed max {self.max}")
        return self


def _as_range(count: object) -> object:
    if isinstance(count, dict | ReplicaRange):
        return count
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError("expected a number from 1 on, or {min: 1, max: 8}")
    return {"min": count, "max": count}


Replicas = Annotated[ReplicaRange, BeforeValidator(_as_range, json_schema_input_type=int | ReplicaRange)]


class ResourceConfig(Section):
    """What the run may use."""

    ray_address: str | None = None
    """Address of a running cluster; None starts Ray on this machine."""
    num_segmenters: Annotated[int, Field(gt=0)] = 2
    """Actors that decode, segment, measure and write; each has one WorkUnit in flight."""
    cpus_per_segmenter: Annotated[float, Field(gt=0)] = 0.5
    """Cores that Ray reserves for one of them."""
    segments_in_flight: Annotated[int, Field(gt=0)] = 48
    """Segments that one segmenter has waiting for captions, at most. Bounds memory."""
    log_to_driver: bool = False
    """Show on stderr what the actors print, wherever they run."""
    engine_statistics: bool = False
    """Have vLLM tell its KV cache use and preemptions, for `fcaps status` and the metrics."""
    metrics_port: Annotated[int, Field(gt=0, lt=65536)] | None = None
    """Port of this machine at which a Ray that we start exports metrics to Prometheus; None exports nothing.
    A running cluster exports them at its own ports."""
    hang_timeout_s: Annotated[Seconds, Field(gt=0)] = 1800.0
    """A replica that answers nothing, or a segmenter that does not get on, counts as hung after this at the latest."""
    storage_patience_s: Annotated[Seconds, Field(ge=0)] = 120.0
    """How long a Recording that storage does not give at the moment is waited for, before its unit is put off."""
    grace_s: Annotated[Seconds, Field(ge=0)] = 20.0
    """After SIGTERM, SIGINT or SIGHUP: time to commit the units that only wait for their last answers."""

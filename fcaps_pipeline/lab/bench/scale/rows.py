"""What `fcaps bench scale` measures of each case, and of all together."""

from fcaps_pipeline.records.base import Record


class ScaleRow(Record):
    """One case."""

    num_replicas: int
    case: str
    busy_share: float
    """Clips at work over room of the replicas that are up, 0 to 1, over the measured time."""
    aim: float | None
    """What the share should reach; None where engines are not meant to be busy."""
    clips_per_s: float
    """Answered and noted by the queue, per second of this machine."""
    memory_mb: float
    """Of all processes together, shared memory counted once."""
    dispatcher_ms_per_clip: float
    """CPU time of the queue's process."""
    cpu_ms_per_clip: dict[str, float]
    """CPU time by kind of process."""


class ScaleSummary(Record):
    """The whole run."""

    num_units: int
    num_clips: int
    """Segments of all committed units; each found once in the shards."""
    num_convicted: int
    """Poisoned clips that became Failures."""

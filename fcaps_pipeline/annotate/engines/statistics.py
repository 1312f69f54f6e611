"""What an engine says of its own load. Imports the standard library alone: the process of a queue passes it on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineStatistics:
    """One engine at one moment."""

    kv_cache_share: float
    """Use of the KV cache, 0 to 1."""
    preemptions: int
    """Requests that lost their KV cache to others since the engine started."""

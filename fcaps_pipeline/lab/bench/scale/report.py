"""How the table of `fcaps bench scale` reads: what was simulated, and one line a case. Pure."""

from fcaps_pipeline.lab.bench.scale.cases import EVEN, RESTART_S, UNEVEN
from fcaps_pipeline.lab.bench.scale.rows import ScaleRow
from fcaps_pipeline.lab.bench.scale.simulated import CLIPS_AT_WORK, MEAN_S, OPEN_REQUESTS, REQUESTS_PER_CLIP

HEADER = "replicas  case                            busy      clips/s    memory  dispatcher"


def explanation(time_scale: float) -> tuple[str, ...]:
    """What the figures below it are of."""
    return (
        f"time scale {time_scale:g}: so many simulated seconds pass in one real one; clips/s are per real second",
        (
            f"simulated: engines ({OPEN_REQUESTS} open requests each, {CLIPS_AT_WORK} clips of {REQUESTS_PER_CLIP}; a "
            f"clip takes {MEAN_S:g} s in the mean, lognormal with spread {EVEN:g}, uneven {UNEVEN:.1f}), hundreds in "
            f"two processes; the supervision of their actors (a restart takes {RESTART_S:g} s); audio (25 ms a clip, "
            "out of nothing); answers (one short caption each, not judged)"
        ),
        "real: Ray, the actor of the queue, segmenters with their desks, the unit writer and its shards",
    )


def line(row: ScaleRow) -> str:
    """One case; the busy share is its only per cent."""
    return (
        f"{row.num_replicas:8d}  {row.case:<30}  {100 * row.busy_share:5.1f} %  {row.clips_per_s:8.1f}  "
        f"{row.memory_mb:6.0f} MB  {row.dispatcher_ms_per_clip:.3f} ms/clip"
    )


def cost(row: ScaleRow) -> str:
    """Where the CPU time of a clip goes."""
    parts = ", ".join(f"{name} {ms:.2f} ms" for name, ms in row.cpu_ms_per_clip.items())
    return f"CPU time of a clip: {parts}"

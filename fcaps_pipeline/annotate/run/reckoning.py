"""What a job will cost, before it runs: tokens, GPU-hours and the right split of the GPUs, wall time, disk.

A Job and what is pending of it enter, a `Reckoning` leaves. Pure arithmetic over assumptions that are stated
here: it plans a cluster and promises nothing. Answers that are drawn again come on top.
"""

from collections.abc import Mapping

from fcaps_pipeline.annotate.run.placement import agents_of, captions_of, num_replicas, probes_of
from fcaps_pipeline.jobs.annotate_job import CaptionConfig, EngineConfig, Job, VllmEngineConfig
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity

TOKENS_PER_ANSWER = {Granularity.FINE: 150, Granularity.GLOBAL: 125}
"""Fine: the size of FCaps, 18.1 M clips and 2.7 G tokens. Global: eight fields and a sentence or two."""
_TOKENS_PER_S = 10_000
"""Of one GPU that decodes many sequences together."""
_STEP_S = 62e9 / 3.35e12
"""A step reads all weights once, 62 GB for Qwen3-Omni at the 3.35 TB/s of an H100: few sequences leave it idle."""
_AUDIO_BYTES_PER_S = 17_000
"""FLAC of speech at 16 kHz, as in the shards of the demo speech (16,600) and of real clips (17,000)."""
_BYTES_PER_ANSWER = 1_000


class EngineWork(Record):
    """What one engine of a job has to do."""

    engine: str
    num_answers: int
    num_tokens: int
    tokens_per_s: float
    """Of one GPU, as assumed."""
    gpu_hours: float | None
    """None for an engine without a GPU."""
    num_gpus: int
    """As the job has it."""
    num_gpus_fitting: int
    """Of all GPUs of the job, where all engines are to end together."""


class Reckoning(Record):
    """What a job has to do."""

    engines: tuple[EngineWork, ...]
    wall_hours: float | None
    """Until the engine with most to do is done; None where no engine has a GPU."""
    wall_hours_fitting: float | None
    """The same with the GPUs split as fits."""
    disk_bytes: int
    """Shards, if all of the pending audio is speech."""


def reckon(
    job: Job, num_segments: Mapping[str, float], pending_s: float, tokens_per_s: float | None = None
) -> Reckoning:
    """Reckons the work of a job.

    Args:
        job: what to do.
        num_segments: expected Segments that each engine is still to be asked about.
        pending_s: audio that is not done.
        tokens_per_s: output of one GPU; None reckons it from the sequences that an engine decodes together.
    """
    hours = {name: _gpu_hours(job, name, num_segments[name], tokens_per_s) for name in job.engines}
    balanced = _split(job, {name: one for name, one in hours.items() if one is not None})
    works = tuple(
        EngineWork(
            engine=name,
            num_answers=round(num_segments[name] * _num_answers(job, name)),
            num_tokens=round(num_segments[name] * _tokens(job, name)),
            tokens_per_s=tokens_per_s or _assumed_tokens_per_s(engine),
            gpu_hours=hours[name],
            num_gpus=_num_gpus(engine),
            num_gpus_fitting=balanced.get(name, 0),
        )
        for name, engine in job.engines.items()
    )
    on_gpu = [work for work in works if work.gpu_hours is not None]
    return Reckoning(
        engines=works,
        wall_hours=max(((one.gpu_hours or 0) / one.num_gpus for one in on_gpu), default=None),
        wall_hours_fitting=max(((one.gpu_hours or 0) / one.num_gpus_fitting for one in on_gpu), default=None),
        disk_bytes=round(_audio_bytes(job, pending_s) + sum(one.num_answers for one in works) * _BYTES_PER_ANSWER),
    )


def _audio_bytes(job: Job, pending_s: float) -> float:
    return pending_s * _AUDIO_BYTES_PER_S if job.audio == "embed" else 0.0


def _num_answers(job: Job, engine: str) -> int:
    """About one Segment; every caption is taken to have as many open claims as may be probed, every agent all steps."""
    agents = _num_kept(job) * sum(one.max_steps for one in agents_of(job, engine))
    return sum(one.num_candidates for one in captions_of(job, engine).values()) + probes_of(job, engine) + agents


def _tokens(job: Job, engine: str) -> float:
    """Output tokens for one Segment; a probe has one, an agent is taken to spend all that it may."""
    captions = sum(tokens_of(granularity, one) for granularity, one in captions_of(job, engine).items())
    agents = _num_kept(job) * sum(one.max_tokens for one in agents_of(job, engine))
    return captions + probes_of(job, engine) + agents


def _num_kept(job: Job) -> int:
    return sum(one.keep for one in job.captions.values())


def tokens_of(granularity: Granularity, caption: CaptionConfig) -> float:
    """Output tokens for one Segment at one granularity."""
    return caption.num_candidates * min(TOKENS_PER_ANSWER[granularity], caption.sampling.max_tokens)


def _gpu_hours(job: Job, engine: str, num_segments: float, tokens_per_s: float | None) -> float | None:
    config = job.engines[engine]
    if not _num_gpus(config):
        return None
    return num_segments * _tokens(job, engine) / (tokens_per_s or _assumed_tokens_per_s(config)) / 3600


def _assumed_tokens_per_s(engine: EngineConfig) -> float:
    return min(_TOKENS_PER_S, engine.max_num_seqs / _STEP_S) if isinstance(engine, VllmEngineConfig) else 0.0


def _num_gpus(engine: EngineConfig) -> int:
    if not isinstance(engine, VllmEngineConfig) or engine.device != "gpu":
        return 0
    return num_replicas(engine).max * engine.gpus_per_replica


def _split(job: Job, hours: dict[str, float]) -> dict[str, int]:
    """One replica each, then always one more for the engine that would be done last, while GPUs are left."""
    each = {name: _num_gpus(job.engines[name]) // num_replicas(job.engines[name]).max for name in hours}
    split, left = dict(each), sum(_num_gpus(job.engines[name]) for name in hours) - sum(each.values())
    while waiting := [name for name in split if each[name] <= left]:
        last = max(waiting, key=lambda name: hours[name] / split[name])
        split[last] += each[last]
        left -= each[last]
    return split

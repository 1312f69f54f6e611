"""What the processes of a job need and hold: cores and GPUs, Segments in hand, time to answer, shared memory.

Enters: a Job and the resources of the nodes, as Ray names them. Leaves: numbers for `ray_runtime`, or a
`ResourceError` that says what to lower. Whether a cluster will grow is not known here.
"""

import math

from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.annotate_job import (
    CaptionConfig,
    EndpointEngineConfig,
    EngineConfig,
    Job,
    VllmEngineConfig,
)
from fcaps_pipeline.jobs.capacity import ReplicaRange
from fcaps_pipeline.jobs.verification import AgentVerifierConfig, ProbeVerifierConfig
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.captions import Granularity

_KEYS = {
    "GPU": "engines.*.num_replicas or gpus_per_replica",
    "CPU": "resources.num_segmenters, cpus_per_segmenter or engines.*.cpus_per_replica",
}
"""What to lower where one of the two is short; GPUs, which are dearer, are named first."""

_SPARE_ROOM = 1.5
"""Segments a replica holds, for each that its engine works on: the next one is there when one is done."""
_CASCADE_ROOM = 16
_SHORTEST_DEADLINE_S = 60.0
_BYTES_PER_SAMPLE = 2
_BLOCKS_SHARE = 1.5
"""A block stays in shared memory until its last Segment is answered."""
_SMALLEST_STORE_BYTES = 128 * 2**20
_LARGEST_STORE_SHARE = 0.3


def num_replicas(engine: EngineConfig) -> ReplicaRange:
    """Processes that one engine has."""
    return engine.num_replicas if isinstance(engine, VllmEngineConfig) else ReplicaRange()


def captions_of(job: Job, engine_name: str) -> dict[Granularity, CaptionConfig]:
    """What one engine of a job is asked."""
    return {granularity: one for granularity, one in job.captions.items() if one.engine == engine_name}


def probes_of(job: Job, engine_name: str) -> int:
    """Questions about the claims of one Segment that one engine of a job is asked, at most, on clips."""
    num_captions = sum(one.keep for one in job.captions.values())
    return sum(
        one.max_probes * num_captions
        for one in job.engine_verifiers().values()
        if one.engine == engine_name and isinstance(one, ProbeVerifierConfig)
    )


def agents_of(job: Job, engine_name: str) -> tuple[AgentVerifierConfig, ...]:
    """The agents that one engine of a job is, each of which looks at every caption that would be kept."""
    verifiers = job.engine_verifiers().values()
    return tuple(one for one in verifiers if one.engine == engine_name and isinstance(one, AgentVerifierConfig))


def room_of(job: Job, engine_name: str) -> int:
    """Segments that one replica has in hand."""
    return max(2, math.ceil(_SPARE_ROOM * _at_work(job, engine_name)))


def _at_work(job: Job, engine_name: str) -> float:
    """Segments that keep one replica busy: writing captions where it does, else checking those of others."""
    engine, captions = job.engines[engine_name], captions_of(job, engine_name).values()
    match engine:
        case VllmEngineConfig():
            num_answers = sum(one.num_candidates for one in captions) or probes_of(job, engine_name)
            return engine.max_num_seqs / max(1, num_answers)
        case EndpointEngineConfig():
            return engine.max_concurrency / max(1, len(captions) or probes_of(job, engine_name))
        case _:
            return _CASCADE_ROOM


def idle_share(job: Job) -> str | None:
    """What the segmenters of a job cannot keep busy, however fast they are; None where they can."""
    resources = job.resources
    in_flight = resources.num_segmenters * resources.segments_in_flight
    wanted = {name: math.ceil(num_replicas(job.engines[name]).max * _at_work(job, name)) for name in job.engines}
    engine = max(wanted, key=lambda name: wanted[name])
    if wanted[engine] <= in_flight:
        return None
    return (
        f"the replicas of engine {engine} work on {wanted[engine]} segments at once, and resources.num_segmenters x "
        f"segments_in_flight lets {in_flight} wait for captions: {1 - in_flight / wanted[engine]:.0%} of the engine "
        "would be idle; raise one of the two"
    )


def deadlines_s(job: Job, engine_name: str) -> tuple[float, float]:
    """How soon and how late an unanswered Segment is taken back from a replica; see `SegmentQueue`."""
    engine = job.engines[engine_name]
    if isinstance(engine, EndpointEngineConfig):
        # A server that is ill is waited for inside the request; only what exceeds that hangs.
        patience_s = job.verification.max_attempts * (engine.patience_s + engine.timeout_s)
        return patience_s, max(patience_s, job.resources.hang_timeout_s)
    return _SHORTEST_DEADLINE_S, job.resources.hang_timeout_s


def object_store_bytes(job: Job, memory_bytes: int) -> int:
    """Shared memory for the audio that the job has in flight, as far as the machine has room for it."""
    segment_bytes = job.segmentation.max_segment_s * SAMPLE_RATE_HZ * _BYTES_PER_SAMPLE
    in_flight = job.resources.num_segmenters * job.resources.segments_in_flight
    wanted = _SMALLEST_STORE_BYTES + _BLOCKS_SHARE * in_flight * segment_bytes
    return max(_SMALLEST_STORE_BYTES, int(min(wanted, _LARGEST_STORE_SHARE * memory_bytes)))


def bundle_of(engine: EngineConfig) -> dict[str, float]:
    """Cores and GPUs that one replica needs on its node; nothing for an engine without a model of its own."""
    if not isinstance(engine, VllmEngineConfig):
        return {}
    gpus = {"GPU": float(engine.gpus_per_replica)} if engine.device == "gpu" else {}
    return {"CPU": float(engine.cpus_per_replica), **gpus}


def bundles(job: Job) -> list[dict[str, float]]:
    """What every process that a job must have needs on its node, those left out that need nothing."""
    segmenters = [{"CPU": job.resources.cpus_per_segmenter}] * job.resources.num_segmenters
    replicas = [bundle_of(engine) for engine in job.engines.values() for _ in range(num_replicas(engine).min)]
    return [bundle for bundle in [*segmenters, *replicas] if bundle]


def check_room(job: Job, nodes: list[dict[str, float]]) -> None:
    """Each replica must fit on one node, and all processes on the nodes together.

    Raises:
        ResourceError: they do not.
    """
    if not any(node.get("GPU", 0) for node in nodes) and any("GPU" in bundle for bundle in bundles(job)):
        raise _no_gpu(job)
    for name, engine in job.engines.items():
        for kind, wanted in bundle_of(engine).items():
            largest = max((node.get(kind, 0) for node in nodes), default=0)
            if wanted > largest > 0:
                raise ResourceError(
                    f"one replica of engine {name} wants {wanted:g} {kind}s on one node, the largest has {largest:g}; "
                    f"lower engines.{name}.{kind.lower()}s_per_replica"
                )
    for kind, keys in _KEYS.items():
        wanted = sum(bundle.get(kind, 0) for bundle in bundles(job))
        has = sum(node.get(kind, 0) for node in nodes)
        if wanted > has:
            raise ResourceError(f"the job wants {wanted:g} {kind}s, the {_place(job)} has {has:g}; lower {keys}")


def _no_gpu(job: Job) -> ResourceError:
    names = [name for name, engine in job.engines.items() if "GPU" in bundle_of(engine)]
    elsewhere = "" if job.resources.ray_address else " or on a cluster (resources.ray_address)"
    return ResourceError(
        f"engines.{names[0]} has device: gpu, and the {_place(job)} has no GPU; run the job where GPUs are{elsewhere}, "
        "or with an engine that needs none (kind: endpoint, or device: cpu)"
    )


def what_is_missing(job: Job, nodes: list[dict[str, float]]) -> str:
    """Why processes of a job have no place yet, for somebody who waits for a cluster to grow."""
    try:
        check_room(job, nodes)
    except ResourceError as error:
        return f"{error}, or add nodes"
    return (
        "the nodes have what the job wants, so it is only slow to start, or has no room on one node beside what else "
        f"runs there; wait, or lower {' or '.join(_KEYS.values())}"
    )


def _place(job: Job) -> str:
    return "cluster" if job.resources.ray_address else "machine"

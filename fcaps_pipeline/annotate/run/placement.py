"""Whether a job has room on the nodes of a cluster: what its processes need, against what the nodes have.

Enters: a Job and the resources of the nodes, as Ray names them. Leaves: nothing, or a `ResourceError` that
says what to lower. What only Ray can tell, whether all processes fit at once, is asked in `ray_runtime`.
"""

from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.annotate_job import EngineConfig, Job, VllmEngineConfig

_KEYS = {
    "GPU": "engines.*.num_replicas or gpus_per_replica",
    "CPU": "resources.num_segmenters, cpus_per_segmenter or engines.*.cpus_per_replica",
}
"""What to lower where one of the two is short; GPUs, which are dearer, are named first."""


def num_replicas(engine: EngineConfig) -> int:
    """Processes that one engine has."""
    return engine.num_replicas if isinstance(engine, VllmEngineConfig) else 1


def bundle_of(engine: EngineConfig) -> dict[str, float]:
    """Cores and GPUs that one replica needs on its node; nothing for an engine without a model of its own."""
    if not isinstance(engine, VllmEngineConfig):
        return {}
    gpus = {"GPU": float(engine.gpus_per_replica)} if engine.device == "gpu" else {}
    return {"CPU": float(engine.cpus_per_replica), **gpus}


def bundles(job: Job) -> list[dict[str, float]]:
    """What every process of a job needs on its node, those left out that need nothing."""
    segmenters = [{"CPU": job.resources.cpus_per_segmenter}] * job.resources.num_segmenters
    replicas = [bundle_of(engine) for engine in job.engines.values() for _ in range(num_replicas(engine))]
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


def no_room(job: Job) -> ResourceError:
    """The error where the sums are right and the processes still find no place."""
    return ResourceError(
        f"the {_place(job)} has what the job wants, but no room for its {len(bundles(job))} processes together: each "
        f"must fit on one node beside what already runs there; lower {' or '.join(_KEYS.values())}, or wait for other "
        "work to end"
    )


def _place(job: Job) -> str:
    return "cluster" if job.resources.ray_address else "machine"

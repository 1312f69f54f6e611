"""Starts Ray on this machine or joins a cluster, and tells what happened to an actor.

What a run needs travels with it: the package itself to a cluster, variables of the environment as arguments.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.exceptions import ActorUnavailableError, ObjectLostError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import fcaps_pipeline
from fcaps_pipeline.annotate.run.placement import check_room, object_store_bytes
from fcaps_pipeline.annotate.run.surroundings import give_ray_a_token, raise_file_limit, ray_folder
from fcaps_pipeline.errors import EngineDeadError, ResourceError
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, Job
from fcaps_pipeline.jobs.resources import WORKING_FOLDER, working_folder

# vLLM's engine process must not outlive a killed actor and hold the GPU (vllm issue 55510).
RAY_SETTINGS = {
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    "RAY_process_group_cleanup_enabled": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A lost connection may be a dead process or a lost node; which of them Ray knows only after its health checks.
    "RAY_timeout_ms_task_wait_for_death_info": "60000",
    # What a call that nobody waits for any more ends with, such as that of a segmenter told to stop, is no error.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}
_SENT_PREFIXES = ("VLLM_", "HF_", "AWS_", "GOOGLE_")


def connect(job: Job) -> None:
    """Starts or joins Ray.

    Raises:
        ResourceError: no cluster answers at the address, the job wants more than this machine has, or Ray has no
            place for its sockets or too few open files here.
    """
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    resources = job.resources
    options: dict[str, Any] = {"log_to_driver": resources.log_to_driver, "logging_level": "ERROR"}
    if resources.ray_address:
        options["runtime_env"] = {"py_modules": [str(Path(fcaps_pipeline.__file__).parent)]}
    else:
        memory_bytes = min(psutil.virtual_memory().total, _shared_memory_bytes())
        options |= {"include_dashboard": False, "_metrics_export_port": resources.metrics_port}
        options |= {"object_store_memory": object_store_bytes(job, memory_bytes), "_temp_dir": str(ray_folder())}
        raise_file_limit()
        give_ray_a_token()
    try:
        ray.init(address=resources.ray_address or "local", **options)
    except (ConnectionError, ValueError) as error:
        raise ResourceError(
            f"no Ray cluster answers at {resources.ray_address} ({' '.join(str(error).split())[:200]}); start one, or "
            "leave resources.ray_address out"
        ) from error
    # With the settings above Ray ignores this signal, and then every child of the driver seems to end with 0.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not resources.ray_address:
        check_room(job, node_resources())


def node_resources() -> list[dict[str, float]]:
    """What each node that is alive has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def is_alive(node_id: str) -> bool:
    """Whether Ray still counts a node in."""
    return any(node["NodeID"] == node_id and node["Alive"] for node in ray.nodes())


def check_node() -> None:
    """Looks whether Ray still works where the driver is: without it nothing comes back.

    Raises:
        EngineDeadError: it does not.
    """
    if not is_alive(ray.get_runtime_context().get_node_id()):
        raise EngineDeadError(
            "Ray has died on the machine of this command, perhaps for lack of memory (its logs are below /tmp/ray); "
            "run the same command again to go on where this run stopped"
        )


def beside_driver() -> dict[str, Any]:
    """Options of a small actor that should live as long as the driver does, and that Ray restarts."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return {"num_cpus": 0, "max_restarts": -1, "scheduling_strategy": here}


def environment(job: Job) -> dict[str, str]:
    """Variables that decide what an engine does or open a store, and where relative paths of the job start."""
    keys = {one.api_key_env for one in job.engines.values() if isinstance(one, EndpointEngineConfig)}
    sent = {name: value for name, value in os.environ.items() if name.startswith(_SENT_PREFIXES) or name in keys}
    return {**sent, WORKING_FOLDER: str(working_folder())}


def death_of(error: BaseException, node_id: str | None, kind: str) -> str | None:
    """What a lost actor died of; None where nothing it did can be at fault.

    Args:
        error: what a call to it ended with.
        node_id: where it ran; None where it never ran.
        kind: what the process was for.
    """
    if node_id is not None and not is_alive(node_id):
        return None
    if isinstance(error, ActorUnavailableError | ObjectLostError) or getattr(error, "preempted", False):
        return None
    return f"its {kind} process died"


def cause_of(error: BaseException) -> Exception:
    """What happened inside an actor, out of Ray's wrapping."""
    if isinstance(error, RayTaskError):
        return cause_of(error.cause)
    if isinstance(error, RayActorError):
        return EngineDeadError(" ".join(str(error).split()))
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def end(actor: Any) -> None:
    """Kills an actor's process, if there still is one; nothing restarts it."""
    ray.kill(actor)


def _shared_memory_bytes() -> int:
    with suppress(OSError):
        return psutil.disk_usage("/dev/shm").free  # noqa: S108 - where Ray's object store lies
    return psutil.virtual_memory().total

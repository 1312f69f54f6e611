"""What can be known before an engine starts: models, servers, GPUs and cores that a job needs and lacks.

Enters: a Job. Leaves: nothing, or the first error; or all of them as lines, for `plan`. The checks take seconds
at most, whatever the network does: a server that is slow is left to the engine, which has more patience.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import TimeoutError as NotInTime
from multiprocessing.pool import ThreadPool
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from fcaps_pipeline.annotate.captioning.duties import EngineDuties
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.hub import check_hub_model, check_pinned
from fcaps_pipeline.annotate.engines.model_folder import check_model_folder, model_folder
from fcaps_pipeline.annotate.run.placement import check_room
from fcaps_pipeline.annotate.segmentation.detectors import check_packages
from fcaps_pipeline.annotate.verification.bounds import load_bounds
from fcaps_pipeline.annotate.verification.probe import check_log_probabilities
from fcaps_pipeline.errors import EngineDeadError, UsageError
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, Job, VllmEngineConfig
from fcaps_pipeline.jobs.prompts import load_prompt, load_prompts
from fcaps_pipeline.jobs.verification import AgentVerifierConfig, ProbeVerifierConfig
from fcaps_pipeline.machine import num_cores, num_gpus

_CONNECT_S = 1.0
_ANSWER_S = 1.0
_DEADLINE_S = 2.5
"""Of all checks together; what is not known by then is left to the engine."""


def check_before_start(job: Job) -> None:
    """Finds before anything starts what would otherwise stop the engines minutes later.

    Raises:
        UsageError: a prompt does not exist, or the key of an endpoint is not set.
        ModelError: a model is missing, incomplete or not served.
        EngineDeadError: a server cannot be reached.
        ResourceError: this machine has not what the job wants.
        DependencyError: a package of a detector is not installed.
    """
    for error in _errors(job):
        raise error


def shortcomings(job: Job) -> list[str]:
    """What would keep this machine from running the job now, one line each."""
    return [str(error) for error in _errors(job)]


def _errors(job: Job) -> Iterator[UsageError | EngineDeadError]:
    checks = [partial(_check_questions, job), *(partial(_check_engine, name, job) for name in job.engines)]
    if job.resources.ray_address is None:
        checks[:0] = [partial(_check_machine, job), partial(check_packages, job.segmentation)]
    pool = ThreadPool(len(checks))
    running = [pool.apply_async(check) for check in checks]
    pool.close()
    deadline_s = time.monotonic() + _DEADLINE_S
    for check in running:
        with suppress(NotInTime):
            try:
                check.get(max(0.0, deadline_s - time.monotonic()))
            except (UsageError, EngineDeadError) as error:
                yield error


def _check_machine(job: Job) -> None:
    check_room(job, [{"CPU": float(num_cores()), "GPU": float(num_gpus())}])


def _check_questions(job: Job) -> None:
    prompts, bounds = load_prompts(job.prompt_references()), load_bounds(job.verification.bounds)
    for name, engine in job.engines.items():
        EngineDuties(name, build_engine(engine), job, prompts, bounds)


def _check_engine(name: str, job: Job) -> None:
    try:
        _check_model(name, job)
    except (UsageError, EngineDeadError) as error:
        raise type(error)(f"engines.{name}: {error}") from error


def _check_model(name: str, job: Job) -> None:
    engine, probe = job.engines[name], _probe_by(name, job)
    if isinstance(engine, EndpointEngineConfig):
        _check_reachable(engine)
        asyncio.run(_check_served(engine, probe))
    elif isinstance(engine, VllmEngineConfig):
        folder = model_folder(engine.model)
        if folder is not None:
            check_model_folder(folder, must_hear=probe is not None or _is_given_sound(name, job))
            return
        check_pinned(engine.model, engine.revision)
        if job.resources.ray_address is None:
            check_hub_model(engine.model, engine.revision)


def _is_given_sound(name: str, job: Job) -> bool:
    verifiers = job.engine_verifiers().values()
    hearing = {one.engine for one in verifiers if isinstance(one, AgentVerifierConfig) and one.hears}
    return name in hearing | {one.engine for one in job.captions.values()}


def _probe_by(name: str, job: Job) -> ProbeVerifierConfig | None:
    """What an engine is asked as a probe; None where it is none."""
    verifiers = job.engine_verifiers().values()
    return next((one for one in verifiers if one.engine == name and isinstance(one, ProbeVerifierConfig)), None)


def _check_reachable(engine: EndpointEngineConfig) -> None:
    address = urlsplit(engine.base_url)
    host = address.hostname or ""
    if address.scheme in getproxies() and not proxy_bypass(host):
        return  # the proxy alone can tell
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError as error:
        raise EngineDeadError(
            f"endpoint {engine.base_url} cannot be reached: {error.strerror or error}; "
            "start the server or correct base_url"
        ) from error


async def _check_served(config: EndpointEngineConfig, probe: ProbeVerifierConfig | None) -> None:
    engine = build_engine(config)
    try:
        async with asyncio.timeout(_ANSWER_S):
            await engine.start()
            if probe is not None:
                await check_log_probabilities(engine, load_prompt(probe.prompt), f"endpoint {config.base_url}")
    except TimeoutError:
        return
    finally:
        await engine.stop()

"""The files for KubeRay and Docker: fields that exist, jobs that are valid, and numbers that fit one another."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcaps_pipeline.annotate.run.placement import check_room, idle_share, num_replicas
from fcaps_pipeline.annotate.run.ray_runtime.cluster import RAY_SETTINGS
from fcaps_pipeline.jobs.annotate_job import Job, load_job, parse_job
from fcaps_pipeline.jobs.resources import shipped_folder

CLUSTER = shipped_folder("jobs") / "cluster"
FIELDS = yaml.safe_load((Path(__file__).parent / "rayjob_fields.yaml").read_text())
_TEMPLATE = re.compile(r"^spec\.rayClusterSpec\.(headGroupSpec|workerGroupSpecs\[\])\.template")
_SERVICE_FIELDS = {"build", "command", "deploy", "environment", "image", "init", "shm_size", "stop_grace_period"} | {
    "ulimits",
    "user",
    "volumes",
}
"""Those of the Compose Specification that one container with GPUs needs."""


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    text = (CLUSTER / "annotate_kuberay.yaml").read_text()
    return {one["metadata"]["name"] + "/" + one["kind"]: one for one in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def ray_job(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return documents["fcaps/RayJob"]


@pytest.fixture(scope="module")
def files(documents: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What the pods find below /etc/fcaps."""
    return dict(documents["fcaps-job/ConfigMap"]["data"])


@pytest.fixture(scope="module")
def job(files: dict[str, str]) -> Job:
    return parse_job(yaml.safe_load(files["annotate.yaml"]), "the RayJob")


def _unknown(node: Any, path: str = "") -> Iterator[str]:
    """Fields that the definition does not have; one that it has may hold any value."""
    if isinstance(node, list):
        for one in node:
            yield from _unknown(one, f"{path}[]")
    if not isinstance(node, dict):
        return
    known = FIELDS.get(_TEMPLATE.sub("template", path) or "top", [])
    for name, value in node.items():
        here = f"{path}.{name}".lstrip(".")
        if known != "any" and name not in known:
            yield here
        yield from _unknown(value, here)


def test_the_ray_job_has_fields_that_kuberay_knows(ray_job: dict[str, Any]) -> None:
    assert list(_unknown(ray_job)) == []
    wrong = {**ray_job, "spec": {**ray_job["spec"], "preRunningDeadline": 1}}
    assert list(_unknown(wrong)) == ["spec.preRunningDeadline"]


def test_clusters_are_removed_by_rules_that_go_together(ray_job: dict[str, Any]) -> None:
    spec = ray_job["spec"]
    rules = spec["deletionStrategy"]["deletionRules"]
    assert not {"shutdownAfterJobFinishes", "ttlSecondsAfterFinished"} & set(spec), "rules take their place"
    assert {rule["policy"] for rule in rules} == {"DeleteCluster", "DeleteSelf"}, "workers belong to the autoscaler"
    removed = {next(iter(rule["condition"].items())) for rule in rules if rule["policy"] == "DeleteCluster"}
    assert removed == {("jobStatus", "SUCCEEDED"), ("jobStatus", "FAILED"), ("jobDeploymentStatus", "Failed")}
    after_s = {rule["policy"]: rule["condition"]["ttlSeconds"] for rule in reversed(rules)}
    assert after_s["DeleteCluster"] <= after_s["DeleteSelf"]
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["backoffLimit"] > 0


def test_the_worker_group_grows_as_far_as_the_replicas(ray_job: dict[str, Any], job: Job) -> None:
    (group,) = ray_job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    ranges = [num_replicas(engine) for engine in job.engines.values()]
    assert group["replicas"] == group["minReplicas"] == sum(one.min for one in ranges)
    assert group["maxReplicas"] == sum(one.max for one in ranges)
    (container,) = group["template"]["spec"]["containers"]
    has = container["resources"]["limits"]
    node = {"CPU": float(has["cpu"]), "GPU": float(has["nvidia.com/gpu"])}
    check_room(job, [node] * group["minReplicas"])
    assert idle_share(job) is None
    assert job.resources.ray_address == "auto"


def test_pods_have_shared_memory_the_settings_of_the_driver_and_time_to_end(
    documents: dict[str, dict[str, Any]], ray_job: dict[str, Any], job: Job
) -> None:
    environment = documents["fcaps-environment/ConfigMap"]["data"]
    assert environment.items() >= RAY_SETTINGS.items()
    assert int(environment["RAY_JOB_STOP_WAIT_TIME_S"]) > job.resources.grace_s
    cluster = ray_job["spec"]["rayClusterSpec"]
    head = cluster["headGroupSpec"]
    for group in [head, *cluster["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "fcaps-environment"}}]
        assert pod["securityContext"]["runAsNonRoot"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
        assert set(mounts.values()) == set(volumes)
    assert head["template"]["spec"]["terminationGracePeriodSeconds"] > int(environment["RAY_JOB_STOP_WAIT_TIME_S"])
    assert cluster["rayVersion"] in (CLUSTER.parents[1] / "fcaps_pipeline/environment/constraints.txt").read_text()


_FCAPS = """#!/bin/bash
trap 'echo stopped >>"$FOLDER/signals"; [ -z "$SLEEPER" ] || kill "$SLEEPER"; sleep 0.3; exit 130' TERM
[ -z "$CODE" ] || exit "$CODE"
sleep 30 & SLEEPER=$!
touch "$FOLDER/works"
wait; wait
"""


def _script(files: dict[str, str], name: str, folder: Path, code: str = "") -> "subprocess.Popen[bytes]":
    """Runs one of the scripts, with a run that only waits."""
    (folder / "fcaps").write_text(_FCAPS)
    (folder / "fcaps").chmod(0o755)
    text = files[name].replace("/tmp/fcaps.pids", f"{folder}/pids")
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": str(folder), "CODE": code}
    return subprocess.Popen(["bash", "-c", text], env={**os.environ, **environment}, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(("code", "expected"), [("0", 0), ("3", 0), ("1", 1), ("130", 130)])
def test_a_run_that_is_finished_is_not_retried(files: dict[str, str], tmp_path: Path, code: str, expected: int) -> None:
    assert _script(files, "annotate.sh", tmp_path, code).wait(20) == expected


@pytest.mark.parametrize("stopped_by", ["kubernetes", "ray job stop"])
def test_a_head_that_goes_lets_the_run_end_and_signals_it_once(
    files: dict[str, str], tmp_path: Path, stopped_by: str
) -> None:
    script = _script(files, "annotate.sh", tmp_path)
    until_s = time.monotonic() + 20
    pids = tmp_path / "pids"
    while not ((tmp_path / "works").exists() and pids.exists() and pids.read_text().endswith("\n")):
        assert time.monotonic() < until_s
        time.sleep(0.02)
    run = int(pids.read_text().split()[1])
    if stopped_by == "ray job stop":
        os.kill(run, signal.SIGTERM)
        script.terminate()
        script.wait(20)
    _script(files, "stop.sh", tmp_path).wait(20)
    assert script.wait(20) == (130 if stopped_by == "kubernetes" else -signal.SIGTERM)
    assert (tmp_path / "signals").read_text().split() == ["stopped"]


def test_a_head_without_a_run_goes_at_once(files: dict[str, str], tmp_path: Path) -> None:
    assert _script(files, "stop.sh", tmp_path).wait(20) == 0


def test_the_container_on_one_node_gets_eight_gpus_and_a_job_that_fits_them() -> None:
    composed = yaml.safe_load((CLUSTER / "annotate_compose_8xh100.yaml").read_text())
    assert set(composed) == {"services"}
    service = composed["services"]["annotate"]
    assert set(service) == _SERVICE_FIELDS
    assert (CLUSTER / service["build"]["context"] / "Dockerfile").is_file()
    (gpus,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert gpus == {"driver": "nvidia", "count": 8, "capabilities": ["gpu"]}
    verb, path, out, *settings = service["command"]
    assert verb == "annotate"
    job = load_job(shipped_folder("jobs") / Path(path).name, [one.removeprefix("--set=") for one in settings])
    targets = {volume.split(":")[-1 if not volume.endswith(":ro") else -2] for volume in service["volumes"]}
    assert {str(Path(job.source.path)), str(Path(out.removeprefix("--out=")).parent), "/data/huggingface"} == targets
    assert sum(num_replicas(engine).max for engine in job.engines.values()) == gpus["count"]
    check_room(job, [{"CPU": 64.0, "GPU": 8.0}])
    assert idle_share(job) is None
    assert int(service["stop_grace_period"].removesuffix("s")) > job.resources.grace_s + 30
    assert service["init"]
    assert not service["user"].endswith("0:0}")

"""The Slurm script around stand-ins of Slurm, Ray and the run: who is waited for, stopped, and queued again.

The same with real Ray and a real run is `tests/integration/test_slurm_job.py`.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.run.ray_runtime.cluster import RAY_SETTINGS
from tests.slurm import NODES, SCRIPT, Slurm

REQUEUED = ["scontrol requeue 4711"]

_RAY = """#!/bin/bash
[ "$SLURMD_NODENAME" != "$BROKEN" ] || { echo "no such device" >&2; exit 1; }
env >"$CLUSTER/environment"
trap 'echo "$SLURMD_NODENAME" >>"$CLUSTER/stopped"; kill $!; exit' TERM
sleep 60 &
[ "$SLURMD_NODENAME" = "$SLOW" ] || echo "$*" >"$CLUSTER/joined-$SLURMD_NODENAME"
wait
"""
_RAY_MODULE = """
import os, types
util = types.SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1")
def init(**_): pass
def nodes():
    names = [name.removeprefix("joined-") for name in os.listdir(os.environ["CLUSTER"]) if name.startswith("joined-")]
    return [{"NodeName": name, "Alive": True} for name in names]
"""
_FCAPS = """#!/bin/bash
trap 'kill $!; exit 130' TERM
sleep 60 &
echo "$*" >"$CLUSTER/command"
[ -z "$CODE" ] || { kill $!; exit "$CODE"; }
wait
"""
_PYTHON = f'#!/bin/bash\nexec {sys.executable} "$@"\n'


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    module, cluster = tmp_path / "module", tmp_path / "cluster"
    module.mkdir()
    cluster.mkdir()
    (module / "ray.py").write_text(_RAY_MODULE)
    monkeypatch.setenv("PYTHONPATH", str(module))
    monkeypatch.setenv("CLUSTER", str(cluster))
    for name in ("BROKEN", "SLOW", "CODE"):
        monkeypatch.setenv(name, "")
    return Slurm(tmp_path, {"python": _PYTHON, "ray": _RAY, "fcaps": _FCAPS}, job_id=4711)


def _in_cluster(slurm: Slurm, name: str) -> Path:
    return slurm.folder / "cluster" / name


def _once(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def _end(job: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = job.communicate(timeout=30)
    return job.returncode, said


def test_the_script_is_one_that_bash_reads_and_the_run_has_less_time_than_slurm_gives() -> None:
    text = SCRIPT.read_text()
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
    lead_s = int(re.findall(r"^#SBATCH --signal=B:USR1@(\d+)$", text, re.M)[0])
    grace_s = int(re.findall(r"^readonly GRACE_S=(\d+)$", text, re.M)[0])
    assert grace_s + 60 <= lead_s
    assert {"--requeue", "--exclusive"} <= set(re.findall(r"^#SBATCH (\S+)$", text, re.M))


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 0), (1, 1), (130, 130)])
def test_a_run_that_ends_by_itself_is_never_queued_again(slurm: Slurm, code: int, expected: int) -> None:
    ended, said = _end(slurm.start("job.yaml", "--out", "run", CODE=str(code)))
    assert ended == expected, said
    assert slurm.calls("scontrol requeue") == []
    assert ("finished, but not whole" in said) == (code == 3)
    command = _in_cluster(slurm, "command").read_text()
    assert "--set resources.ray_address=10.0.0.1:27110 " in command
    assert command.endswith("job.yaml --out run\n")
    assert sorted(_in_cluster(slurm, "stopped").read_text().split()) == list(NODES)


def test_every_node_has_the_settings_of_the_driver_and_its_own_ports(slurm: Slurm) -> None:
    _end(slurm.start("job.yaml", CODE="0"))
    environment = dict(line.split("=", 1) for line in _in_cluster(slurm, "environment").read_text().splitlines())
    assert environment.items() >= RAY_SETTINGS.items()
    assert environment["RAY_AUTH_MODE"] == "token"
    assert re.fullmatch(r"[0-9a-f]{64}", environment["RAY_AUTH_TOKEN"])
    head, worker = (_in_cluster(slurm, f"joined-{node}").read_text() for node in NODES)
    assert "--head --port=27110" in head
    assert "--temp-dir=/tmp/fcaps-4711" in head
    assert "--address=10.0.0.1:27110" in worker
    assert "--num-cpus=1" in worker
    assert environment["RAY_AUTH_TOKEN"] not in head + worker + "".join(slurm.calls("srun"))
    assert not [call for call in slurm.calls("srun") if "--overlap" not in call or "cpus-per-task" in call]


@pytest.mark.parametrize(
    ("number", "requests", "word"), [(signal.SIGUSR1, REQUEUED, "goes on when"), (signal.SIGTERM, [], "goes on")]
)
def test_a_signal_reaches_the_run_and_only_that_of_the_time_limit_queues_the_job_again(
    slurm: Slurm, number: signal.Signals, requests: list[str], word: str
) -> None:
    job = slurm.start("job.yaml")
    _once(_in_cluster(slurm, "command").exists)
    job.send_signal(number)
    ended, said = _end(job)
    assert ended == 130, said
    assert word in said
    assert slurm.calls("scontrol requeue") == requests


def test_a_node_that_does_not_come_is_named_after_the_bound(slurm: Slurm) -> None:
    ended, said = _end(slurm.start("job.yaml", SLOW="node2", FCAPS_NODES_WAIT_S="1"))
    assert ended == 1
    assert "1 of 2 nodes not in Ray after 1 s: node2" in said
    assert not _in_cluster(slurm, "command").exists()


@pytest.mark.parametrize("broken", NODES)
def test_a_node_whose_ray_ends_at_once_is_not_waited_for(slurm: Slurm, broken: str) -> None:
    ended, said = _end(slurm.start("job.yaml", BROKEN=broken))
    assert ended == 1
    assert "no such device" in said
    assert "Ray ended on a node before all were there" in said
    assert not _in_cluster(slurm, "command").exists()


def test_a_time_limit_while_nodes_are_awaited_queues_the_job_again(slurm: Slurm) -> None:
    job = slurm.start("job.yaml", SLOW="node2")
    _once(_in_cluster(slurm, "joined-node1").exists)
    job.send_signal(signal.SIGUSR1)
    ended, said = _end(job)
    assert ended == 130, said
    assert slurm.calls("scontrol requeue") == REQUEUED
    assert not _in_cluster(slurm, "command").exists()


def test_what_is_missing_is_said_before_anything_starts(slurm: Slurm) -> None:
    assert "start this script with sbatch" in _end(slurm.start("job.yaml", SLURM_JOB_ID=""))[1]
    without = Slurm(slurm.folder / "other", {"python": _PYTHON, "ray": _RAY}, slurm.job_id)
    ended, said = _end(without.start("job.yaml", PATH=f"{without.folder}/bin:/usr/bin:/bin"))
    assert ended == 1
    assert "fcaps is not on PATH; activate the environment of fcaps" in said
    assert without.calls("srun") == []

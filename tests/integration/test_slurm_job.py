"""The Slurm script for real: two Ray nodes on this machine, a run across both, the time limit, and the job again."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from fcaps_pipeline.jobs.resources import shipped_folder
from tests.integration.conftest import FCAPS
from tests.readmes import ROOT
from tests.slurm import NODES, Slurm

_PROGRAMS = {
    "python": f'#!/bin/bash\nexec {sys.executable} "$@"\n',
    "ray": f'#!/bin/bash\nexec {sys.executable} -m ray.scripts.scripts "$@"\n',
    "fcaps": f'#!/bin/bash\nexec {shlex.join(FCAPS)} "$@"\n',
}


def _num_commits(run: Path) -> int:
    return len(list((run / "commits").glob("*.json")))


def _started(slurm: Slurm, corpus: Path, run: Path) -> "subprocess.Popen[str]":
    """A segmenter wants a whole core, and a node has one: both nodes have to work."""
    settings = (f"source.path={corpus}", "shards.unit_recordings=1", "resources.cpus_per_segmenter=1")
    return slurm.start(
        shipped_folder("jobs") / "annotate_cascade_baseline_cpu.yaml",
        f"--out={run}",
        *(f"--set={one}" for one in settings),
        PYTHONPATH=str(ROOT),
        FCAPS_NODES_WAIT_S="120",
    )


def test_a_job_whose_time_is_up_is_queued_again_and_goes_on(demo_files: list[Path], tmp_path: Path) -> None:
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    corpus.mkdir()
    for copy in range(3):
        for path in demo_files:
            shutil.copy(path, corpus / f"{copy}-{path.name}")
    slurm = Slurm(tmp_path / "slurm", _PROGRAMS, job_id=os.getpid())
    first = _started(slurm, corpus, run)
    until_s = time.monotonic() + 120
    while _num_commits(run) < 2:
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.05)
    first.send_signal(signal.SIGUSR1)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert slurm.calls("scontrol requeue") == [f"scontrol requeue {os.getpid()}"]
    num_committed = _num_commits(run)
    assert 2 <= num_committed < len(list(corpus.iterdir()))
    assert not (run / "index.json").exists()

    again = _started(slurm, corpus, run)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert f"{num_committed} of {len(list(corpus.iterdir()))} units done" in said
    assert len(slurm.calls("scontrol requeue")) == 1
    assert f"on 2 nodes: {' '.join(NODES)}" in said
    assert json.loads((run / "report.json").read_text())["state"] == "whole"

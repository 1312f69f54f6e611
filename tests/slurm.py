"""Slurm as a batch script meets it, played on this machine.

Nodes are processes, and what the controller is asked is written down.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.readmes import ROOT

SCRIPT = ROOT / "jobs" / "cluster" / "annotate_slurm.sh"
NODES = ("node1", "node2")

_SRUN = """#!/bin/bash
echo "srun $*" >>"$SLURM_CALLS"
while [ "$1" != bash ]; do case $1 in --nodelist=*) nodes=${1#*=} ;; esac; shift; done
trap 'kill $(jobs -p)' TERM
for node in ${nodes//,/ }; do SLURMD_NODENAME=$node SLURM_CPUS_ON_NODE=1 "$@" & done
wait; wait
"""
_SCONTROL = """#!/bin/bash
echo "scontrol $*" >>"$SLURM_CALLS"
[ "$1 $2" != "show hostnames" ] || tr , '\\n' <<<"$3"
"""


@dataclass(frozen=True)
class Slurm:
    """One job of it; `start` again is what the controller does after a requeue."""

    folder: Path
    programs: Mapping[str, str]
    """Shell scripts that a job finds on its PATH, by name."""
    job_id: int

    def start(self, *arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
        """Runs the batch script on the first node."""
        programs = self.folder / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name, text in {"srun": _SRUN, "scontrol": _SCONTROL, **self.programs}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        given = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SLURM_CALLS": str(self._calls),
            "SLURM_JOB_ID": str(self.job_id),
            "SLURM_JOB_NODELIST": ",".join(NODES),
            "SLURMD_NODENAME": NODES[0],
            **environment,
        }
        return subprocess.Popen(
            ["bash", str(SCRIPT), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **given},
            start_new_session=True,
        )

    @property
    def _calls(self) -> Path:
        return self.folder / "calls"

    def calls(self, program: str) -> list[str]:
        """What a program of Slurm was called with, in order."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line.startswith(program)]

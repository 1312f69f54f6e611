"""Ends vLLM's processes when the process that started them has died without ending them.

A killed actor, or a killed driver with all of Ray, leaves vLLM's engine behind, which goes on to
hold its memory or its GPU (vllm issue 55510). The guard is a process of its own that waits at a
pipe: the system closes it when the owner dies, however it dies.
"""

import subprocess
import sys

_GUARD = """
import os, signal, sys
sys.stdin.read()
for pid in map(int, sys.argv[1:]):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class EngineGuard:
    """Kills vLLM's processes below this one once it is gone."""

    def __init__(self) -> None:
        import psutil

        below = psutil.Process().children(recursive=True)
        guarded = [str(child.pid) for child in below if child.name().startswith("VLLM::")]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _GUARD, *guarded], stdin=subprocess.PIPE, start_new_session=True
        )

    def release(self) -> None:
        """Ends the guard, and whatever it guarded that is still there."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

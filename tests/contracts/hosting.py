"""Puts engines where a test can reach them: vLLM in a process of its own, or behind a real server."""

import asyncio
import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import psutil

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.engines.vllm_engine import CPU_EXECUTOR, VllmEngine
from fcaps_pipeline.jobs.annotate_job import VllmEngineConfig
from fcaps_pipeline.jobs.resources import resolve_path, shipped_folder
from fcaps_pipeline.records.annotations import Completion

SERVE = shipped_folder("jobs") / "cluster" / "serve_vllm.sh"
_READY_WITHIN_S = 240


class HostedVllmEngine:
    """A `VllmEngine` in a child process, as an actor holds one; the test process never imports vLLM."""

    def __init__(self, config: VllmEngineConfig) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_host, args=(config, theirs))
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count()
        self._load: EngineStatistics | None = None

    async def start(self) -> EngineIdentity:
        self._process.start()
        threading.Thread(target=self._receive, daemon=True).start()
        return cast("EngineIdentity", await self._call("start"))

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        return cast("tuple[Completion, ...]", await self._call("complete", request))

    def statistics(self) -> EngineStatistics | None:
        """As of the last answer."""
        return self._load

    async def stop(self) -> None:
        if self._process.is_alive():
            await self._call("stop")
            self._connection.send(None)
            self._process.join()

    def kill(self) -> None:
        """Kills everything below the hosting process, as running out of memory would."""
        for child in psutil.Process(self._process.pid).children(recursive=True):
            child.kill()

    async def _call(self, method: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = Future[Any]()
        self._connection.send((number, method, arguments))
        return await asyncio.wrap_future(answer)

    def _receive(self) -> None:
        while True:
            try:
                number, result, error, self._load = self._connection.recv()
            except EOFError:
                return
            if error is None:
                self._waiting.pop(number).set_result(result)
            else:
                self._waiting.pop(number).set_exception(error)


def _host(config: VllmEngineConfig, connection: Connection) -> None:
    asyncio.run(_serve(VllmEngine(config, counts_load=True), connection))


async def _serve(engine: VllmEngine, connection: Connection) -> None:
    tasks = set()
    while (call := await asyncio.to_thread(connection.recv)) is not None:
        task = asyncio.create_task(_answer(engine, connection, *call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _answer(engine: VllmEngine, connection: Connection, number: int, method: str, arguments: Any) -> None:
    try:
        result = await getattr(engine, method)(*arguments)
        connection.send((number, result, None, engine.statistics()))
    except Exception as error:  # noqa: BLE001 the test process raises it again
        connection.send((number, None, error, None))


class VllmServer:
    """vLLM's own OpenAI-compatible server with the embedded captioner, started as `jobs/cluster` tells users to."""

    key = "sesame"

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *("bash", str(SERVE), str(resolve_path("package:captioner")), "captioner"),
                    *("--host", "127.0.0.1", "--port", str(self._port)),
                    *("--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"),
                    *("--distributed-executor-backend", CPU_EXECUTOR),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **os.environ,
                    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                    "VLLM_API_KEY": self.key,
                    "HF_HUB_OFFLINE": "1",
                    "OMP_NUM_THREADS": "1",
                    "VLLM_CPU_KVCACHE_SPACE": "1",
                    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
                    "VLLM_NO_USAGE_STATS": "1",
                },
            )
        self._wait_until_ready()

    def kill(self) -> None:
        """Ends the server and all its processes."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._is_healthy():
            assert self._process is not None
            assert self._process.poll() is None, f"the server ended:\n{self._log.read_text()[-3000:]}"
            assert time.monotonic() < deadline_s, f"the server is not ready:\n{self._log.read_text()[-3000:]}"
            time.sleep(0.5)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

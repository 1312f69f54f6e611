"""Runs that are killed, interrupted or lose their engine, and what the next run makes of them."""

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.integration.conftest import FCAPS, Fcaps

# Units of a few seconds, so that a run has many commits to be killed between.
SETTINGS = ("--set", "shards.unit_hours=0.001", "--set", "resources.num_segmenters=1")


NUM_COPIES = 8


@pytest.fixture(scope="module")
def corpus(demo_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo speech several times over, so that a run lasts long enough to be killed in its middle."""
    folder = tmp_path_factory.mktemp("corpus")
    for copy in range(NUM_COPIES):
        for path in demo_files:
            shutil.copy(path, folder / f"{copy}-{path.name}")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(fcaps: Fcaps, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    done = fcaps("annotate", corpus, "--out", run, *SETTINGS)
    assert done.returncode == 0, done.stderr
    return run


def _start(what: Path, run: Path, settings: tuple[str, ...] = SETTINGS) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*FCAPS, "annotate", str(what), "--out", str(run), *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, interrupts are ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _wait_for_commits(process: "subprocess.Popen[str]", run: Path, count: int) -> None:
    deadline_s = time.monotonic() + 180
    while len(list(RunLayout(run).commits.glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "no commit within three minutes"
        time.sleep(0.05)


def _texts(run: Path) -> dict[str, Any]:
    columns = ["segment_id", "fine_captions", "global_captions", "audio_sha256"]
    return {str(row.pop("segment_id")): row for row in read_rows(RunLayout(run), "data", columns)}


def _wait_for_descendants(process: "subprocess.Popen[str]", name: str) -> list[psutil.Process]:
    """Processes of this run whose title begins with `name`, as soon as there is one.

    A look at all processes is no snapshot: it can miss one, or meet one that is just ending.
    """
    deadline_s = time.monotonic() + 30
    titles: dict[psutil.Process, str] = {}
    while not any(title.startswith(name) for title in titles.values()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, f"no process {name} among {sorted(titles.values())}"
        titles = {}
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                titles[child] = " ".join(child.cmdline())
    return [child for child, title in titles.items() if title.startswith(name)]


def test_a_killed_run_goes_on_and_equals_an_uninterrupted_one(
    fcaps: Fcaps, corpus: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = _start(corpus, run)
    _wait_for_commits(process, run, 1)
    engines = _wait_for_descendants(process, "VLLM::")
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(engines, timeout=30)
    assert alive == [], "vLLM outlived the run"
    assert not RunLayout(run).index.exists()
    committed = {path: path.stat().st_mtime_ns for path in RunLayout(run).commits.iterdir()}
    resumed = fcaps("annotate", corpus, "--out", run, *SETTINGS)
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    assert _texts(run) == _texts(uninterrupted)
    assert not RunLayout(run).temporary.exists() or not list(RunLayout(run).temporary.iterdir())


def test_an_interrupted_run_says_that_it_can_go_on(corpus: Path, tmp_path: Path) -> None:
    process = _start(corpus, tmp_path / "run")
    _wait_for_commits(process, tmp_path / "run", 1)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in messages.replace("\n", " ")
    assert "Traceback" not in messages


@pytest.mark.parametrize("victim", ["ray::_CaptioningActor", "VLLM::EngineCore"])
def test_a_killed_engine_is_replaced_and_nothing_is_lost(
    corpus: Path, uninterrupted: Path, tmp_path: Path, victim: str
) -> None:
    run = tmp_path / "run"
    process = _start(corpus, run)
    _wait_for_commits(process, run, 1)
    for one in _wait_for_descendants(process, victim):
        one.kill()
    _, messages = process.communicate(timeout=240)
    assert process.returncode == 0, messages
    assert _texts(run).keys() == _texts(uninterrupted).keys()


_CASCADE_JOB = """
source: {{kind: folder, path: {folder}}}
engines:
  rules: {{kind: cascade}}
captions:
  fine: {{engine: rules, prompt: embedded_fine.v1}}
resources: {{num_segmenters: 1}}
"""
_LONG_S = 600


def test_a_recording_that_kills_its_process_every_time_fails_alone(demo_files: list[Path], tmp_path: Path) -> None:
    folder, run = tmp_path / "speech", tmp_path / "run"
    folder.mkdir()
    shutil.copy(demo_files[0], folder / "a.flac")
    shutil.copy(demo_files[1], folder / "z.flac")
    audio_T, rate_hz = soundfile.read(demo_files[0], dtype="int16")
    soundfile.write(folder / "deadly.flac", np.resize(audio_T, rate_hz * _LONG_S), rate_hz)
    job = tmp_path / "job.yaml"
    job.write_text(_CASCADE_JOB.format(folder=folder))
    process = _start(job, run, ())
    mark, begun = RunLayout(run).in_progress(0), [0]
    while process.poll() is None:
        with suppress(FileNotFoundError):
            # The mark of a dead process stays until the next one begins.
            if mark.stat().st_mtime_ns > begun[-1] and mark.read_text().startswith("deadly"):
                begun.append(mark.stat().st_mtime_ns)
                (victim,) = _wait_for_descendants(process, "ray::_SegmentingActor")
                victim.kill()
        time.sleep(0.02)
    _, messages = process.communicate()
    assert process.returncode == 3, messages
    assert len(begun) - 1 == 2
    assert {str(row["source"]) for row in read_rows(RunLayout(run), "data")} == {"a.flac", "z.flac"}
    (failure,) = read_rows(RunLayout(run), "failures")
    assert failure["source"] == "deadly.flac"
    assert "every process that came to it died" in str(failure["message"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("resources.num_segmenters=1000",), "CPUs"),
        (("engines.embedded.device=gpu", "engines.embedded.num_replicas=64"), "the job wants 64 GPUs"),
    ],
)
def test_a_job_too_large_for_the_machine_is_refused_at_once(
    fcaps: Fcaps, corpus: Path, tmp_path: Path, settings: tuple[str, ...], expected: str
) -> None:
    overrides = [part for item in settings for part in ("--set", item)]
    refused = fcaps("annotate", corpus, "--out", tmp_path / "run", *overrides, timeout_s=60)
    assert refused.returncode == 2
    assert expected in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr

"""Runs that are killed, interrupted or lose their engine, and what the next run makes of them."""

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_commits, read_rows
from fcaps_pipeline.shards.sums import total
from tests.conftest import Typed
from tests.integration.conftest import FCAPS

# Units of a few seconds, so that a run has many commits to be killed between.
SETTINGS = ("--set", "shards.unit_hours=0.001", "--set", "resources.num_segmenters=1")
CASCADE = (*SETTINGS, "--set", "engines={embedded: {kind: cascade}}")
NUM_COPIES = 5


@pytest.fixture(scope="module")
def corpus(demo_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo speech several times over, so that a run lasts long enough to be killed in its middle."""
    folder = tmp_path_factory.mktemp("corpus")
    for copy in range(NUM_COPIES):
        for path in demo_files:
            shutil.copy(path, folder / f"{copy}-{path.name}")
    return folder


def _start(what: Path, run: Path, settings: tuple[str, ...]) -> "subprocess.Popen[str]":
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
    while len(list(RunLayout(run).commits.on_disk().glob("*.json"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "no commit within three minutes"
        time.sleep(0.05)


def _shards(run: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for table in ("data", "rejections", "failures")
        for path in (run / table).glob("*.parquet")
    }


def _wait_for_descendants(process: "subprocess.Popen[str]", name: str) -> list[psutil.Process]:
    """Processes of this run whose title begins with `name`, as soon as there is one.

    A look at all processes is no snapshot: it can miss one, or meet one that is just ending.
    """
    deadline_s = time.monotonic() + 120
    titles: dict[psutil.Process, str] = {}
    while not any(title.startswith(name) for title in titles.values()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, f"no process {name} among {sorted(titles.values())}"
        titles = {}
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                titles[child] = " ".join(child.cmdline())
    return [child for child, title in titles.items() if title.startswith(name)]


def test_a_killed_run_goes_on_and_equals_an_uninterrupted_one_byte_for_byte(
    typed: Typed, corpus: Path, tmp_path: Path
) -> None:
    uninterrupted, run = tmp_path / "uninterrupted", tmp_path / "run"
    assert typed("annotate", corpus, "--out", uninterrupted, *CASCADE)[0] == 0
    _lose_ray(_start(corpus, run, CASCADE), run)
    process = _start(corpus, run, CASCADE)
    _wait_for_commits(process, run, 6)
    process.kill()
    process.communicate()
    assert not RunLayout(run).index.exists()
    committed = {path: path.stat().st_mtime_ns for path in RunLayout(run).commits.on_disk().iterdir()}
    code, _, messages = typed("annotate", corpus, "--out", run, *CASCADE, "--set", "resources.num_segmenters=2")
    assert code == 0, messages
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    assert _shards(run) == _shards(uninterrupted)
    assert not RunLayout(run).scratch.exists() or not list(RunLayout(run).scratch.iterdir())


def _lose_ray(process: "subprocess.Popen[str]", run: Path) -> None:
    """Ends Ray on this machine under a run, which says so and stops where it can go on."""
    _wait_for_commits(process, run, 3)
    children = psutil.Process(process.pid).children(recursive=True)
    for one in children:
        with suppress(psutil.NoSuchProcess):
            if one.name() == "raylet":
                one.kill()
    _, messages = process.communicate(timeout=150)
    assert process.returncode == 1, messages
    assert "Ray has died on the machine of this command" in messages.replace("\n", " ")
    assert "Traceback" not in messages
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
def test_an_interrupted_run_says_that_it_can_go_on_and_leaves_no_process(
    corpus: Path, tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    process = _start(corpus, tmp_path / "run", CASCADE)
    _wait_for_commits(process, tmp_path / "run", 1)
    children = psutil.Process(process.pid).children(recursive=True)
    for number in signals:
        process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130, messages
    assert "the same command goes on" in messages.replace("\n", " ")
    assert "Traceback" not in messages
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_dead_engine_is_replaced_and_none_outlives_a_killed_run(demo_files: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = _start(demo_files[0].parent, run, SETTINGS)
    _wait_for_commits(process, run, 1)
    for one in _wait_for_descendants(process, "VLLM::EngineCore"):
        one.kill()
    num_committed = len(list(RunLayout(run).commits.on_disk().iterdir()))
    _wait_for_commits(process, run, num_committed + 2)
    engines = _wait_for_descendants(process, "VLLM::")
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(engines, timeout=120)
    assert alive == [], "vLLM outlived the run"
    totals = total(read_commits(RunLayout(run)))
    assert totals.num_segment_failures + totals.num_recordings_failed == 0
    assert totals.num_annotations > 0, "after a death, too, Segments are answered"


_MANY_GPUS = ("engines.embedded.device=gpu", "engines.embedded.num_replicas=64")


@pytest.mark.parametrize(
    ("settings", "num_gpus", "expected"),
    [
        (("resources.num_segmenters=1000",), 0, "CPUs"),
        (_MANY_GPUS, 0, "the machine has no GPU"),
        (_MANY_GPUS, 8, "the job wants 64 GPUs, the machine has 8"),
    ],
)
def test_a_job_too_large_for_the_machine_is_refused_at_once(
    typed: Typed,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    num_gpus: int,
    expected: str,
) -> None:
    monkeypatch.setattr("fcaps_pipeline.annotate.run.preflight.num_gpus", lambda: num_gpus)
    overrides = [part for item in settings for part in ("--set", item)]
    code, _, messages = typed("annotate", corpus, "--out", tmp_path / "run", *overrides)
    assert code == 2
    assert expected in messages.replace("\n", " ")
    assert "Traceback" not in messages


def test_what_failed_is_done_again_by_the_folder_alone_and_the_rest_stays_as_it_is(
    typed: Typed, demo_files: list[Path], tmp_path: Path
) -> None:
    folder, run = tmp_path / "speech", tmp_path / "run"
    folder.mkdir()
    for path in demo_files[:3]:
        shutil.copy(path, folder / path.name)
    whole = (folder / demo_files[1].name).read_bytes()
    (folder / demo_files[1].name).write_bytes(whole[: len(whole) // 2])
    code, printed, messages = typed("annotate", folder, "--out", run, *CASCADE, "--set", "shards.unit_hours=1")
    assert code == 3, messages
    assert "--retry-failures" in printed.replace("\n", " ")
    (folder / demo_files[1].name).write_bytes(whole)
    rows = {row["segment_id"]: row for row in read_rows(RunLayout(run), "data")}
    code, _, messages = typed("annotate", "--out", run, "--retry-failures")
    assert code == 0, messages
    found = list(read_rows(RunLayout(run), "data"))
    assert [row for row in found if row["segment_id"] in rows] == list(rows.values())
    done = {row["source"] for table in ("data", "rejections") for row in read_rows(RunLayout(run), table, ["source"])}
    assert demo_files[1].name in done
    assert RunLayout(run).commit(0, 2).exists()
    assert typed("verify", run)[0] == 0
    code, _, messages = typed("annotate", "--out", run, "--retry-failures")
    assert (code, "nothing to do" in messages) == (0, True)

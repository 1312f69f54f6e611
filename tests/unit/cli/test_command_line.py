"""Wrong usage: one line, the right exit code, and quickly."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from fcaps_pipeline import __version__
from fcaps_pipeline.cli.annotate import default_run_folder
from fcaps_pipeline.cli.kinds import JOBS, command_for
from fcaps_pipeline.cli.main import app
from fcaps_pipeline.jobs.job_file import read_job_file, validate_job
from fcaps_pipeline.jobs.resources import resolve_path, shipped_folder
from tests.conftest import Typed


class Ended(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def run(typed: Typed) -> Run:
    return lambda *arguments: Ended(*typed(*arguments))


def _commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """Every command, groups among them, as it is typed."""
    yield names
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, *names, name)


@pytest.mark.parametrize("names", list(_commands(get_command(app))), ids=" ".join)
def test_help_of_every_command_fits_a_terminal(
    run: Run, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("COLUMNS", "TERMINAL_WIDTH"):
        monkeypatch.setenv(variable, "80")
    done = run(*names, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_path_that_does_not_exist(run: Run, tmp_path: Path) -> None:
    done = run("annotate", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.replace("\n", "").startswith(f"error: {tmp_path}/nowhere does not exist")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_audio(run: Run, tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "notes.txt").write_text("hello")
    done = run("annotate", tmp_path / "speech", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_missing_prompt(run: Run, tmp_path: Path) -> None:
    done = run("annotate", "package:demo_speech", "--out", tmp_path / "run", "--set", "captions.fine.prompt=zzz.v9")
    assert done.returncode == 2
    assert "zzz.v9" in done.stderr
    assert "embedded_fine.v1" in done.stderr


def test_a_model_folder_without_weights(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    done = run(
        "annotate",
        "package:demo_speech",
        "--out",
        tmp_path / "run",
        "--set",
        f"engines.embedded.model={tmp_path}/model",
    )
    assert done.returncode == 2
    assert f"{tmp_path}/model" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def test_a_folder_of_sounds_that_is_not_there(run: Run, tmp_path: Path) -> None:
    done = run("captioner", "evaluate", tmp_path, "--real-sounds", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.replace("\n", " ").startswith(f"error: --real-sounds {tmp_path}/nowhere is no folder")


def test_training_without_a_step_for_captions(run: Run, tmp_path: Path) -> None:
    options = ("--steps", "40", "--hearing-steps", "30", "--agreeing-steps", "10")
    done = run("captioner", "train", "--out", tmp_path / "model", "--work", tmp_path / "work", *options)
    assert done.returncode == 2
    stderr = done.stderr.replace("\n", " ")
    assert stderr.startswith("error: --steps 40 leaves none to learn captions in beside --hearing-steps 30")
    assert list(tmp_path.iterdir()) == []


def test_a_captioner_of_unknown_origin_is_not_measured(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(resolve_path("package:captioner"), model)
    (model / "training.json").unlink()
    done = run("captioner", "evaluate", model, "--work", tmp_path / "work")
    assert done.returncode == 2
    assert f"{model}/training.json does not tell how the captioner was trained" in done.stderr.replace("\n", "")
    assert not (tmp_path / "work").exists()


def test_a_benchmark_goes_on_with_the_same_clips_only(run: Run, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"num_clips": 480, "seed": 3}')
    done = run("bench", "captions", "--work", tmp_path, "--seed", "4")
    assert done.returncode == 2
    assert "differs in seed (was 3, is 4)" in done.stderr.replace("\n", " ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.json"]


def test_plan_needs_no_engine_and_no_run_folder(run: Run) -> None:
    done = run("plan", "jobs/annotate_qwen3omni_h100.yaml", "--set", "source.path=package:demo_speech")
    assert done.returncode == 0, done.stderr
    assert "GPU-hours" in done.stdout
    assert "pending" in done.stdout


def test_status_of_something_else(run: Run, tmp_path: Path) -> None:
    done = run("status", tmp_path)
    assert (done.returncode, "is not a run folder" in done.stderr) == (2, True)


def test_the_run_folder_bears_the_name_of_what_is_annotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("emilia.v1", "emilia.v2"):
        (tmp_path / version).mkdir()
    monkeypatch.chdir(tmp_path / "emilia.v1")
    sources = (".", "../emilia.v2/", "job.yaml", "lists/cuts.jsonl.gz", "package:demo_speech")
    names = [default_run_folder(source) for source in sources]
    assert names == [f"runs/{name}" for name in ("emilia.v1", "emilia.v2", "job", "cuts", "package:demo_speech")]


_ON_STORES = {("annotate",), ("plan",), ("pack",), ("release", "build"), ("release", "remove")}
"""Commands whose --out may be an address."""


def _options_for_folders(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """Every command with an option that names a folder to write to, one on a file system."""
    if names not in _ON_STORES:
        yield from ((*names, f"--{one.name}") for one in command.params if one.name in {"out", "work"})
    for name, inner in getattr(command, "commands", {}).items():
        yield from _options_for_folders(inner, *names, name)


@pytest.mark.parametrize("arguments", list(_options_for_folders(get_command(app))), ids=" ".join)
def test_addresses_are_not_taken_for_folders(
    arguments: tuple[str, ...], typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = typed(*arguments, "s3://bucket/run")
    assert code == 2
    assert "is an address" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "show", "verify", "annotate --out", "plan --out"])
def test_a_store_that_does_not_answer_is_told_at_once(
    command: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "never told", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    code, _, err = typed(*command.split(), "s3://bucket/run")
    assert code == 1
    assert "s3://bucket/run: the store cannot be reached; check its address" in " ".join(err.split())
    assert "never told" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["annotate", "plan"])
def test_no_run_is_begun_on_the_hub(
    command: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = typed(command, "package:demo_speech", "--out", "hf://datasets/o/n/run")
    assert code == 2
    assert "hf://datasets/o/n/run can only be read: the Hub makes a commit of every file" in " ".join(err.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "job", "other"),
    [
        ("annotate", "train_demo_cpu", "train"),
        ("plan", "evaluate_demo_cpu", "evaluate"),
        ("train", "annotate_demo_cpu", "annotate"),
        ("evaluate", "train_demo_cpu", "train"),
    ],
)
def test_a_job_of_another_kind_is_sent_to_its_command(command: str, job: str, other: str, typed: Typed) -> None:
    path = shipped_folder("jobs") / f"{job}.yaml"
    code, _, err = typed(command, path)
    assert code == 2
    assert f"run `fcaps {other} {path}`" in err


def test_a_list_given_as_a_folder_is_named(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav"}\n')
    out = tmp_path / "run"
    given = f"source={{kind: folder, path: {tmp_path}/list.jsonl}}"
    code, _, err = typed("annotate", shipped_folder("jobs") / "annotate_demo_cpu.yaml", "--out", out, "--set", given)
    assert code == 2
    assert "list.jsonl" in err
    assert "source.kind manifest" in err


def test_plan_says_what_this_machine_lacks(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    job = shipped_folder("jobs") / "annotate_qwen3omni_h100.yaml"
    code, out, _ = typed("plan", job, "--set", "source.path=package:demo_speech")
    assert code == 0
    assert "this machine cannot run it now: engines." in out
    assert "has no GPU" in out


@pytest.mark.parametrize("kind", ["annotate", "train", "evaluate", "release"])
def test_init_writes_a_job_that_its_command_reads(
    kind: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = typed("init", kind)
    assert (code, out) == (0, f"{kind}.yaml\n")
    assert f"{command_for(kind)} {kind}.yaml" in err
    read = read_job_file(Path(f"{kind}.yaml"), "sections")
    assert validate_job(JOBS[kind], read) is not None
    first = Path(f"{kind}.yaml").read_text().splitlines()[0]
    assert Path(first.removeprefix("# yaml-language-server: $schema=")).is_file()
    code, _, err = typed("init", kind)
    assert code == 2
    assert f"{kind}.yaml exists" in err


def test_the_version(typed: Typed) -> None:
    assert typed("--version") == (0, f"fcaps {__version__}\n", "")


def test_help_is_grouped_by_user_and_fits_a_terminal(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    code, out, _ = typed("--help")
    assert code == 0
    words = ("Annotate speech", " plan ", "Train and use", " score ", "Lab: how", " bench ")
    assert sorted(words, key=out.index) == list(words)
    assert max(map(len, out.splitlines())) <= 80
    assert "--install-completion" in out


def test_completion_is_offered_for_shells(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FCAPS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "fcaps an")
    monkeypatch.setenv("COMP_CWORD", "1")
    _, out, _ = typed()
    assert out.split() == ["annotate"]

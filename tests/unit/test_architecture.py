"""The layers of the package, and the one owner of each heavy library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fcaps_pipeline"

LAYERS: list[set[str]] = [
    {"errors", "machine"},
    {"records", "files"},
    {"resources", "environment", "job_file", "job_folder"},
    {"config"},
    {"prompts", "audio", "sources", "attributes"},
    {"segmentation", "acoustics", "captioning", "shards", "synthesis", "dual_encoder"},
    {"pipeline", "evaluation"},
    {"embedded", "training"},
    {"bench"},
    {"cli"},
]

OWNERS = {
    "ray": {"pipeline/ray_runtime.py", "training/ray_launcher.py"},
    "vllm": {"captioning/vllm_engine.py"},
    "silero_vad": {"segmentation/silero.py"},
    "openai": {"captioning/endpoint_engine.py"},
    "parselmouth": {"acoustics", "synthesis"},
    "typer": {"cli"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _layer(part: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if part in names)


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_of_the_package_has_a_layer() -> None:
    parts = {_part(path) for path in FILES} - {"__init__"}
    assert parts == set().union(*LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    part = _part(path)
    if part == "__init__":
        assert list(_imports(path)) == []
        return
    for name in _imports(path):
        package, _, rest = name.partition(".")
        if package != "fcaps_pipeline" or not rest:
            continue
        other = rest.split(".")[0]
        assert other == part or _layer(other) < _layer(part), f"{path.name} in {part} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_have_one_owner(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name in _imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or any(where == owner or where.startswith(f"{owner}/") for owner in owners), name


def test_files_stay_under_400_lines() -> None:
    long = {path.name: count for path in FILES if (count := len(path.read_text().splitlines())) >= 400}
    assert long == {}


@pytest.mark.parametrize("module", ["fcaps_pipeline", "fcaps_pipeline.cli.main", "fcaps_pipeline.config"])
def test_light_modules_import_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'ray', 'vllm', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

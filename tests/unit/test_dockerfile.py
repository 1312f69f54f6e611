"""The Dockerfile, as far as it can be held against the checkout without building it."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.readmes import ROOT

Stage = list[tuple[str, str]]
"""Instructions and what follows them."""

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _stages() -> list[Stage]:
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.M)).splitlines()
    stages: list[Stage] = []
    for line in filter(None, lines):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            stages.append([])
        stages[-1].append((instruction, rest))
    return stages


BUILD, FINAL = _stages()


def _all(stage: Stage, instruction: str) -> list[str]:
    return [rest for name, rest in stage if name == instruction]


def _installed(stage: Stage) -> set[str]:
    """Debian packages."""
    return {
        name
        for run in _all(stage, "RUN")
        for names in re.findall(r"apt-get install -y --no-install-recommends ([^&]+)", run)
        for name in names.split()
    }


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_the_base_is_pinned_and_of_the_python_that_the_set_up_makes(stage: Stage) -> None:
    base = stage[0][1].removesuffix(" AS build")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)
    assert base == BUILD[0][1].removesuffix(" AS build")
    assert "PYTHON ?= python3.11" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_every_file_that_is_copied_exists(stage: Stage) -> None:
    copies = [rest.split() for rest in _all(stage, "COPY") if not rest.startswith("--from=build")]
    assert copies
    assert [source for *sources, _ in copies for source in sources if not (ROOT / source).exists()] == []


def test_the_wheel_finds_what_it_is_made_of_in_the_build_stage() -> None:
    copied = {source for rest in _all(BUILD, "COPY") for source in rest.split()[:-1]}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {PROJECT["readme"], *PROJECT["license-files"], *wheel["packages"], *wheel["force-include"]}
    assert wanted <= copied


def test_it_installs_what_the_set_up_installs() -> None:
    (install,) = [run for run in _all(BUILD, "RUN") if "pip install" in run]
    makefile = (ROOT / "Makefile").read_text()
    constraints = "fcaps_pipeline/environment/constraints.txt"
    assert f"--constraint {constraints}" in install
    assert f"CONSTRAINTS := {constraints}" in makefile
    repair = "python -m fcaps_pipeline.environment.repair"
    assert repair in install
    assert repair in makefile
    (default,) = _all(BUILD, "ARG")
    extras = re.findall(r"\.\[([^]]+)\]", install)[0].replace("${EXTRA}", default.removeprefix("EXTRA="))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_final_stage_has_no_build_tools_but_a_compiler_and_no_root() -> None:
    assert _installed(FINAL) == {"g++", "ffmpeg"}
    assert _all(FINAL, "USER") == ["1000:1000"]
    assert "pip install" not in " ".join(_all(FINAL, "RUN"))
    assert _all(FINAL, "ENTRYPOINT") == ['["fcaps"]']
    assert "fcaps" in PROJECT["scripts"]
    environment = " ".join(_all(FINAL, "ENV"))
    (venv,) = [rest.split()[-1] for rest in _all(FINAL, "COPY") if rest.startswith("--from=build")]
    assert f"PATH={venv}/bin:$PATH" in environment
    assert "USER=" in environment, "torch asks for the name of a user that may have no entry"
    assert "--shm-size" in TEXT


@pytest.mark.parametrize("page", ["jobs/cluster/annotate_compose_8xh100.yaml", "jobs/cluster/README.md"])
def test_jobs_that_are_given_by_their_path_in_the_image_lie_there(page: str) -> None:
    paths = re.findall(r"/opt/fcaps/(jobs/[\w./]+\.yaml)", (ROOT / page).read_text())
    assert paths
    assert [path for path in paths if not (ROOT / Path(path)).exists()] == []
    assert "jobs /opt/fcaps/jobs" in _all(FINAL, "COPY")

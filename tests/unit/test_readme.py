"""The READMEs show only commands, options and files that exist, and the top one is short."""

import re

import pytest

from tests.conftest import Typed
from tests.readmes import BENCHMARKS, PAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in [*PAGES, *BENCHMARKS]}
COMMANDS = sorted({one for text in TEXTS.values() for one in re.findall(r"^\$ (fcaps [^#\n]+)", text, flags=re.M)})
_SCREEN = 45
"""Lines of a first screen."""


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command: str, typed: Typed) -> None:
    words = command.split()[1:]
    names = words[:2] if words[0] in {"bench", "captioner", "release"} else words[:1]
    code, help_text, _ = typed(*names, "--help")
    assert code == 0
    assert {option for option in re.findall(r"--[a-z-]+", command) if option not in help_text} == set()


@pytest.mark.parametrize("page", TEXTS)
def test_files_that_a_page_names_exist(page: str) -> None:
    text = TEXTS[page]
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
    assert [job for job in re.findall(r"jobs/\w+\.yaml", text) if not (ROOT / job).exists()] == []


def test_the_top_readme_is_short_and_its_first_screen_narrow() -> None:
    lines = README.splitlines()
    assert len(lines) <= 200
    assert [line for line in lines[:_SCREEN] if len(line) > 100] == []


def test_the_table_of_contents_is_that_of_the_sections() -> None:
    sections = [re.sub(r"[^a-z -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^## (.*)", README, re.M)]
    assert re.findall(r"\]\(#([^)]+)\)", README) == sections

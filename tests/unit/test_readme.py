"""The README shows only commands and options that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^\$ (fcaps [^#\n]+)", README, flags=re.M)))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist_with_their_options(command: str) -> None:
    name, options = command.split()[1], set(re.findall(r"--[a-z-]+", command))
    help_text = subprocess.run(
        [sys.executable, "-c", "from fcaps_pipeline.cli.main import main; main()", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {option for option in options if option not in help_text} == set()


def test_files_that_the_readme_names_exist() -> None:
    root = Path(__file__).resolve().parents[2]
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    jobs = re.findall(r"jobs/\w+\.yaml", README)
    assert [path for path in links + jobs if not (root / path).exists()] == []

"""The page that shows a release from beginning to end, done as a reader would do it."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Typed
from tests.readmes import ROOT, run_block

PAGE = ROOT / "fcaps_pipeline" / "release" / "WALKTHROUGH.md"
_BLOCK = re.compile(r"```(console|yaml|python)\n(.*?)```", re.DOTALL)
_FORMATS = {"release", "fcaps", "shar", "webdataset", "energon", "audiofolder", "parquet", "labelstudio"}


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with what the page says that it prints."""
    for one in block.split("$ ")[1:]:
        command, *printed = one.splitlines()
        yield command, printed


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the libraries that read
def test_the_page_does_what_it_says(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    captions: dict[str, dict[str, list[str]]] = {}
    for kind, block in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "yaml":
            name = block.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(block, encoding="utf-8")
        elif kind == "python":
            captions = run_block(block)["captions"]
        else:
            for command, printed in _commands(block):
                _run(typed, command, printed)
    assert set(captions) == _FORMATS
    assert len(captions["release"]) > 1
    assert all(found == captions["release"] for found in captions.values())
    assert "verdict" in (tmp_path / "changes.md").read_text(encoding="utf-8")
    assert "<script src" not in (tmp_path / "changes.html").read_text(encoding="utf-8")


def _run(typed: Typed, command: str, printed: list[str]) -> None:
    program, *arguments = shlex.split(command)
    if program != "fcaps":
        subprocess.run([program, *arguments], check=True)
        return
    code, result, messages = typed(*arguments)
    is_refused = any(line.startswith("error:") for line in printed)
    assert (code == 0) is not is_refused, f"{command}: {messages}"
    for line in printed:
        assert line in f"{result}\n{messages}", f"{command}: {result} {messages}"

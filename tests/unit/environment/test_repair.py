"""Making wheels importable: silent where they are, and never done twice."""

import os
import subprocess
import sys
from pathlib import Path

from fcaps_pipeline.environment import repair


def _repair(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fcaps_pipeline.environment.repair"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def test_what_set_up_repaired_is_not_repaired_again() -> None:
    again = _repair()
    assert (again.stdout, again.stderr) == ("", "")


def test_what_cannot_be_repaired_and_is_not_needed_is_said_in_one_line(tmp_path: Path) -> None:
    for healthy in ("torchaudio", "torchvision"):
        (tmp_path / f"{healthy}.py").touch()
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec" / "__init__.py").write_text("raise RuntimeError('Could not load libtorchcodec')")
    (tmp_path / "torchcodec-0.13.0.dist-info").mkdir()
    (tmp_path / "torchcodec-0.13.0.dist-info" / "METADATA").write_text("Name: torchcodec\nVersion: 0.13.0\n")
    done = _repair(PYTHONPATH=str(tmp_path))
    assert len(done.stderr.splitlines()) == 1
    assert "install FFmpeg" in done.stderr
    assert "Audio(decode=False)" in done.stderr


def test_operators_are_declared_once(tmp_path: Path) -> None:
    extension = tmp_path / "extension.py"
    extension.write_text("def _has_ops():\n    return False\n")
    repair._declare_operators(tmp_path)
    once = extension.read_text()
    repair._declare_operators(tmp_path)
    assert "nms(Tensor dets" in once
    assert extension.read_text() == once


def test_native_libraries_are_set_aside_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "_torchaudio.abi3.so").write_bytes(b"needs libc10_cuda")
    repair._hide_native_libraries(tmp_path)
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["_torchaudio.abi3.so.needs-cuda"]

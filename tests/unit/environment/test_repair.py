"""Making wheels importable: silent where they are, and never done twice."""

import subprocess
import sys
from pathlib import Path

from fcaps_pipeline.environment import repair


def test_nothing_is_done_or_said_where_everything_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fcaps_pipeline.environment.repair"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


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

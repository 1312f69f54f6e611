"""The festival process that a synthesis keeps is ended whole."""

import os
import subprocess
import sys
from pathlib import Path

_CODE = "from fcaps_pipeline.lab.synthesis.festival import _festival; print(_festival().process.pid)"


def test_its_process_and_pipes_are_closed_with_the_program(tmp_path: Path) -> None:
    festival = tmp_path / "festival"
    festival.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    festival.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", _CODE],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "unclosed" not in done.stderr
    assert not Path(f"/proc/{done.stdout.strip()}").exists()

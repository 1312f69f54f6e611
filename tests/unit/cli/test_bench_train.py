"""`fcaps bench train` refuses what `fcaps train` refuses."""

import subprocess
import sys
from pathlib import Path

FCAPS = [sys.executable, "-c", "from fcaps_pipeline.cli.main import main; main()"]


def test_the_demo_job_needs_the_demo_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [*FCAPS, "bench", "train"], capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 2
    assert f"error: run folder {tmp_path}/runs/demo does not exist" in done.stderr
    assert done.stdout == ""

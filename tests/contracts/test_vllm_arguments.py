"""The list of vLLM's arguments by which jobs are checked is that of the installed vLLM."""

import subprocess
import sys
from pathlib import Path

from fcaps_pipeline.jobs import engine_args

_MODULE = "fcaps_pipeline.annotate.engines.vllm_arguments"


def test_the_list_is_what_the_installed_vllm_takes() -> None:
    made = subprocess.run([sys.executable, "-m", _MODULE], capture_output=True, text=True, check=True)
    stored = Path(engine_args.__file__).with_name("vllm_arguments.json").read_text(encoding="utf-8")
    assert made.stdout == stored, f"run: python -m {_MODULE} > fcaps_pipeline/jobs/vllm_arguments.json"

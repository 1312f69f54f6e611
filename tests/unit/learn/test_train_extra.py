"""Training needs nothing of the extra `annotate`."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[3] / "fcaps_pipeline"

_CODE = """
import importlib, sys
for name in ("ray", "parselmouth", "silero_vad", "openai", "vllm"):
    sys.modules[name] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
from fcaps_pipeline.cli.main import app
print("imported")
"""


def test_learning_is_imported_where_only_its_own_extra_is_installed() -> None:
    files = sorted((PACKAGE / "learn").rglob("*.py"))
    modules = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]
    names = [name.removesuffix(".__init__") for name in modules] + ["fcaps_pipeline.cli.train"]
    environment = {"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *names], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.strip() == "imported", done.stderr[-2000:]

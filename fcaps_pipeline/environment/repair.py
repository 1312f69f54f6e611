"""Makes audio and vision wheels importable where they were linked against CUDA and torch was not.

The package index serves torchaudio and torchvision builds that look for CUDA libraries. Beside a
CPU build of torch both fail on import, although what this project and vLLM need of them is pure
Python. `python -m fcaps_pipeline.environment.repair`, run by `make` after installing:

- torchaudio: renames the native libraries, so that the package falls back to Python;
- torchvision: declares the two operators whose absence stops the import;
- torchcodec: puts the last CPU build in its place. vLLM decodes audio without it and asks, for video, for a
  later version, which the installer therefore takes; `datasets` decodes audio with nothing else.

Each step first tries the import in a fresh interpreter and does nothing, silently, where it works. Where
torchcodec cannot be had, for want of FFmpeg for instance, that is said in one line: annotating does without.
"""

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

from fcaps_pipeline.errors import DependencyError

_CPU_TORCHCODEC = "0.13.0"
"""The last that was built without CUDA and loads beside this torch."""

_OPERATOR_DECLARATIONS = """

# Added by fcaps_pipeline.environment.repair: the native operators of this build need CUDA
# libraries that are absent here; declaring their schemas lets the pure Python parts import.
if not _has_ops():
    _DECLARED = torch.library.Library("torchvision", "DEF")
    _DECLARED.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def main() -> None:
    """Repairs what does not import, and says so on stderr.

    Raises:
        DependencyError: a package that annotating needs still fails to import after its repair, or is not installed.
    """
    for package, repair in (("torchaudio", _hide_native_libraries), ("torchvision", _declare_operators)):
        if _import_fails(package) is None:
            continue
        repair(_package_folder(package))
        remaining = _import_fails(package)
        if remaining is not None:
            raise DependencyError(
                f"{package} cannot be imported even after the repair ({remaining}); expected the version "
                "pinned in fcaps_pipeline/environment/constraints.txt; reinstall with that file"
            )
        _say(f"made {package} importable beside this build of torch")
    if importlib.util.find_spec("torchcodec") is not None and _import_fails("torchcodec") is not None:
        _replace_torchcodec()


def _replace_torchcodec() -> None:
    if _is_cpu_torch() and importlib.metadata.version("torchcodec") != _CPU_TORCHCODEC:
        _install(f"torchcodec=={_CPU_TORCHCODEC}")
    if _import_fails("torchcodec") is None:
        _say(f"put torchcodec {_CPU_TORCHCODEC} in place: the build that vLLM asks for needs CUDA")
    else:
        _say(
            "torchcodec does not load here, so `datasets` cannot decode the shards' audio: install FFmpeg (Debian: "
            "apt-get install ffmpeg) and run this again, or read the column as Audio(decode=False)"
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _is_cpu_torch() -> bool:
    asked = "import sys, torch; sys.exit(torch.version.cuda is not None)"
    return subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def _install(requirement: str) -> None:
    """Without its dependencies, and against the wish of vLLM, which a resolver would heed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        _say(f"{' '.join(command)}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")


def _import_fails(package: str) -> str | None:
    """Last line of the import error in a fresh interpreter, or None when the import works."""
    done = subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DependencyError(f"{package} is not installed; install this project with its cpu or gpu extra")
    return Path(spec.origin).parent


def _hide_native_libraries(folder: Path) -> None:
    for library in sorted((folder / "lib").glob("*.so")):
        library.rename(library.with_suffix(".so.needs-cuda"))


def _declare_operators(folder: Path) -> None:
    extension = folder / "extension.py"
    source = extension.read_text(encoding="utf-8")
    if _OPERATOR_DECLARATIONS not in source:
        extension.write_text(source + _OPERATOR_DECLARATIONS, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except DependencyError as error:
        sys.exit(f"error: {error}")

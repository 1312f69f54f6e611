"""Runs of the real program: real Ray, real vLLM with the embedded captioner, real files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.jobs.resources import resolve_path

Fcaps = Callable[..., "subprocess.CompletedProcess[str]"]

FCAPS = [sys.executable, "-c", "from fcaps_pipeline.cli.main import main; main()"]


@pytest.fixture(scope="session")
def fcaps() -> Fcaps:
    """Runs the command line in a process of its own and returns what it printed."""

    def run(*arguments: str | Path, timeout_s: float = 300, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*FCAPS, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, "COLUMNS": "200", **environment},
        )

    return run


@pytest.fixture(scope="session")
def demo_files() -> list[Path]:
    """The speech that ships with the package."""
    return sorted(resolve_path("package:demo_speech").glob("*.flac"))


@pytest.fixture(scope="session")
def mixed_corpus(tmp_path_factory: pytest.TempPathFactory, demo_files: list[Path]) -> Path:
    """Three good recordings among everything that can be wrong with a file."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "deep.er").mkdir()
    for path, target in zip(demo_files, (folder, folder, folder / "deep.er"), strict=False):
        shutil.copy(path, target)
    good = demo_files[0]
    audio_T, rate_hz = soundfile.read(good, dtype="float32")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "renamed.wav").write_text("this is no audio, whatever its name says\n" * 50)
    (folder / "truncated.flac").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    soundfile.write(
        folder / "not_a_number.wav", np.where(np.arange(len(audio_T)) == 5000, np.nan, audio_T), rate_hz, "FLOAT"
    )
    soundfile.write(folder / "blink.wav", audio_T[: rate_hz // 20], rate_hz)
    soundfile.write(folder / "silence.wav", np.zeros(rate_hz * 4, np.float32), rate_hz)
    noise_T = np.random.default_rng(0).normal(0, 0.05, rate_hz * 4)
    soundfile.write(folder / "noise.wav", noise_T, rate_hz)
    eight_TC = np.repeat(np.repeat(audio_T, 12)[:, None], 8, axis=1)
    soundfile.write(folder / "studio.wav", eight_TC, rate_hz * 12)
    (folder / "notes.txt").write_text("not audio")
    return folder

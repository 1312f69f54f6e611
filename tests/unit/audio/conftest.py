"""Small sounds in many containers."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

Pcm = npt.NDArray[np.int16]
WriteFile = Callable[..., Path]


@pytest.fixture(scope="session")
def melody_T() -> npt.NDArray[np.float32]:
    """Three seconds at 16 kHz: a gliding tone under noise."""
    time_s_T = np.arange(48_000) / 16_000
    noise_T = np.random.default_rng(7).normal(0, 0.02, len(time_s_T))
    return (0.3 * np.sin(2 * np.pi * (200 + 60 * time_s_T) * time_s_T) + noise_T).astype(np.float32)


@pytest.fixture
def write_with_ffmpeg(tmp_path: Path) -> WriteFile:
    def write(name: str, codec: str, audio_T: npt.NDArray[np.float32], rate_hz: int) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate_hz, layout="mono")
            pcm_T = np.rint(audio_T * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm_T[None], format="s16", layout="mono")
            frame.sample_rate = rate_hz
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
        return path

    return write


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write_file(name: str, audio: npt.NDArray[np.float32], rate_hz: int = 16_000, **kind: str) -> Path:
        path = tmp_path / name
        soundfile.write(path, audio, rate_hz, **kind)
        return path

    return write_file

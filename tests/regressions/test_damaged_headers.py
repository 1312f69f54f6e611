"""A damaged file once ended a whole run: a header without a rate, a stream without a decoder."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.probe import probe_duration_s
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import RecordingError

RATE_HZ = 8_000
HEADER_BYTES = 600


def _m4a(path: Path, audio_T: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE_HZ)
        frame = av.AudioFrame.from_ndarray(audio_T[None, :], format="fltp", layout="mono")
        frame.rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".m4a"])
def test_any_flipped_byte_of_a_header_is_either_heard_or_a_recording_error(suffix: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{suffix}"
    audio_T = np.random.default_rng(0).normal(0, 0.1, RATE_HZ // 2).astype(np.float32)
    if suffix == ".m4a":
        _m4a(whole, audio_T)
    else:
        soundfile.write(whole, audio_T, RATE_HZ)
    content, rng = whole.read_bytes(), np.random.default_rng(1)
    num_refused = 0
    damaged = tmp_path / f"damaged{suffix}"
    for _ in range(150):
        changed = bytearray(content)
        for place in rng.integers(0, min(HEADER_BYTES, len(content)), 3):
            changed[place] = rng.integers(0, 256)
        damaged.write_bytes(changed)
        probe_duration_s(str(damaged))
        try:
            decode_all(str(damaged))
        except RecordingError as error:
            num_refused += 1
            assert str(damaged) in str(error)  # noqa: PT017 - decoding may also succeed
    assert num_refused > 0

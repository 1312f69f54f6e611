import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fcaps_pipeline.audio.flac import decode_flac, encode_flac
from fcaps_pipeline.errors import RecordingError


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.int16, st.integers(1, 5_000)))
def test_flac_is_lossless(pcm_T: np.ndarray) -> None:
    assert np.array_equal(decode_flac(encode_flac(pcm_T)), pcm_T)


def test_equal_samples_give_equal_bytes() -> None:
    pcm_T = np.arange(-8_000, 8_000, dtype=np.int16)
    assert encode_flac(pcm_T) == encode_flac(pcm_T.copy())


def test_broken_or_foreign_bytes_are_refused() -> None:
    content = encode_flac(np.random.default_rng(0).integers(-9_000, 9_000, 48_000).astype(np.int16))
    for broken in (b"", content[:100], content[: len(content) // 2]):
        with pytest.raises(RecordingError):
            decode_flac(broken)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((100, 2)), 8_000, format="FLAC")
    with pytest.raises(RecordingError, match="2 channels, 8000 Hz"):
        decode_flac(buffer.getvalue())

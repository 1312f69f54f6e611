"""FLAC bytes of mono 16 kHz samples with 16 bits, and back; lossless for int16.

Shape suffix: T samples.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


def encode_flac(audio_T: npt.NDArray[np.int16] | npt.NDArray[np.floating[Any]]) -> bytes:
    """Encodes mono samples at 16 kHz, int16 or float within 1; the same samples always give the same bytes."""
    # In memory: on a full disk libsndfile itself would report an unknown error.
    buffer = io.BytesIO()
    soundfile.write(buffer, audio_T, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def decode_flac(content: bytes) -> npt.NDArray[np.int16]:
    """Decodes what `encode_flac` wrote.

    Raises:
        RecordingError: the bytes are not whole FLAC, or not mono at 16 kHz.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            pcm_T: npt.NDArray[np.int16] = file.read(dtype="int16")
            kind = (file.format, int(file.channels), int(file.samplerate))
            num_frames = int(file.frames)
    except soundfile.LibsndfileError as error:
        raise RecordingError(
            f"{len(content)} bytes of stored audio are not whole FLAC (libsndfile {error.code})"
        ) from error
    if kind != ("FLAC", 1, SAMPLE_RATE_HZ) or len(pcm_T) != num_frames:
        raise RecordingError(
            f"stored audio is {kind[0]}, {kind[1]} channels, {kind[2]} Hz, {len(pcm_T)} of {num_frames} samples; "
            f"expected whole FLAC, 1 channel, {SAMPLE_RATE_HZ} Hz"
        )
    return pcm_T

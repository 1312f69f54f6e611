"""What every engine checks before it asks: audio that would crash or mislead a model, and numbers of answers.

One malformed item can take a whole engine down, so nothing of the kind gets that far.
"""

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.errors import EngineRequestError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

MAX_AUDIO_S = 30
"""Longest audio the captioning models are documented for."""


def check_request(request: CaptionRequest) -> None:
    """Refuses audio, where there is any, that is not 1 sample to 30 s of finite float32 in one channel.

    Raises:
        EngineRequestError: with what was found.
    """
    if fault := _fault(request):
        raise EngineRequestError(f"request {request.request_key[:12]}: {fault}")


def _fault(request: CaptionRequest) -> str | None:
    if request.num_completions < 1:
        return f"expected at least one completion, found {request.num_completions}"
    return None if request.audio_T is None else _fault_of_audio(request.audio_T)


def _fault_of_audio(audio_T: npt.NDArray[np.float32]) -> str | None:
    if audio_T.ndim != 1:
        return f"expected mono samples of shape (T,), found shape {audio_T.shape}"
    if audio_T.dtype != np.float32:
        return f"expected float32 samples, found {audio_T.dtype}"
    if not 0 < audio_T.size <= MAX_AUDIO_S * SAMPLE_RATE_HZ:
        return f"expected more than 0 and at most {MAX_AUDIO_S} s of audio, found {audio_T.size / SAMPLE_RATE_HZ:.3f} s"
    if not np.isfinite(audio_T).all():
        return "expected finite samples, found NaN or infinity"
    if (peak := float(np.abs(audio_T).max())) > 1.0:
        return f"expected samples within [-1, 1], found a peak of {peak:.3g}"
    return None

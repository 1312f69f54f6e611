"""Audio that could harm a model is refused before it reaches one."""

from typing import Any

import numpy as np
import pytest

from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.annotate.engines.request_check import check_request
from fcaps_pipeline.errors import EngineRequestError
from fcaps_pipeline.records.annotations import Sampling
from tests.unit.annotate.captioning.building import acoustics


def _request(audio_T: Any, num_completions: int = 1) -> CaptionRequest:
    return CaptionRequest("k" * 64, "a" * 64, audio_T, acoustics(), "Describe.", Sampling(), 0, num_completions)


@pytest.mark.parametrize("num_samples", [1, 480_000])
def test_good_audio_passes(num_samples: int) -> None:
    check_request(_request(np.full(num_samples, -1.0, np.float32)))


@pytest.mark.parametrize(
    ("audio", "found"),
    [
        (np.zeros(0, np.float32), r"found 0\.000 s"),
        (np.zeros(480_001, np.float32), r"at most 30 s of audio, found 30\.000 s"),
        (np.zeros((2, 16_000), np.float32), r"found shape \(2, 16000\)"),
        (np.zeros(16_000, np.int16), "found int16"),
        (np.array([0.0, np.nan], np.float32), "found NaN"),
        (np.array([0.0, np.inf], np.float32), "found NaN or infinity"),
        (np.array([0.0, 32767.0], np.float32), r"found a peak of 3\.28e\+04"),
    ],
)
def test_bad_audio_is_refused_with_what_was_found(audio: Any, found: str) -> None:
    with pytest.raises(EngineRequestError, match=found):
        check_request(_request(audio))


def test_a_question_without_sound_passes() -> None:
    check_request(_request(None))


def test_asking_for_nothing_is_refused() -> None:
    with pytest.raises(EngineRequestError, match="at least one completion"):
        check_request(_request(np.zeros(16_000, np.float32), 0))

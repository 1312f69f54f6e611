from pathlib import Path

import numpy as np
import pytest
import torch
from silero_vad import get_speech_timestamps, load_silero_vad

from fcaps_pipeline.annotate.segmentation.silero import SileroDetector, SileroNetwork
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig


@pytest.fixture(scope="module")
def silero() -> SileroDetector:
    return SileroDetector(SegmentationConfig())


def _detect(silero: SileroDetector, pcm_T: np.ndarray, block_samples: int) -> list[tuple[int, int]]:
    stream = silero.open_stream()
    intervals = []
    for start in range(0, len(pcm_T), block_samples):
        intervals += stream.push(pcm_T[start : start + block_samples])
    return [(interval.start_samples, interval.end_samples) for interval in intervals + stream.finish()]


@torch.inference_mode()
def test_probabilities_equal_those_of_the_model_window_by_window(speech_path: Path) -> None:
    audio_T = torch.from_numpy(decode_all(str(speech_path))[0][: 16_000 * 20] / np.float32(32_768))
    audio_T = audio_T[: len(audio_T) // 512 * 512]
    model = load_silero_vad()
    model.reset_states()
    expected = [model(window_S, 16_000).item() for window_S in torch.split(audio_T, 512)]
    windows_WS = torch.nn.functional.pad(audio_T, (64, 0)).unfold(0, 576, 512)
    network = SileroNetwork()
    first, state = network.probabilities(windows_WS[:100], None)
    second, _ = network.probabilities(windows_WS[100:], state)
    np.testing.assert_allclose(np.concatenate((first, second)), expected, atol=1e-5)


def test_intervals_equal_those_of_silero(silero: SileroDetector, speech_path: Path) -> None:
    pcm_T = decode_all(str(speech_path))[0]
    expected = get_speech_timestamps(torch.from_numpy(pcm_T / np.float32(32_768)), load_silero_vad(), speech_pad_ms=0)
    assert _detect(silero, pcm_T, 131_072) == [(item["start"], item["end"]) for item in expected]
    assert len(expected) > 10


@pytest.mark.parametrize("block_samples", [1_000, 16_000, 200_001, 10_000_000])
def test_the_size_of_blocks_changes_nothing(silero: SileroDetector, speech_path: Path, block_samples: int) -> None:
    pcm_T = decode_all(str(speech_path))[0]
    assert _detect(silero, pcm_T, block_samples) == _detect(silero, pcm_T, 131_072)


def test_silence_and_noise_hold_no_speech(silero: SileroDetector, shared_audio: Path) -> None:
    assert _detect(silero, np.zeros(160_000, np.int16), 131_072) == []
    for name in ("noise2.wav", "esc50_dog.wav"):
        assert _detect(silero, decode_all(str(shared_audio / "non_speech" / name))[0], 131_072) == []


def test_a_stream_without_samples(silero: SileroDetector) -> None:
    assert silero.open_stream().finish() == []

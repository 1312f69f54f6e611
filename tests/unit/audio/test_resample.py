import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.audio.resample import StreamResampler

Audio = npt.NDArray[np.float32]


def _in_blocks(audio_TC: Audio, rate_hz: int, sizes: list[int]) -> Audio:
    resampler = StreamResampler(rate_hz, audio_TC.shape[1])
    blocks = np.split(audio_TC, np.cumsum(sizes)) if sizes else [audio_TC]
    return np.concatenate([*map(resampler.push, blocks), resampler.finish()])


def _noise(num_samples: int, num_channels: int) -> Audio:
    return np.random.default_rng(3).normal(0, 0.1, (num_samples, num_channels)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [4_000, 8_000, 11_127, 16_000, 22_050, 44_099, 44_100, 48_000, 192_000, 767_999])
def test_blocks_equal_the_whole(rate_hz: int) -> None:
    audio_TC = _noise(rate_hz + 137, 2)
    expected_TC = soxr.resample(audio_TC, rate_hz, 16_000, "HQ")
    actual_TC = _in_blocks(audio_TC, rate_hz, [1, 0, 997, rate_hz // 3])
    assert abs(len(actual_TC) - (rate_hz + 137) * 16_000 / rate_hz) <= 0.5
    assert np.array_equal(actual_TC, expected_TC)


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.integers(4_000, 768_000),
    sizes=st.lists(st.integers(0, 1_500), max_size=12),
    rest=st.integers(1, 3_000),
)
def test_the_division_into_blocks_changes_nothing(rate_hz: int, sizes: list[int], rest: int) -> None:
    audio_TC = _noise(sum(sizes) + rest, 1)
    np.testing.assert_array_equal(_in_blocks(audio_TC, rate_hz, sizes), _in_blocks(audio_TC, rate_hz, []))


@pytest.mark.parametrize("rate_hz", [4_000, 11_127, 48_000])
def test_a_tone_keeps_its_pitch_and_its_place(rate_hz: int) -> None:
    tone_T = np.sin(2 * np.pi * 440 * np.arange(2 * rate_hz) / rate_hz).astype(np.float32)
    expected_T = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    actual_T = _in_blocks(tone_T[:, None], rate_hz, [rate_hz // 2])[:, 0]
    assert np.abs(actual_T - expected_T)[1_000:-1_000].max() < 1e-3

import math

import pytest
import torch
import torchaudio.functional
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.audio.resample import StreamResampler
from fcaps_pipeline.errors import RecordingError

HALF_STEP = 0.5 / 32768


def _in_blocks(audio_CT: torch.Tensor, rate_hz: int, sizes: list[int]) -> torch.Tensor:
    resampler = StreamResampler(rate_hz, audio_CT.shape[0])
    blocks = torch.split(audio_CT, [*sizes, audio_CT.shape[1] - sum(sizes)], dim=1)
    return torch.cat([*map(resampler.push, blocks), resampler.finish()], dim=1)


def _noise(num_channels: int, num_samples: int) -> torch.Tensor:
    return torch.randn(num_channels, num_samples, generator=torch.Generator().manual_seed(3)) * 0.1


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_blocks_equal_the_whole(rate_hz: int) -> None:
    audio_CT = _noise(2, rate_hz + 137)
    expected_CT = torchaudio.functional.resample(audio_CT, rate_hz, 16_000)
    actual_CT = _in_blocks(audio_CT, rate_hz, [1, 0, 997, rate_hz // 3])
    assert actual_CT.shape == (2, math.ceil((rate_hz + 137) * 16_000 / rate_hz))
    assert (actual_CT - expected_CT).abs().max() <= HALF_STEP


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 44_100, 48_000]),
    sizes=st.lists(st.integers(0, 1_500), max_size=12),
    rest=st.integers(1, 3_000),
)
def test_the_division_into_blocks_changes_nothing(rate_hz: int, sizes: list[int], rest: int) -> None:
    audio_CT = _noise(1, sum(sizes) + rest)
    in_one_CT = _in_blocks(audio_CT, rate_hz, [])
    torch.testing.assert_close(_in_blocks(audio_CT, rate_hz, sizes), in_one_CT, rtol=0, atol=1e-6)


def test_a_rate_without_common_factor_is_refused() -> None:
    with pytest.raises(RecordingError, match="44099 Hz"):
        StreamResampler(44_099, 1)

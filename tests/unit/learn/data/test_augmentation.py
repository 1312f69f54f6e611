"""Clips sound otherwise each time they come, as much as the job says and alike for the same draw."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fcaps_pipeline.learn.data.augmentation import changed, drawn_speed, played
from fcaps_pipeline.learn.data.augmentation_config import Augmentation, Masks, Noise, Room, Speed

_TIME_T = np.arange(16_000) / 16_000
TONE = (8000 * np.sin(2 * np.pi * 440 * _TIME_T)).astype(np.int16)


def _changed(seed: int = 0, **sections: Any) -> Any:
    return changed(TONE, Augmentation(**sections), np.random.default_rng(seed))


def test_nothing_is_done_by_default() -> None:
    assert changed(TONE, Augmentation(), np.random.default_rng(0)) is TONE
    assert drawn_speed(Augmentation(), np.random.default_rng(0)) == 1


@pytest.mark.parametrize("section", [{"room": Room(share=1)}, {"noise": Noise(share=1)}, {"masks": Masks(share=1)}])
def test_a_draw_decides_the_sound(section: Any) -> None:
    assert np.array_equal(_changed(1, **section), _changed(1, **section))
    assert not np.array_equal(_changed(1, **section), _changed(2, **section))
    assert len(_changed(1, **section)) == len(TONE)


def test_only_a_share_of_the_rows_is_changed() -> None:
    whole = sum(np.array_equal(_changed(seed, noise=Noise(share=0.25)), _changed(seed)) for seed in range(200))
    assert 120 < whole < 180


def test_noise_is_as_loud_as_it_says() -> None:
    noisy = _changed(noise=Noise(share=1, snr_db=(12, 12))).astype(float) - TONE
    assert 10 * np.log10((TONE.astype(float) ** 2).mean() / (noisy**2).mean()) == pytest.approx(12, abs=0.2)


def test_masks_leave_out_stretches_of_time_and_bands() -> None:
    times = [_changed(seed, masks=Masks(share=1, num_bands=0, time_s=0.1)) for seed in range(20)]
    silent = [int((one == 0).sum() - (TONE == 0).sum()) for one in times]
    assert max(silent) > 800
    assert max(silent) <= 2 * 1600
    bands = [_changed(seed, masks=Masks(share=1, num_times=0, num_bands=3, band_hz=4000)) for seed in range(20)]
    levels = [float((one.astype(float) ** 2).mean()) for one in bands]
    assert min(levels) < 1e-3 * max(levels)


def test_speed_changes_length_and_pitch() -> None:
    assert drawn_speed(Augmentation(speed=Speed(share=1, factors=(1.1,))), np.random.default_rng(0)) == Fraction(11, 10)
    fast = played(TONE, Fraction(11, 10))
    assert len(fast) == pytest.approx(16_000 / 1.1, abs=1)
    spectrum = np.abs(np.fft.rfft(fast.astype(float)))
    assert np.argmax(spectrum) * 16_000 / len(fast) == pytest.approx(484, abs=2)


def test_a_range_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValidationError, match="snr_db goes from 20 to 5; give the lower one first"):
        Augmentation(noise=Noise(snr_db=(20, 5)))

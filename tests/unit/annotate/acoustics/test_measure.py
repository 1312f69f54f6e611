import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.audio.stream import decode_all

Pcm = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]


def _pcm(audio_T: Floats) -> Pcm:
    return np.rint(audio_T * 32_767).clip(-32_768, 32_767).astype(np.int16)


def _voice(f0_hz_T: Floats, syllables_hz: float = 4.0, depth: float = 0.95) -> Floats:
    """A buzz of twenty harmonics whose level rises and falls with the syllables."""
    phase_T = 2 * np.pi * np.cumsum(f0_hz_T) / 16_000
    buzz_T = sum(np.sin(k * phase_T) / k for k in range(1, 20))
    time_s_T = np.arange(len(f0_hz_T)) / 16_000
    swell_T = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * syllables_hz * time_s_T))
    return np.asarray(0.15 * buzz_T * swell_T)


def _steady(seconds: float, f0_hz: float = 150.0) -> Floats:
    return _voice(np.full(round(seconds * 16_000), f0_hz))


@pytest.mark.parametrize("f0_hz", [80.0, 120.0, 220.0, 380.0])
def test_pitch_of_a_steady_voice(f0_hz: float) -> None:
    measured = measure_acoustics(_pcm(_steady(3, f0_hz)))
    assert measured.f0_median_hz == pytest.approx(f0_hz, rel=0.01)
    assert measured.f0_slope_hz_per_s == pytest.approx(0, abs=2)
    assert measured.voiced_share > 0.9


def test_pitch_of_a_rising_voice() -> None:
    measured = measure_acoustics(_pcm(_voice(np.linspace(120, 180, 48_000))))
    assert measured.f0_slope_hz_per_s == pytest.approx(20, rel=0.05)
    assert measured.f0_p5_hz == pytest.approx(123, rel=0.03)
    assert measured.f0_p95_hz == pytest.approx(177, rel=0.03)


@pytest.mark.parametrize("syllables_hz", [2.0, 4.0, 6.0])
def test_syllables_are_the_swells_of_the_voice(syllables_hz: float) -> None:
    measured = measure_acoustics(_pcm(_voice(np.full(64_000, 140.0), syllables_hz)))
    assert measured.syllables_per_s == pytest.approx(syllables_hz, abs=0.5)


def test_modulation_follows_the_swells_and_no_pause_slows_it() -> None:
    slow, plain, fast = (
        measure_acoustics(_pcm(_voice(np.full(64_000, 140.0), syllables_hz))).modulation_hz
        for syllables_hz in (2.5, 4.0, 6.0)
    )
    assert slow is not None
    assert plain is not None
    assert fast is not None
    assert slow < plain - 0.5 < fast - 1.0
    with_pause = measure_acoustics(_pcm(np.concatenate([_steady(2), np.zeros(32_000), _steady(2)])))
    assert with_pause.modulation_hz == pytest.approx(plain, abs=0.3)
    assert with_pause.tempo_hz == pytest.approx((with_pause.articulation_syllables_per_s + plain) / 2, abs=0.3)


@pytest.mark.parametrize("seconds", [0.3, 0.55])
def test_little_speech_has_no_modulation_and_no_tempo(seconds: float) -> None:
    measured = measure_acoustics(_pcm(_steady(seconds)))
    assert (measured.modulation_hz, measured.tempo_hz) == (None, None)


@pytest.mark.parametrize("edge_s", [0.0, 0.5])
def test_a_held_tone_has_no_modulation_and_no_tempo(edge_s: float) -> None:
    edge_T = np.zeros(round(edge_s * 16_000))
    tone_T = _voice(np.full(48_000, 160.0), depth=0.0)
    measured = measure_acoustics(_pcm(np.concatenate([edge_T, tone_T, edge_T])))
    assert (measured.modulation_hz, measured.tempo_hz) == (None, None)


def test_a_faint_swell_has_a_modulation() -> None:
    measured = measure_acoustics(_pcm(_voice(np.full(64_000, 160.0), depth=0.3)))
    assert measured.modulation_hz == pytest.approx(4.0, abs=0.5)


def test_pauses_do_not_slow_the_articulation() -> None:
    audio_T = np.concatenate([_steady(2), np.zeros(32_000), _steady(2)])
    measured = measure_acoustics(_pcm(audio_T))
    assert measured.syllables_per_s == pytest.approx(16 / 6, abs=0.3)
    assert measured.articulation_syllables_per_s == pytest.approx(4, abs=0.4)


@pytest.mark.parametrize("noise_db", [None, -50.0, -35.0])
def test_pauses_between_speech_count_and_edges_do_not(noise_db: float | None) -> None:
    silence = [np.zeros(round(seconds * 16_000)) for seconds in (0.3, 0.5, 0.1, 0.8, 0.3)]
    audio_T = np.concatenate(
        [silence[0], *[part for gap in silence[1:4] for part in (_steady(1), gap)], _steady(1), silence[4]]
    )
    if noise_db is not None:
        audio_T = audio_T + np.random.default_rng(0).normal(0, 10 ** (noise_db / 20), len(audio_T))
    measured = measure_acoustics(_pcm(audio_T))
    assert measured.num_pauses == 2
    assert measured.pauses_total_s == pytest.approx(1.3, abs=0.2)
    assert measured.pause_longest_s == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize("length", [2007, 2023, 3999, 6399])
def test_short_audio_of_any_length_has_a_loudness(length: int) -> None:
    """Seconds times the sample rate of 2,007 or 2,023 samples is, rounded, more than those samples."""
    tone_T = np.rint(3276.7 * np.sin(2 * np.pi * 997 / 16_000 * np.arange(length))).astype(np.int16)
    assert measure_acoustics(tone_T).loudness_lufs == pytest.approx(-23.0, abs=0.5)


def test_loudness_of_the_calibration_tone() -> None:
    """Source: ITU-R BS.1770-4: a sine of 997 Hz at full scale in one channel reads -3.01 LKFS."""
    tone_T = np.sin(2 * np.pi * 997 * np.arange(80_000) / 16_000)
    assert measure_acoustics(_pcm(tone_T)).loudness_lufs == pytest.approx(-3.01, abs=0.15)
    assert measure_acoustics(_pcm(tone_T / 10)).loudness_lufs == pytest.approx(-23.01, abs=0.15)
    assert measure_acoustics(_pcm(tone_T[:3_200])).loudness_lufs == pytest.approx(-3.01, abs=0.5)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 30.0])
def test_noise_put_in_is_found_again(snr_db: float) -> None:
    speech_T = np.concatenate([np.zeros(8_000), _steady(2), np.zeros(8_000), _steady(2), np.zeros(8_000)])
    speech_power = np.mean(np.square(_steady(2)))
    noise_T = np.random.default_rng(0).normal(0, np.sqrt(speech_power / 10 ** (snr_db / 10)), len(speech_T))
    assert measure_acoustics(_pcm(speech_T + noise_T)).snr_db == pytest.approx(snr_db, abs=2)


def test_no_noise_estimate_without_a_frame_free_of_speech() -> None:
    assert measure_acoustics(_pcm(_voice(np.full(48_000, 150.0), depth=0.0))).snr_db is None


def test_clipping_is_a_share_of_samples() -> None:
    pcm_T = _pcm(_steady(2))
    pcm_T[:320] = 32_767
    pcm_T[320:480] = -32_768
    assert measure_acoustics(pcm_T).clipped_share == pytest.approx(480 / 32_000, abs=1e-3)


def test_silence_is_measured_too() -> None:
    measured = measure_acoustics(np.zeros(32_000, np.int16))
    assert (measured.f0_median_hz, measured.loudness_lufs, measured.snr_db) == (None, None, None)
    assert (measured.voiced_share, measured.syllables_per_s, measured.num_pauses) == (0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int16, st.integers(1, 6_000)))
def test_any_samples_can_be_measured(pcm_T: Pcm) -> None:
    measured = measure_acoustics(pcm_T)
    assert 0 <= measured.voiced_share <= 1
    assert 0 <= measured.clipped_share <= 1
    assert all(np.isfinite(value) for value in measured.model_dump().values() if value is not None)


def test_real_women_and_men_differ_in_pitch(shared_audio: Path) -> None:
    root = shared_audio / "librispeech"
    with (root / "speakers.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"].startswith("train")][:60]
    is_right, rates = [], []
    for row in rows:
        measured = measure_acoustics(decode_all(str(root / row["file"]))[0])
        assert measured.f0_median_hz is not None
        is_right.append((measured.f0_median_hz > 165) == (row["gender"] == "female"))
        rates.append(measured.articulation_syllables_per_s)
        assert measured.clipped_share < 0.01
    assert np.mean(is_right) > 0.9
    assert 3.0 < np.median(rates) < 5.0

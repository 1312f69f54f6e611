"""Parts of a Segment are measured where they are, from tracks that travel."""

import numpy as np
import numpy.typing as npt
import pytest

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.acoustics.parts import PartMeter
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


def _tone(seconds: float, f0_hz: float, syllables_hz: float = 4.0) -> npt.NDArray[np.float64]:
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    voice = sum(np.sin(2 * np.pi * f0_hz * k * time_s) / k for k in range(1, 12))
    envelope = 0.55 - 0.45 * np.cos(2 * np.pi * syllables_hz * time_s)
    return np.asarray(3_000 * voice * envelope)


@pytest.fixture(scope="module")
def pcm_T() -> npt.NDArray[np.int16]:
    """A low voice, a pause of 0.6 s in the middle, and a high and fast one."""
    silence_T = np.zeros(round(0.6 * SAMPLE_RATE_HZ))
    whole_T: npt.NDArray[np.float64] = np.concatenate([_tone(2, 110, 3.0), silence_T, _tone(2, 220, 6.0)])
    return whole_T.astype(np.int16)


def test_each_part_has_its_own_pitch_rate_and_pauses(pcm_T: npt.NDArray[np.int16]) -> None:
    meter = PartMeter(pcm_T, measure_segment(pcm_T).tracks)
    num = len(pcm_T)
    first, middle, last = (meter.measure(round(num * a), round(num * b)) for a, b in ((0, 0.4), (0.4, 0.6), (0.6, 1)))
    assert first is not None
    assert middle is not None
    assert last is not None
    assert first.f0_median_hz == pytest.approx(110, rel=0.03)
    assert last.f0_median_hz == pytest.approx(220, rel=0.03)
    assert first.tempo_hz is not None
    assert last.tempo_hz is not None
    assert first.tempo_hz < last.tempo_hz
    assert (first.pause_longest_s, last.pause_longest_s) == (0.0, 0.0)
    assert middle.pause_longest_s == pytest.approx(0.6, abs=0.1)
    assert middle.dip_longest_s >= middle.pause_longest_s - 0.1
    assert middle.tempo_hz is None


def test_tracks_made_anew_measure_the_same(pcm_T: npt.NDArray[np.int16]) -> None:
    travelled, anew = PartMeter(pcm_T, measure_segment(pcm_T).tracks), PartMeter(pcm_T, None)
    assert travelled.measure(0, 30_000) == anew.measure(0, 30_000)


def test_what_is_too_short_is_not_measured() -> None:
    assert PartMeter(np.zeros(700, np.int16), None).measure(0, 700) is None
    silence = PartMeter(np.zeros(16_000, np.int16), None).measure(0, 16_000)
    assert silence is not None
    assert (silence.f0_median_hz, silence.tempo_hz, silence.voiced_share) == (None, None, None)

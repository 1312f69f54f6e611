import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from fcaps_pipeline.learn.dual_encoder.audio_batch import collate_audio
from fcaps_pipeline.learn.dual_encoder.front_ends import KaldiBank, LogMel, WhisperMel, normalize_waveform
from tests.unit.learn.dual_encoder.building import make_clips

_CLIPS = make_clips(8_000, 5_123, 700)


def test_waveforms_are_normalised_as_transformers_does_it() -> None:
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    expected_BT = extractor(_CLIPS, sampling_rate=16_000, padding=True, return_tensors="pt")["input_values"]
    torch.testing.assert_close(normalize_waveform(*collate_audio(_CLIPS)), expected_BT, atol=1e-5, rtol=1e-5)


def test_whisper_features_are_those_of_transformers() -> None:
    extractor = WhisperFeatureExtractor()
    made = extractor(_CLIPS, sampling_rate=16_000, max_length=16_000, return_tensors="pt")["input_features"]
    torch.testing.assert_close(WhisperMel(extractor, num_frames=100)(collate_audio(_CLIPS)[0]), made)


def test_filter_bank_is_that_of_transformers() -> None:
    extractor = SeamlessM4TFeatureExtractor()
    features_BFM, counts_B = KaldiBank(extractor)(*collate_audio(_CLIPS))
    for clip_T, features_FM, count in zip(_CLIPS, features_BFM, counts_B.tolist(), strict=True):
        expected = extractor(clip_T, sampling_rate=16_000, return_tensors="pt", pad_to_multiple_of=1)
        expected_FM = expected["input_features"][0]
        assert count == len(expected_FM)
        torch.testing.assert_close(features_FM[:count], expected_FM, atol=2e-3, rtol=2e-3)


def test_mel_has_one_frame_per_hop_begun() -> None:
    features = LogMel(40)
    for num_samples, num_frames in ((640, 4), (641, 5), (16_000, 100)):
        assert features(torch.zeros(1, num_samples)).shape == (1, 40, num_frames)


def test_mel_frame_is_centred_on_its_hop() -> None:
    audio_BT = torch.zeros(1, 16_000)
    audio_BT[0, 50 * 160 + 80] = 1.0
    level_F = LogMel(40)(audio_BT)[0].mean(dim=0)
    assert int(level_F.argmax()) == 50
    assert level_F[48].item() == pytest.approx(level_F[52].item(), abs=1e-3)


def test_mel_shows_the_level() -> None:
    tone_T = torch.from_numpy(np.sin(0.2 * np.arange(16_000)).astype(np.float32))[None]
    features = LogMel(40)
    louder = features(0.1 * tone_T).amax(dim=1) - features(0.01 * tone_T).amax(dim=1)
    assert louder.median().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("num_mel_bins", [8, 80])
def test_every_mel_band_hears_something(num_mel_bins: int) -> None:
    white_BT = torch.from_numpy(make_clips(16_000)[0])[None]
    assert LogMel(num_mel_bins)(white_BT)[0].mean(dim=1).min() > 0.0


def test_features_keep_float32_under_autocast() -> None:
    audio_BT, _ = collate_audio(_CLIPS)
    features = LogMel(40)
    with torch.autocast("cpu", torch.bfloat16):
        under = features(audio_BT)
    assert torch.equal(under, features(audio_BT))

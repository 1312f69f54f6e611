import logging
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from fcaps_pipeline.errors import ModelError, RecordingError, UsageError
from fcaps_pipeline.learn.dual_encoder.audio_batch import collate_audio
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig, PretrainedSpeechTowerConfig, SpeechPooling
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from tests.unit.learn.dual_encoder.building import (
    TEXTS,
    TINY,
    make_clips,
    write_filter_bank_encoder,
    write_text_encoder,
    write_waveform_encoder,
    write_whisper,
)

_CLIPS = make_clips(8_000, 12_345, 2_000)


@pytest.fixture(scope="module")
def model() -> DualEncoder:
    return DualEncoder.new(TINY, TEXTS).eval()


def test_embeddings_have_unit_length(model: DualEncoder) -> None:
    for vectors in (model.encode_speech(*collate_audio(_CLIPS)), model.encode_text(TEXTS)):
        assert vectors.shape == (3, 32)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@torch.inference_mode()
def test_embeddings_do_not_depend_on_the_padding(pooling: SpeechPooling) -> None:
    config = TINY.model_copy(update={"speech_pooling": pooling, "text_pooling": pooling})
    model = DualEncoder.new(config, TEXTS).eval()
    together = model.embed_speech(*collate_audio(_CLIPS))
    texts_NE = model.encode_text(TEXTS)
    assert together.frames_BFE is not None
    for row, (clip_T, text) in enumerate(zip(_CLIPS, TEXTS, strict=True)):
        alone = model.embed_speech(*collate_audio([clip_T]))
        assert alone.frames_BFE is not None
        torch.testing.assert_close(together.speech_BE[row], alone.speech_BE[0], atol=1e-5, rtol=1e-4)
        frames_FE = together.frames_BFE[row][together.mask_BF[row]]
        torch.testing.assert_close(frames_FE, alone.frames_BFE[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(texts_NE[row], model.encode_text([text])[0], atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_one_pass_gives_what_the_single_calls_give(model: DualEncoder) -> None:
    batch = collate_audio(_CLIPS)
    both, text_NE = model(*batch, model.tokenizer(TEXTS))
    frames_BFE, mask_BF = model.encode_frames(*batch)
    torch.testing.assert_close(both.speech_BE, model.encode_speech(*batch))
    torch.testing.assert_close(both.frames_BFE, frames_BFE)
    assert torch.equal(both.mask_BF, mask_BF)
    torch.testing.assert_close(text_NE, model.encode_text(TEXTS))


def test_frames_come_at_the_stated_rate(model: DualEncoder) -> None:
    frames_BFE, mask_BF = model.encode_frames(*collate_audio(make_clips(32_000)))
    assert model.frame_rate_hz == 25.0
    assert frames_BFE.shape == (1, 50, 32)
    assert mask_BF.all()


def test_model_without_frame_projector_says_so() -> None:
    model = DualEncoder.new(TINY.model_copy(update={"frames": None}), TEXTS)
    assert model.embed_speech(*collate_audio(_CLIPS)).frames_BFE is None
    with pytest.raises(ModelError, match="embeds whole clips only"):
        model.encode_frames(*collate_audio(_CLIPS))


def test_logits_are_calibrated_cosines(model: DualEncoder) -> None:
    torch.manual_seed(0)
    clips_BE, texts_NE = (functional.normalize(torch.randn(rows, 32), dim=1) for rows in (2, 3))
    frames_BFE = torch.stack((clips_BE, -clips_BE), dim=1)
    for row, clip_E in enumerate(clips_BE):
        for column, text_E in enumerate(texts_NE):
            cosine = float(clip_E @ text_E)
            at = (row, column)
            assert model.similarity(clips_BE, texts_NE)[at].item() == pytest.approx(cosine, abs=1e-6)
            assert model.softmax_logits(clips_BE, texts_NE)[at].item() == pytest.approx(cosine / 0.07, abs=1e-4)
            assert model.match_logits(clips_BE, texts_NE)[at].item() == pytest.approx(cosine / 0.07 - 10, abs=1e-4)
            assert model.tag_scale(model.similarity(clips_BE, texts_NE))[at].item() == pytest.approx(
                cosine / 0.07, abs=1e-4
            )
            for frame, sign in ((0, 1), (1, -1)):
                logit = model.frame_logits(frames_BFE, texts_NE)[row, frame, column].item()
                assert logit == pytest.approx(sign * cosine / 0.1 - 10, abs=1e-4)


def test_scales_are_clamped_together() -> None:
    model = DualEncoder.new(TINY, TEXTS)
    scales = (model.clip_scale, model.frame_scale, model.tag_scale)
    for scale in scales:
        torch.nn.init.constant_(scale.log_scale, 7.0)
    model.clamp_scales()
    assert [scale.log_scale.item() for scale in scales] == pytest.approx([math.log(100.0)] * 3)


def test_seed_decides_the_weights_and_leaves_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, same, other = (DualEncoder.new(TINY, TEXTS, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], same[name]) for name in first)
    name = "speech_projection.layers.0.weight"
    assert not torch.equal(first[name], other[name])


def test_truncated_texts_are_logged(model: DualEncoder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model.encode_text(["a", "slowly " * 60])
    assert "1 of 2 texts are longer than 40 tokens and were cut" in caplog.text


def test_bad_input_is_one_line(model: DualEncoder) -> None:
    with pytest.raises(RecordingError, match="clip 0 has 600 samples, shorter than one frame"):
        model.encode_speech(*collate_audio(make_clips(600)))
    with pytest.raises(UsageError, match="text 0 of 1 is empty"):
        model.encode_text([""])


def test_clip_longer_than_whisper_is_refused(tmp_path: Path) -> None:
    model = DualEncoder.new(TINY.model_copy(update={"speech": write_whisper(tmp_path)}), TEXTS)
    with pytest.raises(RecordingError, match=r"clip 0 lasts 2.50 s; the speech tower takes 2.00 s at most: crop it"):
        model.encode_speech(*collate_audio(make_clips(40_000)))


@torch.inference_mode()
def test_autocast_changes_little(model: DualEncoder) -> None:
    batch = collate_audio(_CLIPS)
    exact_BE = model.encode_speech(*batch)
    with torch.autocast("cpu", torch.bfloat16):
        speech_BE = model.encode_speech(*batch)
        logits_BN = model.softmax_logits(speech_BE, model.encode_text(TEXTS))
    assert speech_BE.dtype == logits_BN.dtype == torch.float32
    assert (speech_BE * exact_BE).sum(dim=1).min() > 0.999


def test_every_weight_learns_under_checkpointing() -> None:
    model = DualEncoder.new(TINY, TEXTS).train()
    model.gradient_checkpointing_enable()
    embedded, text_NE = model(*collate_audio(_CLIPS), model.tokenizer(TEXTS))
    loss = functional.cross_entropy(model.softmax_logits(embedded.speech_BE, text_NE), torch.arange(3))
    loss = loss + model.frame_logits(embedded.frames_BFE, text_NE).mean()
    loss = loss + model.match_logits(embedded.speech_BE, text_NE).mean()
    torch.autograd.backward(loss + model.tag_scale(model.similarity(embedded.speech_BE, text_NE)).mean())
    assert [name for name, one in model.named_parameters() if one.grad is None] == []


def test_small_model_learns_three_pairs() -> None:
    torch.manual_seed(0)
    model = DualEncoder.new(TINY, TEXTS).train()
    audio_BT, lengths_B = collate_audio(make_clips(8_000, 8_000, 8_000))
    audio_BT = audio_BT * torch.tensor([[0.1], [1.0], [5.0]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(60):
        logits_BN = model.softmax_logits(model.encode_speech(audio_BT, lengths_B), model.encode_text(TEXTS))
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(logits_BN, torch.arange(3)))
        optimizer.step()
        model.clamp_scales()
    model.eval()
    logits_BN = model.softmax_logits(model.encode_speech(audio_BT, lengths_B), model.encode_text(TEXTS))
    assert logits_BN.argmax(dim=1).tolist() == logits_BN.argmax(dim=0).tolist() == [0, 1, 2]


@torch.inference_mode()
def test_saved_model_is_loaded_as_it_was(model: DualEncoder, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o444 == 0o444 & ~_umask(), "colleagues read it too"
    loaded = DualEncoder.from_pretrained(str(tmp_path))
    assert loaded.config == TINY
    assert not loaded.training
    assert torch.equal(loaded.encode_text(TEXTS), model.encode_text(TEXTS))
    assert torch.equal(loaded.encode_speech(*collate_audio(_CLIPS)), model.encode_speech(*collate_audio(_CLIPS)))


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")
@pytest.mark.parametrize("write", [write_waveform_encoder, write_filter_bank_encoder, write_whisper])
@pytest.mark.parametrize("text_kind", ["Roberta", "T5"])
@torch.inference_mode()
def test_pretrained_towers_are_rebuilt_without_their_origin(
    write: Callable[[Path], PretrainedSpeechTowerConfig], text_kind: str, tmp_path: Path
) -> None:
    speech, text = write(tmp_path / "speech"), write_text_encoder(tmp_path / "text", text_kind)
    model = DualEncoder.new(DualEncoderConfig(speech=speech, text=text, text_pooling="first")).eval()
    model.save_pretrained(tmp_path / "model")
    shutil.rmtree(tmp_path / "speech")
    shutil.rmtree(tmp_path / "text")
    loaded = DualEncoder.from_pretrained(tmp_path / "model")
    batch = collate_audio(_CLIPS)
    torch.testing.assert_close(loaded.encode_text(TEXTS), model.encode_text(TEXTS))
    torch.testing.assert_close(loaded.encode_speech(*batch), model.encode_speech(*batch))


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before

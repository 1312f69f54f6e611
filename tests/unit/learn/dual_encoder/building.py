"""Tiny towers: folders as transformers writes them, with random weights, and clips to hear."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from tokenizers.processors import TemplateProcessing

from fcaps_pipeline.learn.dual_encoder.config import (
    DualEncoderConfig,
    FrameProjectorConfig,
    MelTowerConfig,
    PretrainedSpeechTowerConfig,
    PretrainedTextTowerConfig,
    SmallTextTowerConfig,
)
from fcaps_pipeline.learn.dual_encoder.tokenization import train_bpe

TEXTS = ["A low voice speaks slowly.", "A high voice.", "She begins calmly, then laughs."]

MEL = MelTowerConfig(num_mel_bins=40, width=32, num_layers=2, num_heads=2)
SMALL_TEXT = SmallTextTowerConfig(width=32, num_layers=2, num_heads=2, vocabulary_size=400, max_tokens=40)
TINY = DualEncoderConfig(speech=MEL, text=SMALL_TEXT, embedding_size=32, frames=FrameProjectorConfig(num_heads=4))

_WAVEFORM = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
_FILTER_BANK = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 100,
    "max_source_positions": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
_BERT = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "cls_token_id": 1,
    "sep_token_id": 1,
    "mask_token_id": 1,
}
_TEXT: dict[str, dict[str, Any]] = {
    "Albert": _BERT | {"embedding_size": 16},
    "Bart": {key: value for key, value in _WHISPER.items() if key != "max_source_positions"}
    | {"vocab_size": 400, "max_position_embeddings": 66, "eos_token_id": 1},
    "DistilBert": {"vocab_size": 400, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "pad_token_id": 0},
    "T5": {"vocab_size": 400, "d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16},
}


def make_clips(*num_samples: int) -> list[npt.NDArray[np.float32]]:
    """Noise with an offset, so that normalisations have something to do."""
    rng = np.random.default_rng(0)
    return [(0.02 + rng.normal(0.0, 0.1, number)).astype(np.float32) for number in num_samples]


def write_waveform_encoder(folder: Path, kind: str = "WavLM", norm: str = "layer") -> PretrainedSpeechTowerConfig:
    """WavLM, Hubert, Wav2Vec2, UniSpeech or UniSpeechSat; `group` is the norm of the base models."""
    shape = _WAVEFORM | {"feat_extract_norm": norm, "do_stable_layer_norm": norm == "layer"}
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=norm == "layer", return_attention_mask=True)
    return _write_speech(folder, kind, shape, extractor)


def write_filter_bank_encoder(folder: Path, positions: str = "relative_key") -> PretrainedSpeechTowerConfig:
    """wav2vec2-BERT."""
    shape = _FILTER_BANK | {"position_embeddings_type": positions}
    return _write_speech(folder, "Wav2Vec2Bert", shape, transformers.SeamlessM4TFeatureExtractor())


def write_whisper(folder: Path) -> PretrainedSpeechTowerConfig:
    """Whisper with its decoder, for clips of up to 2 s."""
    return _write_speech(folder, "Whisper", _WHISPER, transformers.WhisperFeatureExtractor())


def write_text_encoder(folder: Path, kind: str = "Roberta") -> PretrainedTextTowerConfig:
    """A text encoder with a tokenizer of 64 tokens at most."""
    _write_model(folder, kind, _TEXT.get(kind, _BERT))
    vocabulary = train_bpe(TEXTS * 2, 400)
    vocabulary.post_processor = TemplateProcessing(single="<s> $A <s>", special_tokens=[("<s>", 1)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=vocabulary, pad_token="<pad>", cls_token="<s>", model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    return PretrainedTextTowerConfig(kind="pretrained", name=str(folder), max_tokens=40)


def _write_speech(folder: Path, kind: str, shape: dict[str, Any], extractor: Any) -> PretrainedSpeechTowerConfig:
    _write_model(folder, kind, shape)
    extractor.save_pretrained(folder)
    return PretrainedSpeechTowerConfig(kind="pretrained", name=str(folder))


def _write_model(folder: Path, kind: str, shape: dict[str, Any]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**shape)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)

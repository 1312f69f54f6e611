"""Shape of the captioner: a Qwen3-Omni thinker small enough to ship in the package.

Leaves a `Qwen3OmniMoeConfig` and the feature extractor that belongs to it. Everything that decides
whether vLLM can serve the folder on a CPU stands here: head size a multiple of 32, one sparse layer
(the production models have only sparse layers, one keeps that path in use), a token vision tower.
"""

from typing import Any

from tokenizers import Tokenizer
from transformers import Qwen3OmniMoeConfig, WhisperFeatureExtractor

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.lab.embedded import tokenizer as tok
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

HOP_SAMPLES = 160
MEL_BINS = 128
WINDOW_SAMPLES = 1024
"""Whisper's 400 samples blur the harmonics of low voices; 1024 (64 ms) separate them above 60 Hz."""

MAX_SPEECH_S = 30
AUDIO_WIDTH = 160
AUDIO_LAYERS = 4
TEXT_WIDTH = 160
TEXT_LAYERS = 3
HEAD_SIZE = 32
MAX_POSITIONS = 2048
INITIAL_STD = 0.06
"""About one over the square root of the width."""


def build_feature_extractor() -> WhisperFeatureExtractor:
    """Log-mel features at 100 frames per second; the level of the input stays visible in them."""
    return WhisperFeatureExtractor(
        feature_size=MEL_BINS,
        sampling_rate=SAMPLE_RATE_HZ,
        hop_length=HOP_SAMPLES,
        chunk_length=MAX_SPEECH_S,
        n_fft=WINDOW_SAMPLES,
        padding_value=0.0,
        dither=0.0,
        return_attention_mask=True,
    )


def build_config(tokenizer: Tokenizer) -> Qwen3OmniMoeConfig:
    """Configuration of the whole model; talker and vocoder are left out.

    Raises:
        ModelError: the tokenizer lacks a special token.
    """
    thinker: dict[str, Any] = {
        "audio_config": _audio_config(),
        "vision_config": _vision_config(),
        "text_config": _text_config(tokenizer),
        "audio_token_id": token_id(tokenizer, tok.AUDIO_PAD),
        "audio_start_token_id": token_id(tokenizer, tok.AUDIO_START),
        "audio_end_token_id": token_id(tokenizer, tok.AUDIO_END),
        "image_token_id": token_id(tokenizer, tok.IMAGE_PAD),
        "video_token_id": token_id(tokenizer, tok.VIDEO_PAD),
        "vision_start_token_id": token_id(tokenizer, tok.VISION_START),
        "vision_end_token_id": token_id(tokenizer, tok.VISION_END),
        "position_id_per_seconds": 13,
        "user_token_id": token_id(tokenizer, tok.TURN_START),
        "dtype": "bfloat16",
    }
    config = Qwen3OmniMoeConfig(thinker_config=thinker, enable_audio_output=False)
    config.architectures = ["Qwen3OmniMoeForConditionalGeneration"]
    config.dtype = "bfloat16"
    return config


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of one special token.

    Raises:
        ModelError: the tokenizer does not know it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelError(f"the tokenizer has no token {token}; retrain it with train_tokenizer")
    return int(found)


def _audio_config() -> dict[str, Any]:
    return {
        "num_mel_bins": MEL_BINS,
        "encoder_layers": AUDIO_LAYERS,
        "encoder_attention_heads": AUDIO_WIDTH // HEAD_SIZE,
        "encoder_ffn_dim": 4 * AUDIO_WIDTH,
        "d_model": AUDIO_WIDTH,
        "max_source_positions": 1500,
        "n_window": 50,
        # Attention over the whole segment: a 30 s segment is only 390 positions.
        "n_window_infer": MAX_SPEECH_S * 100,
        "output_dim": TEXT_WIDTH,
        "downsample_hidden_size": 32,
        "initializer_range": INITIAL_STD,
        "conv_chunksize": 500,
    }


def _vision_config() -> dict[str, Any]:
    return {
        "depth": 1,
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "image_size": 64,
        "apply_vit_abs_pos_embed": True,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "out_hidden_size": TEXT_WIDTH,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [],
    }


def _text_config(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 448,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": TEXT_WIDTH // HEAD_SIZE,
        "num_key_value_heads": 1,
        "head_dim": HEAD_SIZE,
        "max_position_embeddings": MAX_POSITIONS,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
            "interleaved": True,
        },
        "mlp_only_layers": list(range(TEXT_LAYERS - 1)),
        "initializer_range": INITIAL_STD,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 224,
        "decoder_sparse_step": 1,
        "norm_topk_prob": True,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, tok.TURN_END),
        "pad_token_id": token_id(tokenizer, tok.END_OF_TEXT),
    }

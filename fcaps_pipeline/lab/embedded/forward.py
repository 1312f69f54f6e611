"""Batched forward passes through the thinker that training and evaluation share.

They use the modules of transformers and give the same numbers, faster: clips of unequal length are
padded and masked instead of looped over. Shapes: B clips, F frames, M mel bands, A audio positions,
T, Q, K tokens, H heads, D width.
"""

from typing import Any, TypeAlias

import torch
from torch.nn import functional
from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

Thinker: TypeAlias = Qwen3OmniMoeThinkerForConditionalGeneration

FRAMES_PER_CHUNK = 100
POSITIONS_PER_CHUNK = 13


def audio_positions(num_frames: torch.Tensor) -> torch.Tensor:
    """Audio positions of the encoder for clips of so many frames."""
    rest = num_frames % FRAMES_PER_CHUNK
    halved = (rest - 1) // 2 + 1
    return ((halved - 1) // 2 + 1 - 1) // 2 + 1 + num_frames // FRAMES_PER_CHUNK * POSITIONS_PER_CHUNK


def encode_audio(thinker: Thinker, mel_BFM: torch.Tensor, lengths_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The audio tower over a padded batch.

    Args:
        thinker: the model.
        mel_BFM: features, zero after each clip's end, F a multiple of 100.
        lengths_B: frames of each clip.

    Returns:
        Features `(B, A, D)` and the mask `(B, A)` of positions that belong to the clip.
    """
    tower = thinker.audio_tower
    batch, frames, bands = mel_BFM.shape
    chunks = frames // FRAMES_PER_CHUNK
    x = mel_BFM.reshape(batch * chunks, FRAMES_PER_CHUNK, bands).transpose(1, 2).unsqueeze(1)
    for convolution in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        x = functional.gelu(convolution(x))
    x = x.permute(0, 3, 1, 2).flatten(2)
    x = tower.conv_out(x) + tower.positional_embedding.positional_embedding[: x.shape[1]]
    x_BAD = x.reshape(batch, chunks * POSITIONS_PER_CHUNK, -1)
    # Every chunk but a clip's last is full, so valid positions are a prefix.
    mask_BA = torch.arange(x_BAD.shape[1], device=x_BAD.device)[None] < audio_positions(lengths_B)[:, None]
    for layer in tower.layers:
        x_BAD = _encoder_layer(layer, x_BAD, mask_BA)
    x_BAD = tower.proj2(tower.act(tower.proj1(tower.ln_post(x_BAD))))
    return x_BAD, mask_BA


def decode(
    thinker: Thinker, embeddings_BTD: torch.Tensor, allowed_BQK: torch.Tensor, positions_BT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The text model under an explicit attention mask.

    Returns:
        Its last hidden states, and those that enter the last layer, each `(B, T, D)`.
    """
    # The plain attention of transformers adds its mask to the scores: a bool mask would hide nothing.
    lowest = torch.finfo(torch.float32).min
    mask_BHQK = torch.zeros_like(allowed_BQK, dtype=torch.float32).masked_fill(~allowed_BQK, lowest).unsqueeze(1)
    output = thinker.model(
        inputs_embeds=embeddings_BTD,
        attention_mask=mask_BHQK,
        position_ids=positions_BT,
        use_cache=False,
        output_hidden_states=True,
    )
    return output.last_hidden_state, output.hidden_states[-2]


def _encoder_layer(layer: Any, x_BAD: torch.Tensor, mask_BA: torch.Tensor) -> torch.Tensor:
    attention = layer.self_attn
    batch, length, width = x_BAD.shape
    normed = layer.self_attn_layer_norm(x_BAD)
    query, key, value = (
        projection(normed).view(batch, length, attention.num_heads, -1).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value, mask_BA[:, None, None], scale=attention.scaling)
    x_BAD = x_BAD + attention.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
    inner = functional.gelu(layer.fc1(layer.final_layer_norm(x_BAD)))
    output_BAD: torch.Tensor = x_BAD + layer.fc2(inner)
    return output_BAD

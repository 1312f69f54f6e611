"""Batched forward passes through the thinker that training and evaluation share.

They use the modules of transformers and give the same numbers, faster: clips of unequal length are
padded and masked instead of looped over. Shapes: B clips, F frames, M mel bands, A audio positions,
T, Q, K tokens, H heads, D width.
"""

from typing import Any, TypeAlias

import torch
from torch.nn import functional
from transformers import AttentionInterface, Qwen3OmniMoeThinkerForConditionalGeneration

Thinker: TypeAlias = Qwen3OmniMoeThinkerForConditionalGeneration

PLAIN_ATTENTION = "fcaps_plain"
"""Name of the attention of training among those of transformers."""
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
    x = _first_convolution(tower.conv2d1, mel_BFM.reshape(batch * chunks, FRAMES_PER_CHUNK, bands).transpose(1, 2))
    for convolution in (tower.conv2d2, tower.conv2d3):
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


def read(
    thinker: Thinker,
    tokens_BT: torch.Tensor,
    allowed_BQK: torch.Tensor,
    positions_BT: torch.Tensor,
    audio_BAD: torch.Tensor,
    mask_BA: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the text model over sequences with audio, after the last layer and before it, each `(B, T, D)`."""
    embeddings_BTD = thinker.model.embed_tokens(tokens_BT).to(audio_BAD.dtype)
    is_audio = tokens_BT == thinker.config.audio_token_id
    embeddings_BTD = embeddings_BTD.masked_scatter(is_audio[..., None], audio_BAD[mask_BA])
    return decode(thinker, embeddings_BTD, allowed_BQK, positions_BT)


def decode(
    thinker: Thinker, embeddings_BTD: torch.Tensor, allowed_BQK: torch.Tensor, positions_BT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The text model under an explicit attention mask.

    Returns:
        Its last hidden states, and those that enter the last layer, each `(B, T, D)`.
    """
    mask_BHQK = _hiding(~allowed_BQK, _autocast_dtype(embeddings_BTD))[:, None]
    output = thinker.model(
        inputs_embeds=embeddings_BTD,
        attention_mask=mask_BHQK,
        position_ids=positions_BT,
        use_cache=False,
        output_hidden_states=True,
    )
    return output.last_hidden_state, output.hidden_states[-2]


def _first_convolution(convolution: torch.nn.Conv2d, mel_NMF: torch.Tensor) -> torch.Tensor:
    """The convolution over one channel, with its activation, as a product over patches.

    No gradient flows on from here, which a convolution on a CPU does not make use of; and the channels come out last
    in memory, which suits the convolutions that follow.
    """
    (height, width), (down, along) = convolution.kernel_size, convolution.stride
    padded_NMF = functional.pad(mel_NMF, (1, 1, 1, 1))
    patches = padded_NMF.unfold(1, height, down).unfold(2, width, along).flatten(3)
    made = functional.linear(patches, convolution.weight.flatten(1), convolution.bias)
    return functional.gelu(made).permute(0, 3, 1, 2)


def _hiding(hidden: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What to add to scores, so that hidden places count for nothing."""
    return torch.zeros_like(hidden, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)


def _autocast_dtype(states: torch.Tensor) -> torch.dtype:
    """The type that products of the states have."""
    kind = states.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype


def _attend(
    query_BHQD: torch.Tensor,
    key_BGKD: torch.Tensor,
    value_BGKD: torch.Tensor,
    hiding: torch.Tensor,
    scaling: float,
) -> torch.Tensor:
    """Attention as plain products in the type of the query, `(B, H, Q, D)`; H is a multiple of the G groups of keys.

    With short sequences, explicit masks and a backward pass that beats the fused kernel of a CPU, most of all where
    many heads share their keys.
    """
    batch, num_heads, length, size = query_BHQD.shape
    groups = key_BGKD.shape[1]
    query = (scaling * query_BHQD).reshape(batch, groups, num_heads // groups * length, size)
    scores = (query @ key_BGKD.transpose(2, 3)).view(batch, num_heads, length, -1)
    weights = functional.softmax(scores + hiding, dim=-1, dtype=scores.dtype)
    return (weights.view(*query.shape[:-1], -1) @ value_BGKD).view(query_BHQD.shape)


def _plain_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """The same in the form that transformers calls."""
    return _attend(query, key, value, attention_mask, scaling).transpose(1, 2), None


AttentionInterface.register(PLAIN_ATTENTION, _plain_attention)


def _encoder_layer(layer: Any, x_BAD: torch.Tensor, mask_BA: torch.Tensor) -> torch.Tensor:
    attention = layer.self_attn
    batch, length, width = x_BAD.shape
    normed = layer.self_attn_layer_norm(x_BAD)
    query, key, value = (
        projection(normed).view(batch, length, attention.num_heads, -1).transpose(1, 2)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = _attend(query, key, value, _hiding(~mask_BA, query.dtype)[:, None, None], attention.scaling)
    x_BAD = x_BAD + attention.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
    inner = functional.gelu(layer.fc1(layer.final_layer_norm(x_BAD)))
    output_BAD: torch.Tensor = x_BAD + layer.fc2(inner)
    return output_BAD

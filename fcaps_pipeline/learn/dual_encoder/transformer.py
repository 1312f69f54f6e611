"""A small pre-norm Transformer over padded sequences, shared by both small towers and the frame projector.

Shape suffixes: B sequences, L positions, D features, H heads, K features per head.
"""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


class Transformer(nn.Module):
    """Layers with a last normalisation; positions are the caller's matter.

    Attributes:
        checkpointing: recompute each layer in the backward pass instead of keeping its activations.
    """

    def __init__(self, *, width: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        self.checkpointing = False

    def forward(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Every position attends to the valid ones; what leaves at padded positions means nothing."""
        for layer in self.layers:
            if self.checkpointing and torch.is_grad_enabled():
                states_BLD = checkpoint(layer, states_BLD, mask_BL, use_reentrant=False)
            else:
                states_BLD = layer(states_BLD, mask_BL)
        normed_BLD: torch.Tensor = self.norm(states_BLD)
        return normed_BLD


def sinusoids(num_positions: int, width: int, device: torch.device) -> torch.Tensor:
    """Position signal `(L, D)`: sines, then cosines, of wavelengths from 2 pi to 20,000 pi positions.

    Source: Vaswani et al., Attention Is All You Need, 2017, section 3.5.
    """
    rates_D = torch.exp(torch.arange(width // 2, device=device) * (-math.log(10_000.0) / (width // 2)))
    angles_LD = torch.arange(num_positions, device=device)[:, None] * rates_D
    return torch.cat((angles_LD.sin(), angles_LD.cos()), dim=1)


class _Layer(nn.Module):
    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        attended_BLD = self.attention_out(self._attend(self.attention_norm(states_BLD), mask_BL))
        states_BLD = states_BLD + self.dropout(attended_BLD)
        moved_BLD: torch.Tensor = states_BLD + self.dropout(self.feed_forward(states_BLD))
        return moved_BLD

    def _attend(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        split_BLTHK = self.query_key_value(states_BLD).unflatten(2, (3, self.num_heads, -1))
        query_BHLK, key_BHLK, value_BHLK = split_BLTHK.permute(2, 0, 3, 1, 4)
        mixed_BHLK = functional.scaled_dot_product_attention(
            query_BHLK,
            key_BHLK,
            value_BHLK,
            attn_mask=mask_BL[:, None, None, :],
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        return mixed_BHLK.transpose(1, 2).flatten(2)

"""From tower states to the shared space, and from cosines to logits.

Shape suffixes: B clips, F frames, D tower features, E embedding features.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from fcaps_pipeline.learn.dual_encoder.config import (
    FrameProjectorConfig,
    ProjectionConfig,
    ResidualProjectionConfig,
    TwoMlpsConfig,
)
from fcaps_pipeline.learn.dual_encoder.transformer import Transformer

MAX_LOG_SCALE = math.log(100.0)
"""Source: CLIP and CLSP clamp the logarithm of the scale to [0, ln 100]."""


class Projection(nn.Module):
    """A head into the shared space, then unit length.

    Source: `mlp` FineLAP, arXiv 2604.01155, global stream; `two_mlps` CLSP, arXiv 2601.03065; `residual`
    ParaSpeechCLAP, arXiv 2603.28737.
    """

    def __init__(self, config: ProjectionConfig, width: int, embedding_size: int) -> None:
        super().__init__()
        self.layers: nn.Module
        if isinstance(config, ResidualProjectionConfig):
            self.layers = _Residual(width, embedding_size, config.dropout)
        elif isinstance(config, TwoMlpsConfig):
            self.layers = nn.Sequential(
                _mlp(width, embedding_size), _mlp(embedding_size, embedding_size, config.dropout)
            )
        else:
            self.layers = _mlp(width, embedding_size)

    def forward(self, vectors_BD: torch.Tensor) -> torch.Tensor:
        """Returns `(B, E)` in float32, each of length one."""
        return functional.normalize(self.layers(vectors_BD).float(), dim=-1)


class FrameProjector(nn.Module):
    """Linear and a small Transformer over the frames, then unit length per frame.

    Source: the local stream of FineLAP, arXiv 2604.01155.
    """

    def __init__(self, config: FrameProjectorConfig, *, width: int, embedding_size: int) -> None:
        super().__init__()
        self.input = nn.Linear(width, embedding_size)
        self.transformer = Transformer(
            width=embedding_size,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            dropout=config.dropout,
        )

    def forward(self, frames_BFD: torch.Tensor, mask_BF: torch.Tensor) -> torch.Tensor:
        """Returns `(B, F, E)` in float32, zero at padded frames."""
        frames_BFE = self.transformer(self.input(frames_BFD), mask_BF).float()
        return functional.normalize(frames_BFE, dim=-1).masked_fill(~mask_BF[:, :, None], 0.0)


class LogitScale(nn.Module):
    """Learnt calibration of cosines: `scale * cosine + bias`, scale between 1 and 100.

    A scale beyond the clamp gets no gradient: call `clamp_` after each optimizer step.
    """

    def __init__(self, *, temperature: float, bias: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(bias))

    @property
    def scale(self) -> torch.Tensor:
        """The factor on cosines."""
        return self.log_scale.float().clamp(0.0, MAX_LOG_SCALE).exp()

    def forward(self, cosines: torch.Tensor) -> torch.Tensor:
        """Calibrated logits for sigmoid objectives, of the same shape."""
        return self.scale * cosines + self.bias.float()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Brings the stored logarithm of the scale back into its range."""
        self.log_scale.clamp_(0.0, MAX_LOG_SCALE)


def _mlp(width: int, embedding_size: int, dropout: float = 0.0) -> nn.Sequential:
    layers = [nn.Linear(width, embedding_size), nn.ReLU(), nn.Linear(embedding_size, embedding_size)]
    return nn.Sequential(*layers[:2], *([nn.Dropout(dropout)] if dropout else []), *layers[2:])


class _Residual(nn.Module):
    """LayerNorm(y + dropout(B gelu(y))) with y = A x; A and B without bias."""

    def __init__(self, width: int, embedding_size: int, dropout: float) -> None:
        super().__init__()
        self.input = nn.Linear(width, embedding_size, bias=False)
        self.change = nn.Sequential(
            nn.GELU(), nn.Linear(embedding_size, embedding_size, bias=False), nn.Dropout(dropout)
        )
        self.norm = nn.LayerNorm(embedding_size)

    def forward(self, vectors_BD: torch.Tensor) -> torch.Tensor:
        projected_BE = self.input(vectors_BD)
        normed_BE: torch.Tensor = self.norm(projected_BE + self.change(projected_BE))
        return normed_BE


def cosine_matrix(first: torch.Tensor, second_NE: torch.Tensor) -> torch.Tensor:
    """`(..., E)` against `(N, E)` of unit length gives `(..., N)`, in float32 also under autocast."""
    with torch.autocast(first.device.type, enabled=False):
        return first.float() @ second_NE.float().T

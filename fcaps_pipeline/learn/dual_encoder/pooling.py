"""One vector from a sequence of states; padding never counts.

Shape suffixes: B sequences, L positions (frames or tokens), D features.
"""

import torch
from torch import nn

from fcaps_pipeline.learn.dual_encoder.config import TextPooling

_SCORE_WIDTH = 128


class MeanPooling(nn.Module):
    """Mean over the valid positions."""

    def forward(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Returns `(B, D)`; every row has at least one valid position."""
        kept_BLD = states_BLD.float().masked_fill(~mask_BL[:, :, None], 0.0)
        return kept_BLD.sum(dim=1) / mask_BL.sum(dim=1, keepdim=True)


class AttentionPooling(nn.Module):
    """Mean weighted by learnt scores: `softmax_l(v . tanh(W x_l))` over the valid positions.

    Source: Lin et al., A Structured Self-attentive Sentence Embedding, 2017, one hop.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, _SCORE_WIDTH)
        self.score = nn.Linear(_SCORE_WIDTH, 1, bias=False)

    def forward(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Returns `(B, D)`; every row has at least one valid position."""
        scores_BL1: torch.Tensor = self.score(torch.tanh(self.hidden(states_BLD)))
        weights_BL = scores_BL1[:, :, 0].float().masked_fill(~mask_BL, float("-inf")).softmax(dim=1)
        kept_BLD = states_BLD.float().masked_fill(~mask_BL[:, :, None], 0.0)
        return (weights_BL[:, :, None] * kept_BLD).sum(dim=1)


class FirstPooling(nn.Module):
    """The state of the first position."""

    def forward(self, states_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Returns `(B, D)`; the mask is taken for the common form."""
        return states_BLD[:, 0].float()


def build_pooling(kind: TextPooling, width: int) -> nn.Module:
    """The pooling of that name for states of that width."""
    if kind == "attention":
        return AttentionPooling(width)
    return MeanPooling() if kind == "mean" else FirstPooling()

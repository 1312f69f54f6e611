"""Heads that help the audio tower to hear during training and are dropped at export.

The tower's positions restart every second, so a mean over the whole clip cannot tell a rise from a
fall: the heads read the means of six equal parts. Shapes: B clips, A audio positions, D width.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from fcaps_pipeline.synthesis.truth import ClipTruth, SpeechTruth

PARTS = 6
FACTS: dict[str, tuple[str, ...]] = {
    "gender": ("female", "male"),
    "pitch": ("low", "medium", "high"),
    "rate": ("slow", "measured", "fast"),
    "volume": ("soft", "moderate", "loud"),
    "loudness": ("steady", "rising", "falling"),
    "pitch_course": ("steady", "rising", "falling"),
    "rate_course": ("steady", "rising", "falling"),
    "pauses": ("none", "beginning", "middle", "end", "several"),
}
_NUM_MEASURES = 6


def pause_word(speech: SpeechTruth) -> str:
    """`none`, `several`, or the place of the only pause."""
    if not speech.pauses:
        return "none"
    return "several" if len(speech.pauses) > 1 else speech.pauses[0].place


class HelperHeads(nn.Module):
    """Classifies every fact and predicts the measured values behind them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(PARTS * width, 2 * width)
        self.speech = nn.Linear(2 * width, 2)
        self.facts = nn.ModuleDict({name: nn.Linear(2 * width, len(values)) for name, values in FACTS.items()})
        self.measures = nn.Linear(2 * width, _NUM_MEASURES)

    def forward(self, audio_BAD: torch.Tensor, mask_BA: torch.Tensor, truths: list[ClipTruth]) -> torch.Tensor:
        """Mean loss over all heads; facts count only where somebody speaks."""
        hidden = functional.gelu(self.hidden(_part_means(audio_BAD, mask_BA).flatten(1)))
        spoken = [truth.speech for truth in truths]
        losses = [functional.cross_entropy(self.speech(hidden), torch.tensor([int(s is not None) for s in spoken]))]
        rows = [index for index, speech in enumerate(spoken) if speech is not None]
        speeches = [speech for speech in spoken if speech is not None]
        if not rows:
            return losses[0]
        heard = hidden[rows]
        for name, values in FACTS.items():
            words = [pause_word(s) if name == "pauses" else getattr(s, name) for s in speeches]
            target = torch.tensor([values.index(word) for word in words])
            losses.append(functional.cross_entropy(self.facts[name](heard), target))
        measures = torch.tensor([_measures(speech) for speech in speeches])
        losses.append(4.0 * functional.smooth_l1_loss(self.measures(heard).float(), measures))
        return torch.stack(losses).mean()


def _measures(speech: SpeechTruth) -> list[float]:
    """Measured values on scales of about one."""
    return [
        math.log2(speech.f0_median_hz / 140.0),
        math.log2(speech.articulation_rate_hz / 4.5),
        (speech.loudness_lufs + 25.0) / 10.0,
        speech.loudness_change_db / 10.0,
        speech.pitch_change_semitones / 4.0,
        2.0 * math.log2(speech.rate_change_ratio),
    ]


def _part_means(audio_BAD: torch.Tensor, mask_BA: torch.Tensor) -> torch.Tensor:
    """Means over six equal parts of each clip, `(B, 6, D)`."""
    place = torch.arange(mask_BA.shape[1])[None] * PARTS // mask_BA.sum(1, keepdim=True)
    member_BPA = (place[:, None] == torch.arange(PARTS)[None, :, None]) & mask_BA[:, None]
    weights = member_BPA.to(audio_BAD.dtype)
    return weights @ audio_BAD / weights.sum(-1, keepdim=True).clamp(min=1.0)

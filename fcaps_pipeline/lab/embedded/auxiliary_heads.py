"""Heads that help the captioner to hear and to understand during training, and are dropped at export.

Two places are helped. The audio tower: its positions restart every second, so a mean over the whole clip
cannot tell a rise from a fall, and the heads read the means of six equal parts. The text model: heads read the
place after the audio, below the last layer. All answers see it, so that all find every fact in the same place;
what the heads decide there is what both captions learn to say at the end of training.
What happens when is asked at every audio position of either place; of the text model also which second that is,
because nothing that enters it tells the time.
Shapes: B clips, A audio positions, N positions of all clips, D width, C inputs of the heads, P phrases.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from fcaps_pipeline.lab.embedded.architecture import MAX_SPEECH_S
from fcaps_pipeline.lab.embedded.timed_events import PHRASES, happening, position_times_s
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth

PARTS = 6
FACTS: dict[str, tuple[str, ...]] = {
    "gender": ("female", "male"),
    "voice_quality": ("modal", "whisper"),
    "pitch": ("low", "medium", "high"),
    "rate": ("slow", "measured", "fast"),
    "volume": ("soft", "moderate", "loud"),
    "loudness": ("steady", "rising", "falling"),
    "pitch_course": ("steady", "rising", "falling"),
    "rate_course": ("steady", "rising", "falling"),
    "pauses": ("none", "beginning", "middle", "end", "several"),
}
_NUM_MEASURES = 6
_MEASURES_WEIGHT = 4.0
_SECONDS_WEIGHT = 0.1
_UNKNOWN = -100
"""What cross entropy leaves out."""


def pause_word(speech: SpeechTruth) -> str:
    """`none`, `several`, or the place of the only pause."""
    if not speech.pauses:
        return "none"
    return "several" if len(speech.pauses) > 1 else speech.pauses[0].place


class AuxiliaryHeads(nn.Module):
    """The heads of both places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tower = FactHeads(PARTS * width, 2 * width)
        self.answer = FactHeads(width, 2 * width)
        self.tower_places = nn.Linear(width, len(PHRASES))
        self.places = nn.Linear(width, len(PHRASES))
        self.seconds = nn.Linear(width, MAX_SPEECH_S)

    def heard(self, audio_BAD: torch.Tensor, mask_BA: torch.Tensor, truths: list[ClipTruth]) -> torch.Tensor:
        """Loss of what the audio tower heard, and where."""
        loss: torch.Tensor = self.tower(_part_means(audio_BAD, mask_BA).flatten(1), truths)
        return loss + _happening_loss(self.tower_places(audio_BAD[mask_BA]), mask_BA, truths)

    def understood(
        self, place_BD: torch.Tensor, audio_ND: torch.Tensor, mask_BA: torch.Tensor, truths: list[ClipTruth]
    ) -> torch.Tensor:
        """Loss of what the text model knows after the audio, and at each of its positions.

        Args:
            place_BD: states after the audio.
            audio_ND: states at the audio positions, clip after clip.
            mask_BA: the positions that belong to a clip.
            truths: of the clips.
        """
        loss: torch.Tensor = self.answer(place_BD, truths)
        times_A = position_times_s(mask_BA.shape[1]).to(mask_BA.device)
        seconds_N = times_A.long().expand(mask_BA.shape)[mask_BA]
        timed = functional.cross_entropy(self.seconds(audio_ND).float(), seconds_N)
        return loss + _happening_loss(self.places(audio_ND), mask_BA, truths) + _SECONDS_WEIGHT * timed

    def decided(self, place_BD: torch.Tensor, truths: list[ClipTruth]) -> list[ClipTruth]:
        """What the text model takes each clip for after the audio, in place of the truths."""
        return self.answer.decided(place_BD, truths)


class FactHeads(nn.Module):
    """Classifies every fact and predicts the measured values behind them."""

    def __init__(self, num_inputs: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(num_inputs, width)
        self.speech = nn.Linear(width, 2)
        self.facts = nn.ModuleDict({name: nn.Linear(width, len(values)) for name, values in FACTS.items()})
        self.measures = nn.Linear(width, _NUM_MEASURES)

    def forward(self, inputs_BC: torch.Tensor, truths: list[ClipTruth]) -> torch.Tensor:
        """Mean loss over all heads; facts count only where somebody speaks and the truth has them."""
        hidden = functional.gelu(self.hidden(inputs_BC))
        spoken = [truth.speech for truth in truths]
        device = hidden.device
        is_speech = torch.tensor([int(s is not None) for s in spoken], device=device)
        losses = [functional.cross_entropy(self.speech(hidden), is_speech)]
        rows = [index for index, speech in enumerate(spoken) if speech is not None]
        speeches = [speech for speech in spoken if speech is not None]
        if not rows:
            return losses[0]
        heard = hidden[rows]
        for name in FACTS:
            target = torch.tensor([_place(name, speech) for speech in speeches])
            if bool((target != _UNKNOWN).any()):
                logits = self.facts[name](heard)
                losses.append(functional.cross_entropy(logits, target.to(device), ignore_index=_UNKNOWN))
        measures = torch.tensor([_measures(speech) for speech in speeches], device=device)
        known = ~measures.isnan()
        distance = functional.smooth_l1_loss(self.measures(heard).float()[known], measures[known])
        return torch.stack([*losses, _MEASURES_WEIGHT * distance]).mean()

    def decided(self, inputs_BC: torch.Tensor, truths: list[ClipTruth]) -> list[ClipTruth]:
        """The truths with the likeliest value of every fact; pauses, whose times no head tells, stay as they are.

        So do truths without speech, and those of clips that are taken for such.
        """
        hidden = functional.gelu(self.hidden(inputs_BC))
        is_speech = self.speech(hidden).argmax(-1).tolist()
        values = {name: self.facts[name](hidden).argmax(-1).tolist() for name in FACTS if name != "pauses"}
        decisions = []
        for row, truth in enumerate(truths):
            if truth.speech is None or not is_speech[row]:
                decisions.append(truth)
                continue
            words: dict[str, str | None] = {name: FACTS[name][places[row]] for name, places in values.items()}
            if words["voice_quality"] == "whisper":
                words |= {"pitch": None, "pitch_course": "steady"}
            decisions.append(truth.model_copy(update={"speech": truth.speech.model_copy(update=words)}))
        return decisions


def _place(name: str, speech: SpeechTruth) -> int:
    """Index of the true value of a fact."""
    word = pause_word(speech) if name == "pauses" else getattr(speech, name)
    return _UNKNOWN if word is None else FACTS[name].index(word)


def _measures(speech: SpeechTruth) -> list[float]:
    """Measured values on scales of about one; NaN for what a whisper lacks."""
    return [
        math.nan if speech.f0_median_hz is None else math.log2(speech.f0_median_hz / 140.0),
        math.log2(speech.articulation_rate_hz / 4.5),
        (speech.loudness_lufs + 25.0) / 10.0,
        speech.loudness_change_db / 10.0,
        math.nan if speech.pitch_change_semitones is None else speech.pitch_change_semitones / 4.0,
        2.0 * math.log2(speech.rate_change_ratio),
    ]


def _happening_loss(logits_NP: torch.Tensor, mask_BA: torch.Tensor, truths: list[ClipTruth]) -> torch.Tensor:
    """Loss of what is said to happen at each audio position, against what does."""
    labels_BAP = happening(truths, mask_BA.shape[1]).to(mask_BA.device)
    return functional.binary_cross_entropy_with_logits(logits_NP.float(), labels_BAP[mask_BA])


def _part_means(audio_BAD: torch.Tensor, mask_BA: torch.Tensor) -> torch.Tensor:
    """Means over six equal parts of each clip, `(B, 6, D)`."""
    device = mask_BA.device
    place = torch.arange(mask_BA.shape[1], device=device)[None] * PARTS // mask_BA.sum(1, keepdim=True)
    member_BPA = (place[:, None] == torch.arange(PARTS, device=device)[None, :, None]) & mask_BA[:, None]
    weights = member_BPA.to(audio_BAD.dtype)
    return weights @ audio_BAD / weights.sum(-1, keepdim=True).clamp(min=1.0)

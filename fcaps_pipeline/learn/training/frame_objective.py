"""The frame stream: are the asked phrases heard in each frame of a row.

Enters: embedded frames and the phrases each row is asked about. Leaves: one loss per row, which does
not depend on other rows, so that gradient caching and ranks need no frames of each other.

Shape suffixes: B rows, F frames, P phrases of a row, U distinct phrases, E embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.losses import RowLosses, frame_losses
from fcaps_pipeline.learn.training.targets import frame_labels
from fcaps_pipeline.learn.training.text_sampling import LabelledPhrase

_STAND_IN = "a"


def phrase_losses(
    model: DualEncoder,
    frames_BFE: Tensor,
    mask_BF: Tensor,
    asked: Sequence[tuple[LabelledPhrase, ...]],
    segment_ids: Sequence[str],
) -> RowLosses:
    """Embeds each phrase once and compares it with the frames of the rows that are asked about it.

    Args:
        model: reads the phrases and calibrates the cosines.
        frames_BFE: embedded frames.
        mask_BF: True for the frames of the row.
        asked: phrases of each row; none for a row without events.
        segment_ids: of the rows, for messages.

    Raises:
        UsageError: a phrase is too long for the text tower, where long texts are refused.
    """
    # Without phrases the towers are passed all the same, because other ranks may have some and wait there.
    names = sorted({one.phrase for phrases in asked for one in phrases}) or [_STAND_IN]
    device = mask_BF.device
    index_BP, present_BP, label_BFP = _targets(names, asked, mask_BF.shape[1], model.frame_rate_hz)
    phrase_UE = model.encode_tokens(model.tokenizer(names, _owners(names, asked, segment_ids)))
    with torch.autocast(device.type, enabled=False):
        cosines_BFP = frames_BFE.float() @ phrase_UE.float()[index_BP.to(device)].transpose(1, 2)
    return frame_losses(
        cosines_BFP,
        label_BFP.to(device),
        frame_present_BT=mask_BF,
        phrase_present_BP=present_BP.to(device),
        scale=model.frame_scale.scale,
        bias=model.frame_scale.bias,
    )


def _owners(names: Sequence[str], asked: Sequence[tuple[LabelledPhrase, ...]], segment_ids: Sequence[str]) -> list[str]:
    """For each phrase a Segment in which it is heard."""
    rows = zip(segment_ids, asked, strict=True)
    heard = {one.phrase: segment_id for segment_id, phrases in rows for one in phrases if one.spans_s}
    return [heard.get(name, "another row of the corpus") for name in names]


def _targets(
    names: Sequence[str], asked: Sequence[tuple[LabelledPhrase, ...]], num_frames: int, frames_per_s: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which phrase stands where in each row, where there is one, and in which frames it is heard."""
    number = {name: index for index, name in enumerate(names)}
    num_phrases = max(map(len, asked), default=0)
    index_BP = torch.zeros(len(asked), num_phrases, dtype=torch.long)
    present_BP = torch.zeros(len(asked), num_phrases, dtype=torch.bool)
    label_BFP = torch.zeros(len(asked), num_frames, num_phrases)
    for row, phrases in enumerate(asked):
        for place, one in enumerate(phrases):
            index_BP[row, place], present_BP[row, place] = number[one.phrase], True
            label_BFP[row, :, place] = frame_labels(one.spans_s, num_frames=num_frames, frames_per_s=frames_per_s)
    return index_BP, present_BP, label_BFP

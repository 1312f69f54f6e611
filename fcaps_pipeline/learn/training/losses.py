"""The losses of contrastive training, each a pure function of cosines and targets.

Enters: cosines between normalised embeddings, `PairTargets` or labels, and the learnable scale and
bias, where scale is 1 / temperature. Leaves: one number, or one number per row where rows do not
meet each other (`tag_losses`, `frame_losses`); such numbers are gathered from all ranks and put
together by `mean_of_rows`.

Masks enter as factors 0 or summands of minus infinity, never by overwriting: a NaN at a masked
place makes the loss NaN. Its gradient would be NaN too, and `require_finite` must see it.

Shape suffixes: B rows, N texts, H hard negatives of a row, G tags, T frames, P phrases, D embedding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fcaps_pipeline.errors import TrainingError
from fcaps_pipeline.learn.training.targets import PairTargets

_MAX_NAMED = 8


@dataclass(frozen=True)
class HardNegatives:
    """Texts made false for one row on purpose, such as its caption with one attribute changed."""

    cosines_BH: Tensor
    """Between each row and its own hard negatives."""
    present_BH: Tensor
    """False at padding."""


@dataclass(frozen=True)
class RowLosses:
    """Losses of rows that do not depend on other rows."""

    loss_B: Tensor
    """0 where the row does not count."""
    counted_B: Tensor
    """1 where the row has something to learn from, else 0; of the type of the losses."""


def cosines(embedding_BD: Tensor, other_ND: Tensor) -> Tensor:
    """cosines_BN of normalised embeddings; in float32 at least, also under autocast.

    bfloat16 has 8 bits of precision: times a scale of 100 a cosine would be off by 0.4.
    """
    with torch.autocast(embedding_BD.device.type, enabled=False):
        return _wide(embedding_BD) @ _wide(other_ND).T


def info_nce(
    cosines_BN: Tensor, targets: PairTargets, scale: Tensor | float, hard: HardNegatives | None = None
) -> Tensor:
    """Symmetric InfoNCE with one or more texts per row.

    With l = scale x cosines, o(n) the row of text n, w_n its weight, and softmax over all pairs that
    are not ignored::

        speech to text  S = -(1/B) sum_n w_n log softmax_m(l[o(n), m])[n]
        text to speech  Q = -(1/N) sum_n     log softmax_b(l[b, n])[o(n)]
        loss              = (S + Q) / 2

    With one text per row this is the loss of CLIP; with two, weights lambda and 1 - lambda, it is
    stage 2 of CLSP, (CE(L/tau, D) + CE(L^T/tau, D')) / 2. Hard negatives widen the softmax of their
    own row in S and no other: a text made false for one row may be true of another. Q has no place
    for them, because no row belongs to them.

    Args:
        cosines_BN: rows against texts, in the order of the targets.
        targets: positives and ignored pairs.
        scale: 1 / tau, above 0.
        hard: None for none.

    Source: van den Oord et al., arXiv 1807.03748; Radford et al., arXiv 2103.00020, figure 3; CLSP,
    arXiv 2601.03065, stage 2; hard negatives as in NegCLIP, arXiv 2210.01936, within the row.
    """
    logits_BN = scale * cosines_BN + _barrier(targets.ignored_BN, cosines_BN)
    choices = logits_BN
    if hard is not None:
        hard_BH = scale * hard.cosines_BH + _barrier(~hard.present_BH, hard.cosines_BH)
        choices = torch.cat([logits_BN, hard_BH], dim=1)
    text_N = torch.arange(len(targets.owner_N), device=cosines_BN.device)
    log_share_N = functional.log_softmax(choices, dim=1)[targets.owner_N, text_N]
    speech_to_text = -(targets.weight_N * log_share_N).sum() / len(cosines_BN)
    text_to_speech = functional.cross_entropy(logits_BN.T, targets.owner_N)
    return (speech_to_text + text_to_speech) / 2


def flip_choice_loss(own_cosines_B: Tensor, hard: HardNegatives, scale: Tensor | float) -> RowLosses:
    """Cross-entropy of a row's own text among its hard negatives alone.

    loss_b = -log softmax([l_own, l_flip_1, ...])[0], for rows that have hard negatives.

    Source: the third stage in the recipe code of CLSP, where it is added with a factor of 0.2.
    """
    hard_BH = scale * hard.cosines_BH + _barrier(~hard.present_BH, hard.cosines_BH)
    choices = torch.cat([scale * own_cosines_B[:, None], hard_BH], dim=1)
    counted_B = hard.present_BH.any(1).to(choices.dtype)
    return RowLosses(-functional.log_softmax(choices, dim=1)[:, 0] * counted_B, counted_B)


def sigmoid_loss(
    cosines_BN: Tensor,
    targets: PairTargets,
    scale: Tensor | float,
    bias: Tensor | float,
    hard: HardNegatives | None = None,
) -> Tensor:
    """Every pair is a question of its own: does the text belong to the row.

    loss = -(1/N) sum_bn log sigmoid(z_bn (scale x cosine_bn + bias)), z = +1 where text n belongs to
    row b and -1 elsewhere, over all pairs that are not ignored. Hard negatives are further pairs
    with z = -1.

    Args:
        cosines_BN: rows against texts, in the order of the targets.
        targets: positives and ignored pairs; the weights play no part.
        scale: 1 / tau, above 0. In both sources it starts at 10, which is `initial_temperature: 0.1` of a model; the
            default of a model is that of InfoNCE, 1 / 0.07.
        bias: starts at -10 by default, as in both sources, because nearly all pairs are negative.
        hard: None for none.

    Source: Zhai et al. (SigLIP), arXiv 2303.15343, equation 1; FineLAP, arXiv 2604.01155, L_clip.
    """
    sign_BN = targets.positive_BN.to(cosines_BN.dtype) * 2 - 1
    pair_BN = functional.logsigmoid(sign_BN * (scale * cosines_BN + bias))
    total = -(pair_BN * ~targets.ignored_BN).sum()
    if hard is not None:
        total = total - (functional.logsigmoid(-(scale * hard.cosines_BH + bias)) * hard.present_BH).sum()
    return total / len(targets.owner_N)


def tag_losses(
    cosines_BG: Tensor,
    label_BG: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    positive_weight_G: Tensor | None = None,
) -> RowLosses:
    """Multi-label classification of speech by its cosines with the embedded tags.

    loss_b = mean over g of BCE(sigmoid(scale x cosine_bg + bias), y_bg), where a tag that holds weighs w_g, for rows
    that have tags: of others it is not known which tags hold. Scale and bias are learnable, because bare
    cosines stay within 1 and no answer could become certain.

    Args:
        cosines_BG: rows against tags; a tag may be the normalised mean of several wordings.
        label_BG: 1 where the row has the tag, else 0.
        scale: above 0.
        bias: any; learnt from 0 on, it falls as long as most tags do not hold.
        positive_weight_G: of each tag where it holds, such as `positive_weights`; None is 1.

    Source: ParaSpeechCLAP, arXiv 2603.28737, classification loss; scale and bias as in SigLIP.
    """
    label_BG = label_BG.to(cosines_BG.dtype)
    each_BG = functional.binary_cross_entropy_with_logits(
        scale * cosines_BG + bias, label_BG, reduction="none", pos_weight=positive_weight_G
    )
    counted_B = (label_BG.sum(1) > 0).to(cosines_BG.dtype)
    return RowLosses(each_BG.mean(1) * counted_B, counted_B)


def frame_losses(
    cosines_BTP: Tensor,
    label_BTP: Tensor,
    *,
    frame_present_BT: Tensor,
    phrase_present_BP: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
) -> RowLosses:
    """Does each phrase happen in each frame.

    loss_b = mean over frames t and phrases p of row b of BCE(sigmoid(scale x cosine_btp + bias), y_btp),
    for rows that have phrases. Each row weighs the same, however long it is.

    Args:
        cosines_BTP: frames against the phrases of the same row, its own and drawn negatives.
        label_BTP: 1 where the phrase happens in the frame, else 0.
        frame_present_BT: False at padding.
        phrase_present_BP: False at padding; all False for a row without events.
        scale: 1 / tau_l, above 0; starts at 10.
        bias: b_l, starts at -10.

    Source: FineLAP, arXiv 2604.01155, L_frame.
    """
    entry_BTP = (frame_present_BT[:, :, None] & phrase_present_BP[:, None, :]).to(cosines_BTP.dtype)
    each_BTP = functional.binary_cross_entropy_with_logits(
        scale * cosines_BTP + bias, label_BTP.to(cosines_BTP.dtype), reduction="none"
    )
    num_entries_B = entry_BTP.sum((1, 2))
    loss_B = (each_BTP * entry_BTP).sum((1, 2)) / num_entries_B.clamp(min=1)
    return RowLosses(loss_B, (num_entries_B > 0).to(cosines_BTP.dtype))


def mean_of_rows(losses: RowLosses) -> Tensor:
    """Mean over the rows that count; 0, with a graph, where none does."""
    return losses.loss_B.sum() / losses.counted_B.sum().clamp(min=1)


def require_finite(value: Tensor | float, step: int, segment_ids: Sequence[str], name: str = "loss") -> None:
    """Stops training before a broken number reaches the weights.

    Args:
        value: one number, such as the loss or the norm of the gradient.
        step: for the message.
        segment_ids: of the batch, for the message, which names the first few.
        name: what the value is, for the message.

    Raises:
        TrainingError: the value is NaN or infinite.
    """
    number = float(value)
    if not math.isfinite(number):
        more = f" and {len(segment_ids) - _MAX_NAMED} more" if len(segment_ids) > _MAX_NAMED else ""
        raise TrainingError(
            f"{name} at step {step} is {number}, expected a finite number, on Segments "
            f"{', '.join(segment_ids[:_MAX_NAMED])}{more}; lower the learning rate, lengthen the warm-up or turn bf16 "
            "off, and start into another --out, with init_from: the folder `last` of this run"
        )


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _barrier(closed: Tensor, like: Tensor) -> Tensor:
    """Minus infinity where a pair takes no part, else 0."""
    return torch.zeros_like(like).masked_fill(closed, -torch.inf)

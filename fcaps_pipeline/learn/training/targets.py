"""Which speech belongs to which text in a batch, and which pairs say nothing.

Enters: the texts, tags, phrases and events of a batch. Leaves: what the losses compare with. A row
is a Segment with its captions; a row may bring several texts, one per slot. Texts of all slots
stand in one list, slot by slot, as in CLSP: text n belongs to row n modulo B.

Shape suffixes: B rows, K slots, N = K x B texts, R rows of a corpus, G tags, T frames, D embedding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import StatedAttributes
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.training.phrase_clusters import normalised


@dataclass(frozen=True)
class PairTargets:
    """Where the positives of a batch are, and which pairs are neither positive nor negative."""

    owner_N: Tensor
    """Row that each text describes."""
    weight_N: Tensor
    """Share of each text in the speech-to-text target of its row; the shares of a row add up to 1."""
    ignored_BN: Tensor
    """True where a text of another row may describe this row as well; never at a positive."""

    @property
    def positive_BN(self) -> Tensor:
        """True where the text belongs to the row."""
        rows_B = torch.arange(len(self.ignored_BN), device=self.owner_N.device)
        return rows_B[:, None] == self.owner_N[None, :]


def pair_targets(key_KB: Tensor, audio_B: Tensor, weights: Sequence[float]) -> PairTargets:
    """Targets of one or more texts per row, with equal texts and equal audio taken out, where the keys lie.

    A pair is ignored where the text belongs to another row, but is equal to any text of this one, or
    the other row has the same audio, as the copies of a row have. What differs in one attribute stays: it is the
    negative that teaches most. The losses leave such pairs out of their sums instead of sharing the target among
    them: for equal texts nothing is lost, because each of them still draws its own row, and the loss keeps 0 as its
    floor, while shared targets could not fall below their entropy. The texts of a row itself are never ignored: they
    are its positives.

    Args:
        key_KB: what the texts are equal by, slot by slot, see `text_keys`.
        audio_B: what the audio is equal by.
        weights: share of each slot in the speech-to-text target; (lambda, 1 - lambda) in CLSP.

    Raises:
        UsageError: slots and audio differ in length, or a weight is not positive, or they do not add up to 1.

    Source: CLSP (arXiv 2601.03065), stage 2, for the stacked texts and their weights.
    """
    num_slots, num_rows = key_KB.shape
    if len(weights) != num_slots or min(weights) <= 0 or abs(sum(weights) - 1) > 1e-6:
        raise UsageError(
            f"text weights {tuple(weights)}: expected {num_slots} positive numbers that add up to 1; "
            "choose lambda between 0 and 1"
        )
    if len(audio_B) != num_rows:
        raise UsageError(f"{num_rows} texts a slot for {len(audio_B)} audios: give every row as many texts")
    owner_N = torch.arange(num_rows, device=key_KB.device).repeat(num_slots)
    ignored_BN = (key_KB[:, :, None] == key_KB.flatten()).any(0)
    ignored_BN |= audio_B[:, None] == audio_B[owner_N]
    ignored_BN &= owner_N != torch.arange(num_rows, device=key_KB.device)[:, None]
    weight_N = torch.tensor(weights, device=key_KB.device).repeat_interleave(num_rows)
    return PairTargets(owner_N, weight_N, ignored_BN)


def text_keys(texts: Sequence[str], *, by_claims: bool = False) -> Tensor:
    """key_N, 64 bits: equal for texts with the same words in the same order, whatever case and punctuation.

    Args:
        texts: N texts.
        by_claims: equal also for texts that state the same of a voice, as `attributes.reading` reads them.
    """
    return torch.tensor([_key(_claims(text) if by_claims else normalised(text)) for text in texts], dtype=torch.int64)


def audio_keys(audio_ids: Sequence[str]) -> Tensor:
    """key_B, 64 bits, of names of audio: equal ones mean the same audio."""
    return torch.tensor([_key(one) for one in audio_ids], dtype=torch.int64)


def _claims(text: str) -> str:
    """A text that states nothing is equal to those with the same words alone."""
    stated = read_attributes(text)
    return repr(stated) if stated != StatedAttributes() else normalised(text)


def _key(content: str) -> int:
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big", signed=True)


def stack_slots(text_BKD: Tensor) -> Tensor:
    """Brings embeddings that stand row by row into the order of `PairTargets`: text_ND."""
    return text_BKD.transpose(0, 1).flatten(0, 1)


def frame_labels(spans_s: Sequence[tuple[float, float]], *, num_frames: int, frames_per_s: float) -> Tensor:
    """label_T: 1 where the middle of a frame lies in one of the spans of a phrase, else 0.

    Args:
        spans_s: (start, end) from the start of the audio the frames were made of, end excluded.
        num_frames: frames of the audio.
        frames_per_s: frame rate of the tower.
    """
    middle_T = (torch.arange(num_frames, dtype=torch.float64) + 0.5) / frames_per_s
    label_T = torch.zeros(num_frames)
    for start_s, end_s in spans_s:
        label_T[(middle_T >= start_s) & (middle_T < end_s)] = 1
    return label_T


def positive_weights(label_RG: npt.NDArray[np.bool_], cap: float) -> npt.NDArray[np.float64]:
    """weight_G of the rows that have a tag: rows without it / rows with it, from 1 to a cap; 1 where no row has it.

    It balances the two sides of each question and leaves every tag as important as the next, so that no handful of
    rows carries the gradient.

    Source: `pos_weight` of torch's binary cross-entropy; the cap is this project's.
    """
    count_G = label_RG.sum(0)
    lacking_G = (len(label_RG) - count_G) / np.maximum(count_G, 1)
    weight_G: npt.NDArray[np.float64] = np.clip(lacking_G, 1.0, np.where(count_G > 0, cap, 1.0))
    return weight_G


def inverse_frequency(label_RG: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """weight_G: 1 / (rows with the tag), scaled to a mean of 1 over the tags that occur.

    A tag that no row has weighs 0: there is nothing to learn about it.

    Source: ParaSpeechCLAP (arXiv 2603.28737), class-balanced sampler.
    """
    count_G = label_RG.sum(0)
    weight_G: npt.NDArray[np.float64] = np.divide(1.0, count_G, out=np.zeros(len(count_G)), where=count_G > 0)
    return weight_G * (count_G > 0).sum() / weight_G.sum() if weight_G.any() else weight_G


def row_weights(label_RG: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """weight_R for drawing rows: the mean weight of the tags of a row, w_r = mean over g in r of w_g.

    A row without tags weighs as much as the commonest tag, so that it is drawn, but not often. The
    weights are all 1 where no row has a tag.

    Source: ParaSpeechCLAP (arXiv 2603.28737), class-balanced sampler.
    """
    weight_G = inverse_frequency(label_RG)
    if not weight_G.any():
        return np.ones(len(label_RG))
    num_tags_R = label_RG.sum(1)
    weight_R = (label_RG @ weight_G) / np.maximum(num_tags_R, 1)
    return np.where(num_tags_R > 0, weight_R, weight_G[weight_G > 0].min())

"""Which speech belongs to which text in a batch, and which pairs say nothing.

Enters: the texts, tags, phrases and events of a batch. Leaves: what the losses compare with. A row
is a Segment with its captions; a row may bring several texts, one per slot. Texts of all slots
stand in one list, slot by slot, as in CLSP: text n belongs to row n modulo B.

Shape suffixes: B rows, K slots, N = K x B texts, U distinct texts, V words, R rows of a corpus,
G tags, T frames, D embedding.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.training.phrase_clusters import normalised, phrase_cluster


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

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return type(self)(self.owner_N.to(device), self.weight_N.to(device), self.ignored_BN.to(device))


def pair_targets(
    texts_by_slot: Sequence[Sequence[str]],
    *,
    audio_ids: Sequence[str],
    weights: Sequence[float],
    min_similarity: float | None,
) -> PairTargets:
    """Targets of one or more texts per row, with identical and near-identical texts and audio taken out.

    A pair is ignored where the text belongs to another row, but resembles any text of this one
    (`alike`), or the other row has the same audio, as the copies of a row have. The losses leave
    such pairs out of their sums instead of sharing the target among them: a shared target claims
    that the text is true of the row, and word overlap cannot know that, for a caption with one
    attribute changed overlaps almost whole. Left out, a wrong guess costs one negative of many;
    shared, it would teach the opposite of the changed attribute. For identical texts nothing is
    lost, because each of them still draws its own row, and the loss keeps 0 as its floor, while
    shared targets could not fall below their entropy. The texts of a row itself are never ignored:
    they are its positives.

    Args:
        texts_by_slot: K lists of B texts.
        audio_ids: B names of the audio; equal ones mean the same audio.
        weights: share of each slot in the speech-to-text target; (lambda, 1 - lambda) in CLSP.
        min_similarity: see `alike`.

    Raises:
        UsageError: slots or audio differ in length, or a weight is not positive, or they do not add up to 1.

    Source: CLSP (arXiv 2601.03065), stage 2, for the stacked texts and their weights.
    """
    num_rows = len(texts_by_slot[0])
    if len(weights) != len(texts_by_slot) or min(weights) <= 0 or abs(sum(weights) - 1) > 1e-6:
        raise UsageError(
            f"text weights {tuple(weights)}: expected {len(texts_by_slot)} positive numbers that add up to 1; "
            "choose lambda between 0 and 1"
        )
    if any(len(texts) != num_rows for texts in (*texts_by_slot, audio_ids)):
        raise UsageError(
            f"slots with {[len(texts) for texts in texts_by_slot]} texts for {len(audio_ids)} audios: "
            "give every row as many texts"
        )
    alike_NN = alike([text for texts in texts_by_slot for text in texts], min_similarity)
    owner_N = torch.arange(num_rows).repeat(len(texts_by_slot))
    ignored_BN = alike_NN.reshape(len(texts_by_slot), num_rows, len(owner_N)).any(0)
    ignored_BN |= _equal(audio_ids)[:, owner_N]
    ignored_BN[owner_N, torch.arange(len(owner_N))] = False
    return PairTargets(owner_N, torch.tensor(weights).repeat_interleave(num_rows), ignored_BN)


def stack_slots(text_BKD: Tensor) -> Tensor:
    """Brings embeddings that stand row by row into the order of `PairTargets`: text_ND."""
    return text_BKD.transpose(0, 1).flatten(0, 1)


def alike(texts: Sequence[str], min_similarity: float | None) -> Tensor:
    """Pairs of texts that are equal once normalised, or share most of their words.

    Jaccard index of the sets of words, |A and B| / |A or B|. It does not see word order: under it
    "slow, then fast" and "fast, then slow" are alike.

    Args:
        texts: N texts.
        min_similarity: Jaccard index from which two texts are alike, above 0 and up to 1; None
            counts equal texts only.

    Returns:
        Boolean alike_NN on the CPU, symmetric, true on the diagonal.

    Source: P. Jaccard, New Phytologist 11, 1912.
    """
    words = [normalised(text) for text in texts]
    kinds = _numbers(words)
    kind_N = torch.tensor([kinds[one] for one in words], dtype=torch.long)
    alike_UU = torch.eye(len(kinds), dtype=torch.bool)
    if min_similarity is not None:
        alike_UU |= _jaccard([kind.split() for kind in kinds]) >= min_similarity
    return alike_UU[kind_N][:, kind_N]


def _numbers(values: Sequence[str]) -> dict[str, int]:
    """A number for each distinct value, from 0."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def _equal(values: Sequence[str]) -> Tensor:
    """equal_BB: True where two values are equal."""
    numbers = _numbers(values)
    number_B = torch.tensor([numbers[value] for value in values], dtype=torch.long)
    return number_B[:, None] == number_B[None, :]


def _jaccard(words_by_text: Sequence[Sequence[str]]) -> Tensor:
    """One matrix product instead of a loop over pairs: counts stay exact in float32."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(w for words in words_by_text for w in words))}
    present_UV = torch.zeros(len(words_by_text), len(numbers))
    for row, words in enumerate(words_by_text):
        present_UV[row, [numbers[word] for word in words]] = 1
    common_UU = (present_UV @ present_UV.T).double()
    size_U = present_UV.sum(1).double()
    return common_UU / (size_U[:, None] + size_U[None, :] - common_UU).clamp(min=1)


def draw_negative_phrases(
    own: Sequence[str], pool: Sequence[str], *, count: int, generator: np.random.Generator
) -> tuple[str, ...]:
    """Draws phrases that the row does not contain, each from another cluster.

    See `phrase_cluster` for what a cluster is. Clusters of the row's own phrases are left out; of
    each other cluster at most one phrase is drawn, all clusters being equally likely however many
    phrases they hold.

    Args:
        own: phrases of the events of the row.
        pool: phrases to draw from, such as all of the batch.
        count: phrases to draw, at most; fewer where the pool has fewer clusters.
        generator: decides the draw together with the order of the pool.

    Source: FineLAP (arXiv 2604.01155), cluster sampling; 20 phrases per row there, own ones included.
    """
    taken = {phrase_cluster(phrase) for phrase in own}
    clusters: dict[Hashable, list[str]] = {}
    for phrase in pool:
        if phrase_cluster(phrase) not in taken:
            clusters.setdefault(phrase_cluster(phrase), []).append(phrase)
    others = list(clusters.values())
    chosen = generator.permutation(len(others))[:count]
    return tuple(others[index][generator.integers(len(others[index]))] for index in chosen)


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

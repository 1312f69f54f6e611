"""Retrieval in both directions: which caption fits a clip, and which clip fits a caption.

Enters: embeddings of clips and of captions, any number of captions per clip. Leaves: R@1, R@5, R@10, median rank
and mAP@10 per granularity, with intervals that come from drawing clips, or the speakers they are of.

Captions with equal text count once. The gallery of texts holds each text once, and each text is one query. A clip
and a text belong together when any caption of the clip has that text, so a text that several clips share has
several right answers. From speech to text with one caption per clip this is ParaSpeechCLAP's rule, which ranks a
clip's text among the unique texts; ParaSpeechCLAP has no other direction. CLSP leaves equal captions
apart, each with one right answer; both agree where no two captions are equal.

A wrong answer whose cosine equals that of the right one, or differs by less than rounding, stands before it, so a
model that maps everything to one point ranks last instead of at random, and the order of the input changes nothing.
Suffixes: Q queries, G gallery, D embedding, E right pairs, M captions, U unique texts, K the first ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import (
    Estimate,
    Floats,
    Positions,
    mean_estimates,
    mean_of_means_estimate,
    metric_estimates,
)
from fcaps_pipeline.learn.evaluation.metrics.embeddings import Embeddings, unit_rows
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity

_DEPTH = 10
_RECALLS = (1, 5, 10)
_ROUNDING = 1e-6
"""Cosines closer than this are equal: a float32 sum over hundreds of products depends on its order by as much."""
BLOCK_BYTES = 1 << 28
"""Memory for the scores of one block of queries."""


class DirectionScores(Record):
    """Retrieval in one direction."""

    recall_at_1: Estimate
    """Share of queries whose best right answer stands first."""
    recall_at_5: Estimate
    recall_at_10: Estimate
    median_rank: Estimate
    """Median place of the best right answer, counted from 1."""
    map_at_10: Estimate
    num_queries: int
    num_gallery: int


class GranularityScores(Record):
    """Retrieval with the captions of one granularity."""

    speech_to_text: DirectionScores
    text_to_speech: DirectionScores
    num_clips: int
    num_captions: int
    num_texts: int
    """Captions with equal ones counted once."""


class RetrievalScores(Record):
    """Retrieval with all granularities."""

    granularities: dict[Granularity, GranularityScores]
    mean_map_at_10: Estimate
    """mAP@10 averaged over granularities and directions."""


@dataclass(frozen=True)
class Captions:
    """Captions of one granularity."""

    embeddings_MD: Embeddings
    texts: Sequence[str]
    clips: Sequence[int]
    """Row of the clip that each caption describes."""


@dataclass(frozen=True)
class QueryRanks:
    """What became of each query of one direction."""

    ranks_Q: npt.NDArray[np.int64]
    """RankContext of the best right answer, counted from 1."""
    average_precisions_Q: Floats
    """AP@10."""
    clips_Q: Positions
    """The clip with which a query is drawn: itself, or the first that has the text."""
    num_gallery: int


Ranked = tuple[QueryRanks, QueryRanks]
"""From speech to text, and from text to speech."""


@dataclass(frozen=True)
class _Relevance:
    """Pairs that belong together, sorted by text; `first_U` is a caption with each text."""

    clips_E: Positions
    texts_E: Positions
    first_U: Positions


def score_retrieval(
    clips_ND: Embeddings,
    captions: Mapping[Granularity, Captions],
    rng: np.random.Generator,
    *,
    units_N: Positions | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> tuple[RetrievalScores, dict[Granularity, Ranked]]:
    """Scores every granularity in both directions; beside the scores what became of every query.

    Args:
        clips_ND: one row per clip. All clips are in the gallery; those without a caption are no query.
        captions: at least one granularity.
        rng: draws units for the intervals; the gallery stays whole in every draw.
        units_N: unit of each clip, any numbers; None draws single clips. A text is drawn with its first clip.
        block_bytes: memory for scores, whatever the number of clips and texts.

    Raises:
        UsageError: nothing to score, an embedding is zero or not finite, or a caption names no clip.
    """
    if not captions:
        raise UsageError("there are no captions to retrieve with; the evaluation set has none of any granularity")
    scores: dict[Granularity, GranularityScores] = {}
    units_N = np.arange(len(clips_ND)) if units_N is None else units_N
    ranked: dict[Granularity, Ranked] = {}
    parts: list[tuple[Floats, Positions]] = []
    for granularity, of_granularity in captions.items():
        to_text, to_speech = rank_queries(clips_ND, of_granularity, block_bytes=block_bytes)
        ranked[granularity] = to_text, to_speech
        parts += [(one.average_precisions_Q, units_N[one.clips_Q]) for one in (to_text, to_speech)]
        scores[granularity] = GranularityScores(
            speech_to_text=_summary(to_text, units_N, rng),
            text_to_speech=_summary(to_speech, units_N, rng),
            num_clips=len(clips_ND),
            num_captions=len(of_granularity.texts),
            num_texts=len(to_speech.ranks_Q),
        )
    return RetrievalScores(granularities=scores, mean_map_at_10=mean_of_means_estimate(parts, rng)), ranked


def rank_figures(ranks_Q: npt.NDArray[np.int64], average_precisions_Q: Floats) -> tuple[float, ...]:
    """R@1, R@5, R@10, median rank and mAP@10 of some queries."""
    recalls = [float((ranks_Q <= depth).mean()) for depth in _RECALLS]
    return (*recalls, float(np.median(ranks_Q)), float(average_precisions_Q.mean()))


def rank_queries(
    clips_ND: Embeddings, captions: Captions, *, block_bytes: int = BLOCK_BYTES
) -> tuple[QueryRanks, QueryRanks]:
    """Ranks and AP@10 of every query, from speech to text and from text to speech.

    Raises:
        UsageError: as `score_retrieval`.
    """
    relevance = _relevance(captions, len(clips_ND))
    clips_GD = unit_rows(clips_ND, "clip")
    texts_UD = unit_rows(captions.embeddings_MD, "caption")[torch.from_numpy(relevance.first_U)]
    if clips_GD.shape[1] != texts_UD.shape[1]:
        raise UsageError(f"embeddings of clips have {clips_GD.shape[1]} values, those of captions {texts_UD.shape[1]}")
    order = np.argsort(relevance.clips_E, kind="stable")
    asked_Q, queries_E = np.unique(relevance.clips_E[order], return_inverse=True)
    to_text = _rank(clips_GD[torch.from_numpy(asked_Q)], texts_UD, queries_E, relevance.texts_E[order], block_bytes)
    to_speech = _rank(texts_UD, clips_GD, relevance.texts_E, relevance.clips_E, block_bytes)
    homes_U = np.asarray(captions.clips, dtype=np.intp)[relevance.first_U]
    return QueryRanks(*to_text, asked_Q, len(texts_UD)), QueryRanks(*to_speech, homes_U, len(clips_GD))


def _relevance(captions: Captions, num_clips: int) -> _Relevance:
    clips_M = np.asarray(captions.clips, dtype=np.intp)
    if not len(captions.texts) == len(clips_M) == len(captions.embeddings_MD):
        raise UsageError(
            f"{len(captions.embeddings_MD)} caption embeddings, {len(captions.texts)} texts and {len(clips_M)} clip "
            "numbers were given; expected as many of each"
        )
    if len(clips_M) == 0 or clips_M.min() < 0 or clips_M.max() >= num_clips:
        raise UsageError(f"each caption must belong to one of the {num_clips} clips, and there must be a caption")
    known: dict[str, int] = {}
    texts_M = np.array([known.setdefault(text, len(known)) for text in captions.texts], dtype=np.intp)
    _, first_U = np.unique(texts_M, return_index=True)
    pairs_E = np.unique(texts_M * num_clips + clips_M)
    return _Relevance(clips_E=pairs_E % num_clips, texts_E=pairs_E // num_clips, first_U=first_U)


def _rank(
    queries_QD: torch.Tensor, gallery_GD: torch.Tensor, queries_E: Positions, items_E: Positions, block_bytes: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Ranks and AP@10, block by block; `queries_E` is sorted and names every query."""
    bytes_per_score = 5  # float32, and the boolean of its comparison
    num_rows = min(len(queries_QD), max(1, block_bytes // (bytes_per_score * len(gallery_GD))))
    scores_QG = queries_QD.new_empty(num_rows, len(gallery_GD))
    blocks = []
    for start in range(0, len(queries_QD), num_rows):
        block_QD = queries_QD[start : start + num_rows]
        torch.mm(block_QD, gallery_GD.T, out=scores_QG[: len(block_QD)])
        low, high = np.searchsorted(queries_E, (start, start + len(block_QD)))
        blocks.append(_rank_block(scores_QG[: len(block_QD)], queries_E[low:high] - start, items_E[low:high]))
    return np.concatenate([ranks for ranks, _ in blocks]), np.concatenate([precisions for _, precisions in blocks])


def _rank_block(scores_QG: torch.Tensor, rows_E: Positions, items_E: Positions) -> tuple[npt.NDArray[np.int64], Floats]:
    """Takes the right answers out of the scores, which it overwrites, and counts the wrong ones before them."""
    where = (torch.from_numpy(rows_E).to(scores_QG.device), torch.from_numpy(items_E).to(scores_QG.device))
    right_QK, num_right_Q = _best_right(scores_QG[where].cpu().numpy(), rows_E, len(scores_QG))
    scores_QG[where] = -torch.inf
    bars_QK = torch.from_numpy(right_QK - np.float32(_ROUNDING)).to(scores_QG.device)
    # numpy counts booleans in place; torch first makes them integers of eight bytes
    ranks_Q = 1 + np.count_nonzero((scores_QG >= bars_QK[:, :1]).cpu().numpy(), axis=1)
    wrong_QK = scores_QG.topk(min(_DEPTH, scores_QG.shape[1]), dim=1).values
    ahead_QK = torch.count_nonzero(wrong_QK[:, None, :] >= bars_QK[:, :, None], dim=2).cpu().numpy()
    order_K = np.arange(1, _DEPTH + 1)
    places_QK = ahead_QK + order_K
    hits_QK = (places_QK <= _DEPTH) & (order_K <= num_right_Q[:, None])
    precisions_Q = (hits_QK * order_K / places_QK).sum(axis=1) / np.minimum(num_right_Q, _DEPTH)
    return ranks_Q, precisions_Q


def _best_right(
    scores_E: npt.NDArray[np.float32], rows_E: Positions, num_rows: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The ten best right answers of each row, best first, -inf where there are fewer; and how many there are."""
    order = np.lexsort((-scores_E, rows_E))
    num_right_Q = np.bincount(rows_E, minlength=num_rows)
    places_E = np.arange(len(rows_E)) - np.repeat(np.cumsum(num_right_Q) - num_right_Q, num_right_Q)
    right_QK = np.full((num_rows, _DEPTH), -np.inf, dtype=np.float32)
    kept = places_E < _DEPTH
    right_QK[rows_E[kept], places_E[kept]] = scores_E[order][kept]
    return right_QK, num_right_Q


def _summary(outcomes: QueryRanks, units_N: Positions, rng: np.random.Generator) -> DirectionScores:
    ranks_Q, units_Q = outcomes.ranks_Q, units_N[outcomes.clips_Q]
    columns = [ranks_Q <= depth for depth in _RECALLS]
    scores_QK = np.stack([*columns, outcomes.average_precisions_Q], axis=1).astype(np.float64)
    recall_1, recall_5, recall_10, precision = mean_estimates(scores_QK, rng, groups_N=units_Q)
    (median,) = metric_estimates(
        lambda positions: [float(np.median(ranks_Q[positions]))], len(ranks_Q), rng, groups_N=units_Q
    )
    return DirectionScores(
        recall_at_1=recall_1,
        recall_at_5=recall_5,
        recall_at_10=recall_10,
        median_rank=median,
        map_at_10=precision,
        num_queries=len(ranks_Q),
        num_gallery=outcomes.num_gallery,
    )

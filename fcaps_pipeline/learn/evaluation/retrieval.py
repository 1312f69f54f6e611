"""Retrieval over the rows of runs: embeds speech and captions, scores both directions per granularity.

Enters: a model, a task. Leaves: its outcome, with published figures beside it where they may stand there.
Shape suffixes: U distinct texts, E embedding.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.batches import TrainingRow
from fcaps_pipeline.learn.evaluation.corpora.published import (
    Comparison,
    Direction,
    Protocol,
    compare,
    retrieval_protocol,
)
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.job import RetrievalTask
from fcaps_pipeline.learn.evaluation.metrics.retrieval import (
    Captions,
    DirectionScores,
    RetrievalScores,
    score_retrieval,
)
from fcaps_pipeline.learn.evaluation.outcomes import RetrievalOutcome
from fcaps_pipeline.learn.evaluation.rows import read_evaluation_rows
from fcaps_pipeline.records.captions import Granularity


def measure_retrieval(embedder: Embedder, task: RetrievalTask, name: str, rng: np.random.Generator) -> RetrievalOutcome:
    """Measures one task.

    Args:
        embedder: the model.
        task: its rows and granularities.
        name: of the task, which stands for the data where it is no published set.
        rng: draws clips for the intervals.

    Raises:
        UsageError: a split is empty or leaks, the model was trained on its rows, or a granularity that the task names
            does not occur.
        CorruptRunError: a run is not finished, of another version or damaged, or no row can be used.
    """
    rows = read_evaluation_rows(task.splits, embedder.training_hashes)
    embedded = embedder.rows(rows.test)
    granularities = _granularities(embedded.rows, task.granularities)
    texts = list(dict.fromkeys(text for one in granularities for row in embedded.rows for text in _texts(row, one)))
    embedded_texts = embedder.texts(texts)
    number = {text: index for index, text in enumerate(texts)}
    captions = {one: _captions(embedded.rows, one, embedded_texts.text_NE, number) for one in granularities}
    scores = score_retrieval(embedded.speech_BE, captions, rng)
    return RetrievalOutcome(
        scores=scores,
        num_clips=len(embedded.rows),
        num_texts=len(texts),
        num_cut_texts=embedded_texts.num_cut,
        bad_items=embedded.bad_items,
        notes=rows.notes,
        comparisons=_comparisons(scores, task.benchmark or name),
    )


def _granularities(rows: Sequence[TrainingRow], wanted: tuple[Granularity, ...] | None) -> tuple[Granularity, ...]:
    found = [one for one in Granularity if any(_texts(row, one) for row in rows)]
    if missing := [one for one in wanted or () if one not in found]:
        raise UsageError(
            f"none of {len(rows)} rows has a {missing[0]} caption; name other granularities, or give other runs"
        )
    return wanted or tuple(found)


def _captions(
    rows: Sequence[TrainingRow], granularity: Granularity, text_UE: Tensor, number: dict[str, int]
) -> Captions:
    texts = [text for row in rows for text in _texts(row, granularity)]
    return Captions(
        embeddings_MD=text_UE[[number[text] for text in texts]],
        texts=texts,
        clips=[index for index, row in enumerate(rows) for _ in _texts(row, granularity)],
    )


def _texts(row: TrainingRow, granularity: Granularity) -> tuple[str, ...]:
    return row.global_captions if granularity is Granularity.GLOBAL else row.fine_captions


def _comparisons(scores: RetrievalScores, data: str) -> tuple[Comparison, ...]:
    found: list[Comparison] = []
    protocols: list[Protocol] = []
    for granularity, of_granularity in scores.granularities.items():
        directions: tuple[tuple[Direction, DirectionScores], ...] = (
            ("speech to text", of_granularity.speech_to_text),
            ("text to speech", of_granularity.text_to_speech),
        )
        for direction, figures in directions:
            protocol = retrieval_protocol(data, granularity, direction, of_granularity)
            protocols.append(protocol)
            found += compare("R@1", figures.recall_at_1, protocol)
            found += compare("R@5", figures.recall_at_5, protocol)
            found += compare("R@10", figures.recall_at_10, protocol)
            found += compare("mAP@10", figures.map_at_10, protocol)
    if len(scores.granularities) == len(Granularity):
        found += compare("mean mAP@10", scores.mean_map_at_10, _shared(protocols))
    return tuple(found)


def _shared(protocols: Sequence[Protocol]) -> Protocol:
    """The protocol of a mean: where the parts differ it is unknown, or the one that differs from the published."""
    counts = {protocol.captions_per_clip for protocol in protocols}
    equal = {protocol.equal_captions for protocol in protocols}
    return Protocol(
        task="retrieval",
        data=protocols[0].data,
        num_clips=protocols[0].num_clips,
        captions_per_clip=counts.pop() if len(counts) == 1 else None,
        equal_captions="none" if equal == {"none"} else "merged",
    )

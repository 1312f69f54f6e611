"""Retrieval over the rows of runs: embeds speech and captions, scores both directions per granularity.

Enters: a model, a task. Leaves: its outcome, with published figures beside it where they may stand there.
Shape suffixes: U distinct texts, E embedding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

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
    Ranked,
    RetrievalScores,
    score_retrieval,
)
from fcaps_pipeline.learn.evaluation.outcomes import RetrievalOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet
from fcaps_pipeline.learn.evaluation.rows import read_evaluation_rows
from fcaps_pipeline.learn.evaluation.units import Units, units_of_rows
from fcaps_pipeline.records.captions import Granularity

_CHOICES: Mapping[str, Callable[[Sequence[str]], Sequence[str]]] = {
    "all": lambda texts: texts,
    "first": lambda texts: texts[:1],
    "last": lambda texts: texts[-1:],
    "longest": lambda texts: sorted(texts, key=len)[-1:],
}


def measure_retrieval(
    embedder: Embedder, task: RetrievalTask, name: str, rng: np.random.Generator
) -> tuple[RetrievalOutcome, list[QuerySet]]:
    """Measures one task.

    Args:
        embedder: the model.
        task: its rows and granularities.
        name: of the task, which stands for the data where it is no published set.
        rng: draws speakers for the intervals.

    Raises:
        UsageError: a split is empty or leaks, the model was trained on its rows, or a granularity that the task names
            does not occur.
        CorruptRunError: a run is not finished, of another version or damaged, or no row can be used.
    """
    rows = read_evaluation_rows(task.splits, embedder.training_hashes)
    embedded = embedder.rows(rows.test)
    granularities = _granularities(embedded.rows, task.granularities)
    chosen = {one: [_CHOICES[task.captions](_texts(row, one)) for row in embedded.rows] for one in granularities}
    texts = list(dict.fromkeys(text for lists in chosen.values() for of_row in lists for text in of_row))
    embedded_texts = embedder.texts(texts)
    number = {text: index for index, text in enumerate(texts)}
    captions = {one: _captions(lists, embedded_texts.text_NE, number) for one, lists in chosen.items()}
    units = units_of_rows(embedded.rows)
    scores, ranked = score_retrieval(embedded.speech_BE, captions, rng, units_N=units.groups_N)
    outcome = RetrievalOutcome(
        scores=scores,
        unit=units.word,
        num_clips=len(embedded.rows),
        num_texts=len(texts),
        num_cut_texts=embedded_texts.num_cut,
        bad_items=embedded.bad_items,
        notes=rows.notes,
        comparisons=_comparisons(scores, task.benchmark or name),
    )
    clips = [f"{row.segment_id}, row {row.row}" for row in embedded.rows]
    return outcome, [one for name in ranked for one in _query_sets(name, ranked[name], captions[name], clips, units)]


def _query_sets(
    granularity: Granularity, ranked: Ranked, captions: Captions, clips: Sequence[str], units: Units
) -> Iterator[QuerySet]:
    to_text, to_speech = ranked
    texts = tuple(dict.fromkeys(captions.texts))
    for direction, ranks, queries in (
        ("speech to text", to_text, tuple(clips[clip] for clip in to_text.clips_Q)),
        ("text to speech", to_speech, texts),
    ):
        yield QuerySet(
            f"{granularity}, {direction}",
            queries,
            tuple(units.names[clip] for clip in ranks.clips_Q),
            {"rank": ranks.ranks_Q, "average_precision": ranks.average_precisions_Q},
        )


def _granularities(rows: Sequence[TrainingRow], wanted: tuple[Granularity, ...] | None) -> tuple[Granularity, ...]:
    found = [one for one in Granularity if any(_texts(row, one) for row in rows)]
    if missing := [one for one in wanted or () if one not in found]:
        raise UsageError(
            f"none of {len(rows)} rows has a {missing[0]} caption; name other granularities, or give other runs"
        )
    return wanted or tuple(found)


def _captions(lists: Sequence[Sequence[str]], text_UE: Tensor, number: dict[str, int]) -> Captions:
    texts = [text for of_row in lists for text in of_row]
    return Captions(
        embeddings_MD=text_UE[[number[text] for text in texts]],
        texts=texts,
        clips=[index for index, of_row in enumerate(lists) for _ in of_row],
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

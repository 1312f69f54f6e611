"""Measures a model on the dev split: retrieval per granularity and direction.

Enters: a model, dev rows. Leaves: figures by name, such as `fine.speech_to_text.recall_at_1`, and the
bad rows. Ranks share the embedding and all get the same figures. Intervals are left to `evaluate`.

Shape suffixes: B rows, M captions, U distinct texts, E embedding.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.batches import BadRow, TrainingRow
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.dataloader import read_in_order
from fcaps_pipeline.learn.data.length_filter import drop_unusable
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.evaluation.metrics.retrieval import Captions, QueryRanks, rank_queries
from fcaps_pipeline.learn.ranks import RankContext
from fcaps_pipeline.learn.training.collectives import gather_rows, gather_texts
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.records.captions import Granularity

_BATCH_S = 120.0
_BATCH_TEXTS = 128


@dataclass(frozen=True)
class DevScores:
    """What dev says of a model."""

    values: dict[str, float]
    num_rows: int
    bad_rows: tuple[BadRow, ...]
    """Of this rank."""


class DevEvaluator:
    """Dev rows of one job."""

    def __init__(self, catalogue: Catalogue, job: TrainJob, context: RankContext) -> None:
        """Takes this rank's share.

        Args:
            catalogue: rows of dev to embed, the same on all ranks.
            job: says whose captions are searched for.
            context: this process.
        """
        self._catalogue = catalogue.take(np.arange(context.rank, len(catalogue), context.world_size))
        self._granularities = job.dev_granularities
        self._num_workers = job.data.num_workers
        self._bf16 = job.optimisation.bf16
        self._context = context

    @torch.no_grad()
    def measure(self, model: DualEncoder) -> DevScores:
        """Scores the model as it is; it is in training mode afterwards. All ranks call it together.

        Raises:
            UsageError: dev has no caption of a granularity, or an embedding is not finite.
            CorruptRunError: a row group cannot be read.
        """
        model.eval()
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self._bf16):
            speech_BE, rows, bad_rows = self._embed_rows(model)
            of_granularity = {one: self._captions(model, one, rows) for one in self._granularities}
        model.train()
        values: dict[str, float] = {}
        for granularity, captions in of_granularity.items():
            to_text, to_speech = rank_queries(speech_BE, captions)
            values |= _figures(f"{granularity}.speech_to_text", to_text)
            values |= _figures(f"{granularity}.text_to_speech", to_speech)
        for name in ("recall_at_1", "map_at_10"):
            values[f"mean_{name}"] = float(np.mean([value for key, value in values.items() if key.endswith(name)]))
        return DevScores(values, len(speech_BE), bad_rows)

    def _embed_rows(self, model: DualEncoder) -> tuple[Tensor, list[dict[str, list[str]]], tuple[BadRow, ...]]:
        """Speech of all ranks, captions and `segment_id` of its rows, and the bad rows of this rank."""
        parts: list[Tensor] = [torch.zeros(0, model.config.embedding_size, device=model.device)]
        rows: list[TrainingRow] = []
        bad_rows: list[BadRow] = []
        batches = read_in_order(self._catalogue, frozenset(), batch_s=_BATCH_S, num_workers=self._num_workers)
        for raw in batches if len(self._catalogue) else ():
            batch = drop_unusable(raw, model.speech_tower, self._catalogue)
            bad_rows += batch.bad_rows
            if batch.rows:
                parts.append(model.encode_speech(batch.audio_BT, batch.lengths_B))
                rows += batch.rows
        texts = [
            json.dumps({"segment_id": [row.segment_id], "global": row.global_captions, "fine": row.fine_captions})
            for row in rows
        ]
        return gather_rows(torch.cat(parts)), [json.loads(one) for one in gather_texts(texts)], tuple(bad_rows)

    def _captions(self, model: DualEncoder, granularity: Granularity, rows: list[dict[str, list[str]]]) -> Captions:
        texts = [text for row in rows for text in row[granularity]]
        if not texts:
            raise UsageError(
                f"split dev has no {granularity} caption, so nothing can be chosen by it; "
                "name other granularities in captions, or give another dev run"
            )
        owners = {text: row["segment_id"][0] for row in rows for text in row[granularity]}
        own = sorted(owners)[self._context.rank :: self._context.world_size]
        text_UE = gather_rows(_encode(model, own, [owners[text] for text in own]))
        number = {text: index for index, text in enumerate(gather_texts(own))}
        return Captions(
            embeddings_MD=text_UE[[number[text] for text in texts]],
            texts=texts,
            clips=[index for index, row in enumerate(rows) for _ in row[granularity]],
        )


def _encode(model: DualEncoder, texts: Sequence[str], owners: Sequence[str]) -> Tensor:
    batches = [slice(start, start + _BATCH_TEXTS) for start in range(0, len(texts), _BATCH_TEXTS)]
    parts = [model.encode_tokens(model.tokenizer(texts[batch], owners[batch])) for batch in batches]
    return torch.cat([torch.zeros(0, model.config.embedding_size, device=model.device), *parts])


def _figures(prefix: str, outcomes: QueryRanks) -> dict[str, float]:
    return {
        f"{prefix}.recall_at_1": float((outcomes.ranks_Q <= 1).mean()),
        f"{prefix}.map_at_10": float(outcomes.average_precisions_Q.mean()),
    }

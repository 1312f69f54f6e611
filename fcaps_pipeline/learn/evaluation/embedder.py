"""Embeds texts, audio files and rows of runs, in batches of bounded size.

Enters: a model folder; texts, paths or a catalogue. Leaves: unit vectors in the order of what entered, and by name
whatever could not be used. Audio files are decoded to 16 kHz, first channel, as annotation takes it.

Shape suffixes: N texts, B clips, T samples, F frames, E embedding.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fcaps_pipeline.audio.stream import AudioStream
from fcaps_pipeline.errors import CorruptRunError, RecordingError, StorageError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.data.batches import TrainingBatch, TrainingRow
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.dataloader import read_in_order
from fcaps_pipeline.learn.data.length_filter import drop_unusable
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes, read_training_hashes
from fcaps_pipeline.learn.dual_encoder.audio_batch import collate_audio
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, seconds_to_samples
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.progress import ProgressCallback

_BATCH_TEXTS = 128
_POOL_BATCHES = 8
"""Batches whose audio is held at once, to sort it by length."""
_MAX_FILE_S = 120.0
"""A longer file is no clip of a voice, and attention over it would need gigabytes."""

Audio = npt.NDArray[np.float32]


class BadItem(Record):
    """A row or an audio file that could not be used."""

    name: str
    """Shard and Segment, or path."""
    reason: str


@dataclass(frozen=True)
class EmbeddedTexts:
    """Texts as they were given."""

    text_NE: Tensor
    num_cut: int
    """Those that were longer than the text tower takes and were cut."""


@dataclass(frozen=True)
class EmbeddedFiles:
    """The files that could be used."""

    speech_BE: Tensor
    kept: tuple[int, ...]
    """For each row of `speech_BE` the position of its path, rising."""
    bad_items: tuple[BadItem, ...]


@dataclass(frozen=True)
class EmbeddedRows:
    """The rows that could be used."""

    speech_BE: Tensor
    rows: tuple[TrainingRow, ...]
    bad_items: tuple[BadItem, ...]


@dataclass(frozen=True)
class Embedder:
    """A model that embeds whatever is to be measured."""

    model: DualEncoder
    """In evaluation mode, on its device."""
    callback: ProgressCallback
    batch_s: float = 120.0
    """Seconds of a batch at most, padding included."""
    num_workers: int = 0
    """Processes that read and decode rows."""
    bf16: bool = False
    training_hashes: TrainingHashes | None = None
    """What the model was trained on; None where its folder does not say."""

    @classmethod
    def load(
        cls,
        folder: str,
        device: torch.device,
        callback: ProgressCallback,
        *,
        batch_s: float,
        num_workers: int,
        bf16: bool,
    ) -> Self:
        """Loads the model folder.

        Raises:
            ModelError: the folder is missing, not whole, or of another kind or architecture.
        """
        path = resolve_path(folder)
        model = DualEncoder.from_pretrained(path).to(device)
        return cls(
            model,
            callback,
            batch_s=batch_s,
            num_workers=num_workers,
            bf16=bf16,
            training_hashes=read_training_hashes(path),
        )

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Without gradients, in the precision of the job."""
        with torch.no_grad(), torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """Embeds texts, those of like length together.

        Raises:
            UsageError: no text, an empty one, or one too long where the model refuses long texts.
        """
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts, num_cut = [], 0
        self.callback.on_begin("texts", len(texts))
        with self.inference():
            for start in range(0, max(1, len(texts)), _BATCH_TEXTS):
                chosen = order[start : start + _BATCH_TEXTS]
                tokens = self.model.tokenizer([texts[index] for index in chosen])
                num_cut += tokens.num_truncated
                parts.append(self.model.encode_tokens(tokens))
                self.callback.on_advance(len(chosen))
        return EmbeddedTexts(torch.cat(parts)[torch.tensor(order).argsort()], num_cut)

    def files(self, paths: Sequence[Path]) -> EmbeddedFiles:
        """Embeds audio files, those of like length together as far as memory for a few batches allows.

        Raises:
            RecordingError: none of the files can be used.
        """
        speech: dict[int, Tensor] = {}
        bad: list[BadItem] = []
        self.callback.on_begin("audio files", len(paths))
        for pool in self._pools(paths, bad):
            for batch in _by_length(pool, seconds_to_samples(self.batch_s)):
                with self.inference():
                    speech_BE = self.model.encode_speech(*collate_audio([audio_T for _, audio_T in batch]))
                speech |= {index: one for (index, _), one in zip(batch, speech_BE, strict=True)}
                self.callback.on_advance(len(batch))
        kept = sorted(speech)
        if not kept:
            first = f"; the first: {bad[0].reason}" if bad else ""
            raise RecordingError(f"none of {len(paths)} audio files can be used{first}")
        return EmbeddedFiles(torch.stack([speech[index] for index in kept]), tuple(kept), tuple(bad))

    def rows(self, catalogue: Catalogue) -> EmbeddedRows:
        """Embeds all rows of a catalogue whole, in their order.

        Raises:
            CorruptRunError: a row group cannot be read, or no row can be used.
        """
        parts: list[Tensor] = []
        rows: list[TrainingRow] = []
        bad: list[BadItem] = []
        for batch in self.batches(catalogue, bad):
            with self.inference():
                parts.append(self.model.encode_speech(batch.audio_BT, batch.lengths_B))
            rows += batch.rows
        return EmbeddedRows(torch.cat(parts), tuple(rows), tuple(bad))

    def batches(self, catalogue: Catalogue, bad: list[BadItem]) -> Iterator[TrainingBatch]:
        """Batches of the rows that the model can take, none of them empty; what it cannot take is added to `bad`.

        Raises:
            CorruptRunError: a row group cannot be read, or no row can be used.
        """
        self.callback.on_begin("rows", len(catalogue))
        num_rows = 0
        stored = read_in_order(catalogue, frozenset(), batch_s=self.batch_s, num_workers=self.num_workers)
        with closing(stored):
            for raw in stored:
                batch = drop_unusable(raw, self.model.speech_tower, catalogue)
                bad += [BadItem(name=f"{row.shard}: {row.segment_id}", reason=row.reason) for row in batch.bad_rows]
                num_rows += len(batch.rows)
                if batch.rows:
                    yield batch
                self.callback.on_advance(batch.num_global_rows)
        if not num_rows:
            raise CorruptRunError(
                f"none of {len(catalogue)} rows can be used; the first: {bad[0].name} {bad[0].reason}; "
                "restore the shards, or give other runs"
            )

    def _pools(self, paths: Sequence[Path], bad: list[BadItem]) -> Iterator[list[tuple[int, Audio]]]:
        """Decoded files with their positions, as many at once as fit in the memory of a few batches."""
        pool: list[tuple[int, Audio]] = []
        num_samples = 0
        for index, path in enumerate(paths):
            try:
                audio_T = read_clip(path, self.model.speech_tower)
            except (RecordingError, StorageError) as error:
                bad.append(BadItem(name=str(path), reason=str(error)))
                self.callback.on_advance(1)
                continue
            pool.append((index, audio_T))
            num_samples += len(audio_T)
            if num_samples >= _POOL_BATCHES * seconds_to_samples(self.batch_s):
                yield pool
                pool, num_samples = [], 0
        yield pool


def read_clip(path: Path, tower: SpeechTower) -> Audio:
    """The samples of one file at 16 kHz, shape `(T,)`.

    Raises:
        RecordingError: the file cannot be decoded, or its length is none that the tower takes.
        StorageError: the storage does not give it.
    """
    max_samples = min(tower.max_samples or seconds_to_samples(_MAX_FILE_S), seconds_to_samples(_MAX_FILE_S))
    blocks = []
    num_samples = 0
    with AudioStream(str(path)) as stream:
        for block_CT in stream.blocks():
            blocks.append(block_CT[0])
            num_samples += len(block_CT[0])
            if num_samples > max_samples:
                raise RecordingError(
                    f"{path} lasts more than the {max_samples / SAMPLE_RATE_HZ:g} s that the model takes; cut it first"
                )
    if num_samples < tower.min_samples:
        raise RecordingError(
            f"{path} has {num_samples} samples at 16 kHz, the speech tower takes {tower.min_samples} at least"
        )
    audio_T: Audio = np.concatenate(blocks).astype(np.float32) / np.float32(32768.0)
    return audio_T


def _by_length(pool: Sequence[tuple[int, Audio]], batch_samples: int) -> Iterator[list[tuple[int, Audio]]]:
    """Cuts a pool into batches of at most so many samples with padding, short clips first."""
    batch: list[tuple[int, Audio]] = []
    for item in sorted(pool, key=lambda item: len(item[1])):
        if batch and (len(batch) + 1) * len(item[1]) > batch_samples:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch

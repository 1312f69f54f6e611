"""Makes a `TrainingBatch` from stored rows: audio decoded, checked, cropped and padded.

Enters: rows of a shard as Arrow gives them. Leaves: the batch, with a `BadRow` for each row that
cannot be used; nothing is skipped in silence. Texts are not drawn here: a batch carries all of them.

Shape suffixes: B rows of the batch, T samples at 16 kHz.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import StorePath

COLUMNS = (
    "segment_id",
    "audio.bytes",
    "audio_sha256",
    "recording_id",
    "speaker",
    "tags",
    "global_captions",
    "fine_captions",
    "events",
)
"""What a batch needs of a row."""

_AUDIO_ID_DIGITS = 16


class Event(Record):
    """Something that happens in the audio of a row, at a known time."""

    phrase: str
    start_s: float
    """From the start of the audio in the batch."""
    end_s: float


class BadRow(Record):
    """A row that cannot be trained on."""

    segment_id: str
    shard: str
    reason: str


@dataclass(frozen=True)
class TrainingRow:
    """What a row says besides its audio."""

    row: int
    """Position in the catalogue."""
    segment_id: str
    recording_id: str
    speaker: str | None
    tags: tuple[str, ...]
    global_captions: tuple[str, ...]
    """Best first."""
    fine_captions: tuple[str, ...]
    events: tuple[Event, ...]
    """Those that the crop left something of, shifted and clipped to it."""
    audio_id: str
    """Equal for rows with the same samples, cropped or not: 64 bits of their sha256."""


@dataclass(frozen=True)
class TrainingBatch:
    """One rank's share of a global batch. It has no rows when all of them were bad."""

    position: Position
    is_last_of_epoch: bool
    num_global_rows: int
    """Rows of the global batch over all ranks, bad ones included."""
    audio_BT: torch.Tensor
    """float32 in [-1, 1), zero after each row's length."""
    lengths_B: torch.Tensor
    """int64, in samples."""
    rows: tuple[TrainingRow, ...]
    bad_rows: tuple[BadRow, ...]

    @property
    def next_position(self) -> Position:
        """Where to go on after this batch: what a checkpoint stores."""
        if self.is_last_of_epoch:
            return Position(epoch=self.position.epoch + 1)
        return Position(epoch=self.position.epoch, step=self.position.step + 1)


@dataclass(frozen=True)
class RowRules:
    """What makes a row usable, and how much of it is used."""

    granularities: frozenset[Granularity]
    """A row without a caption of one of these is bad."""
    max_samples: int | None
    """Length of the random crop; None to keep rows whole."""
    seed: int


@dataclass(frozen=True)
class DecodedRow:
    """A usable row with its audio."""

    row: TrainingRow
    pcm_T: npt.NDArray[np.int16]


def decode_row(content: Row, row: int, shard: StorePath, epoch: int, rules: RowRules) -> DecodedRow | BadRow:
    """Decodes and crops one row; what is drawn depends on seed, epoch and row alone.

    Args:
        content: the columns `COLUMNS`.
        row: position in the catalogue.
        shard: where it stands, for the report.
        epoch: counted from 0.
        rules: what the job needs.
    """
    try:
        _check_texts(content, rules.granularities)
        whole_T = _decode(content)
        start, end = _crop(len(whole_T), rules, epoch, row)
        return DecodedRow(_training_row(content, row, start, end, len(whole_T)), whole_T[start:end])
    except RecordingError as error:
        return BadRow(segment_id=content["segment_id"], shard=str(shard), reason=str(error))


def collate(
    rows: Sequence[DecodedRow | BadRow], position: Position, *, is_last_of_epoch: bool, num_global_rows: int
) -> TrainingBatch:
    """Pads the audio of the usable rows to the longest."""
    heard = [row for row in rows if isinstance(row, DecodedRow)]
    longest = max((len(one.pcm_T) for one in heard), default=0)
    audio_BT = np.zeros((len(heard), longest), np.float32)
    for target_T, one in zip(audio_BT, heard, strict=True):
        np.divide(one.pcm_T, np.float32(32768.0), out=target_T[: len(one.pcm_T)], dtype=np.float32)
    return TrainingBatch(
        position=position,
        is_last_of_epoch=is_last_of_epoch,
        num_global_rows=num_global_rows,
        audio_BT=torch.from_numpy(audio_BT),
        lengths_B=torch.tensor([len(one.pcm_T) for one in heard], dtype=torch.int64),
        rows=tuple(one.row for one in heard),
        bad_rows=tuple(row for row in rows if isinstance(row, BadRow)),
    )


def _check_texts(content: Row, granularities: frozenset[Granularity]) -> None:
    for granularity in sorted(granularities):
        if not content[f"{granularity}_captions"]:
            raise RecordingError(f"has no {granularity} caption")
    for granularity in Granularity:
        if any(_is_blank(text) for text in content[f"{granularity}_captions"] or ()):
            raise RecordingError(f"has a blank {granularity} caption")


def _is_blank(text: str | None) -> bool:
    return text is None or not text.strip()


def _decode(content: Row) -> npt.NDArray[np.int16]:
    """The samples, compared with their checksum: FLAC decoders pass over some damage without a word."""
    stored = content["audio"]["bytes"] if content["audio"] else None
    if not stored:
        raise RecordingError("has no audio; `fcaps audio attach` puts it into rows that refer to it")
    pcm_T = decode_flac(stored)
    if not len(pcm_T):
        raise RecordingError("its audio has no samples")
    if hashlib.sha256(pcm_T.tobytes()).hexdigest() != content["audio_sha256"]:
        raise RecordingError("its audio was changed: the samples do not have the recorded sha256")
    return pcm_T


def _crop(num_samples: int, rules: RowRules, epoch: int, row: int) -> tuple[int, int]:
    if rules.max_samples is None or num_samples <= rules.max_samples:
        return 0, num_samples
    rng = np.random.default_rng(seed_sequence(rules.seed, Stream.CROP, epoch=epoch, row=row))
    start = int(rng.integers(num_samples - rules.max_samples + 1))
    return start, start + rules.max_samples


def _training_row(content: Row, row: int, start: int, end: int, num_samples: int) -> TrainingRow:
    return TrainingRow(
        row=row,
        segment_id=content["segment_id"],
        recording_id=content["recording_id"],
        speaker=content["speaker"],
        tags=tuple(content["tags"] or ()),
        global_captions=tuple(content["global_captions"] or ()),
        fine_captions=tuple(content["fine_captions"] or ()),
        events=_events(content["events"] or (), start, end, num_samples),
        audio_id=content["audio_sha256"][:_AUDIO_ID_DIGITS],
    )


def _events(stored: Sequence[Row], start: int, end: int, num_samples: int) -> tuple[Event, ...]:
    events = []
    for event in stored:
        first, after = event["start_samples"], event["end_samples"]
        if _is_blank(event["phrase"]):
            raise RecordingError(f"has an event without a phrase, from sample {first} to {after}")
        if first is None or after is None or not 0 <= first < after <= num_samples:
            raise RecordingError(
                f"event {event['phrase']!r} from sample {first} to {after} is not inside its {num_samples} samples"
            )
        left, right = max(first, start) - start, min(after, end) - start
        if left < right:
            events.append(Event(phrase=event["phrase"], start_s=left / SAMPLE_RATE_HZ, end_s=right / SAMPLE_RATE_HZ))
    return tuple(events)

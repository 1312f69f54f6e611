"""Makes a `TrainingBatch` from rows and their sound: checked, cropped and padded.

Enters: rows of a store, decoded. Leaves: the batch, with a `BadRow` for each row that
cannot be used; nothing is skipped in silence. Texts are not drawn here: a batch carries all of them.

Shape suffixes: B rows of the batch, T samples at 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.data.augmentation import changed, drawn_speed, played
from fcaps_pipeline.learn.data.augmentation_config import NO_AUGMENTATION, Augmentation
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.catalogue import shown_file
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.data.row_sound import Sound
from fcaps_pipeline.learn.data.row_store import PROFILE
from fcaps_pipeline.learn.data.wording import worded
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.schema import Row

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
    """Equal for rows with the same samples, cropped or not: 64 bits of their sha256, else the Segment."""


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
    augmentation: Augmentation = NO_AUGMENTATION


@dataclass(frozen=True)
class DecodedRow:
    """A usable row with its audio."""

    row: TrainingRow
    pcm_T: npt.NDArray[np.int16]


def usable_row(content: Row, sound: Sound, row: int, epoch: int, rules: RowRules) -> DecodedRow | BadRow:
    """Checks and crops one row; what is drawn depends on seed, epoch and row alone.

    Args:
        content: the columns of `ROW_SCHEMA`.
        sound: its samples, or what is wrong with them.
        row: position in the catalogue.
        epoch: counted from 0.
        rules: what the job needs.
    """
    try:
        _check_texts(content, rules.granularities)
        if isinstance(sound, RecordingError):
            raise sound
        rng = np.random.default_rng(seed_sequence(rules.seed, Stream.AUGMENTATION, epoch=epoch, row=row))
        speed = drawn_speed(rules.augmentation, rng)
        whole_T = played(sound, speed)
        start, end = _crop(len(whole_T), rules, epoch, row)
        pcm_T = changed(whole_T[start:end], rules.augmentation, rng)
        found = _training_row(content, row, (start, end), len(sound), speed)
        return DecodedRow(_worded_anew(found, content, rules.augmentation, rng), pcm_T)
    except RecordingError as error:
        return BadRow(segment_id=content["segment_id"], shard=shown_file(content["location"]), reason=str(error))


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


def _crop(num_samples: int, rules: RowRules, epoch: int, row: int) -> tuple[int, int]:
    if rules.max_samples is None or num_samples <= rules.max_samples:
        return 0, num_samples
    rng = np.random.default_rng(seed_sequence(rules.seed, Stream.CROP, epoch=epoch, row=row))
    start = int(rng.integers(num_samples - rules.max_samples + 1))
    return start, start + rules.max_samples


def _training_row(content: Row, row: int, crop: tuple[int, int], num_samples: int, speed: Fraction) -> TrainingRow:
    return TrainingRow(
        row=row,
        segment_id=content["segment_id"],
        recording_id=content["recording_id"],
        speaker=content["speaker"],
        tags=tuple(content["tags"] or ()),
        global_captions=tuple(content["global_captions"] or ()),
        fine_captions=tuple(content["fine_captions"] or ()),
        events=_events(content["events"] or (), crop, num_samples, speed),
        audio_id=_audio_id(content),
    )


def _worded_anew(row: TrainingRow, content: Row, settings: Augmentation, rng: np.random.Generator) -> TrainingRow:
    """The row with its profile in other words, where the job asks for it and the profile is known."""
    if settings.wording is None or rng.random() >= settings.wording.share:
        return row
    caption = worded({name: content[name] for name in PROFILE}, rng)
    return row if caption is None else replace(row, global_captions=(caption,))


def _audio_id(content: Row) -> str:
    known: str | None = content["audio_sha256"]
    return known[:_AUDIO_ID_DIGITS] if known else str(content["segment_id"])


def _events(stored: Sequence[Row], crop: tuple[int, int], num_samples: int, speed: Fraction) -> tuple[Event, ...]:
    """Events that the crop has something of, at the speed that the clip is played at."""
    events = []
    (start, end), scale = crop, float(1 / speed)
    for event in stored:
        first, after = event["start_samples"], event["end_samples"]
        if _is_blank(event["phrase"]):
            raise RecordingError(f"has an event without a phrase, from sample {first} to {after}")
        if first is None or after is None or not 0 <= first < after <= num_samples:
            raise RecordingError(
                f"event {event['phrase']!r} from sample {first} to {after} is not inside its {num_samples} samples"
            )
        left, right = max(first * scale, start) - start, min(after * scale, end) - start
        if left < right:
            events.append(Event(phrase=event["phrase"], start_s=left / SAMPLE_RATE_HZ, end_s=right / SAMPLE_RATE_HZ))
    return tuple(events)

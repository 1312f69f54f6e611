"""What is known about a synthetic recording, as records and as the columns of `truth.parquet`.

Times are seconds from the first sample of the file. All times, levels and pitches were measured or
come from a synthesizer's own timing; what nobody knows is None.
"""

from typing import Any, Literal

import pyarrow as pa

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.audio.surroundings import NoiseKind
from fcaps_pipeline.lab.synthesis.classes import PitchClass, RateClass, VoiceQuality, VolumeClass
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

RecordingKind = Literal["clip", "conversation", "talk"]


class TimedWord(Record):
    """A word, or words that the synthesizer runs together."""

    word: str
    start_s: float
    end_s: float


class SpeakerTruth(Record):
    """One of the people in a recording."""

    speaker: str
    voice: str
    gender: Gender
    age_group: str | None
    """None where the voice was not built to sound of an age."""
    accent: str | None
    """None where the synthesizer declares none."""
    formant_scale: float
    base_f0_hz: float


class StretchTruth(Record):
    """One sentence by one speaker."""

    speaker: str
    turn: int
    start_s: float
    end_s: float
    transcript: str
    words: tuple[TimedWord, ...] | None
    """None where the synthesizer does not time its words."""
    f0_median_hz: float | None
    """By praat; None for a whispered or creaky voice."""
    pitch: PitchClass | None
    """None near a border, and for a whispered or creaky voice."""
    rate_hz: float
    """Syllables per second by the synthesizer's timing."""
    rate: RateClass | None
    """None near a border."""
    level_db: float
    """Speech level of the dry stretch in dB relative to full scale, at the gain of the recording."""
    level_change_db: float
    """Last third against the first."""
    voice_quality: VoiceQuality
    hnr_db: float | None
    """Harmonics-to-noise ratio by praat; None unless the voice is breathy."""
    pulse_rate_hz: float | None
    """Glottal pulses per second by praat; None unless the voice is creaky."""
    jitter: float | None
    """Mean change from one glottal period to the next as a share of a period, by praat; None unless it is creaky."""


class EventTruth(Record):
    """A phrase that is true of a speaker from start to end, against what came before in the same turn.

    `laughs` is a burst of laughter-like syllables between two sentences.
    """

    phrase: EventPhrase
    speaker: str
    start_s: float
    end_s: float


class OverlapTruth(Record):
    """Two speakers at once."""

    start_s: float
    end_s: float


class RecordingTruth(Record):
    """One synthetic recording."""

    id: str
    path: str
    """Relative to the folder of the manifest."""
    split: Split | None
    """None where voices and sentences are not dealt out to splits."""
    kind: RecordingKind
    duration_s: float
    speakers: tuple[SpeakerTruth, ...]
    transcript: str
    stretches: tuple[StretchTruth, ...]
    events: tuple[EventTruth, ...]
    overlaps: tuple[OverlapTruth, ...]
    reverberation_s: float | None
    """Decay time T60 of the room; None for a dry recording."""
    noise: NoiseKind | None
    """None for a clean recording."""
    snr_db: float | None
    """Speech level over the noise; None for a clean recording."""
    telephone: bool
    loudness_lufs: float
    """Measured in the finished file."""
    volume: VolumeClass | None
    """None near a border."""


def _struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct(list(fields.items()))


_TEXT, _REAL = pa.string(), pa.float64()
_WORDS = pa.list_(_struct(word=_TEXT, start_s=_REAL, end_s=_REAL))
SCHEMA = pa.schema(
    {
        "id": _TEXT,
        "path": _TEXT,
        "split": _TEXT,
        "kind": _TEXT,
        "duration_s": _REAL,
        "speakers": pa.list_(
            _struct(
                speaker=_TEXT,
                voice=_TEXT,
                gender=_TEXT,
                age_group=_TEXT,
                accent=_TEXT,
                formant_scale=_REAL,
                base_f0_hz=_REAL,
            )
        ),
        "transcript": _TEXT,
        "stretches": pa.list_(
            _struct(
                speaker=_TEXT,
                turn=pa.int32(),
                start_s=_REAL,
                end_s=_REAL,
                transcript=_TEXT,
                words=_WORDS,
                f0_median_hz=_REAL,
                pitch=_TEXT,
                rate_hz=_REAL,
                rate=_TEXT,
                level_db=_REAL,
                level_change_db=_REAL,
                voice_quality=_TEXT,
                hnr_db=_REAL,
                pulse_rate_hz=_REAL,
                jitter=_REAL,
            )
        ),
        "events": pa.list_(_struct(phrase=_TEXT, speaker=_TEXT, start_s=_REAL, end_s=_REAL)),
        "overlaps": pa.list_(_struct(start_s=_REAL, end_s=_REAL)),
        "reverberation_s": _REAL,
        "noise": _TEXT,
        "snr_db": _REAL,
        "telephone": pa.bool_(),
        "loudness_lufs": _REAL,
        "volume": _TEXT,
    }
)


def table_of(truths: list[RecordingTruth]) -> pa.Table:
    """One row per recording."""
    rows: list[dict[str, Any]] = [truth.model_dump() for truth in truths]
    return pa.Table.from_pylist(rows, schema=SCHEMA)

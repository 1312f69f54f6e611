"""What is known about a synthetic clip: the measured values and the words that follow from them."""

from typing import Literal

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.lab.synthesis.classes import Direction, PausePlace, PitchClass, RateClass, VoiceQuality, VolumeClass
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Pause(Record):
    """Silence between two stretches of speech."""

    start_s: float
    end_s: float
    place: PausePlace


class TimedEvent(Record):
    """A phrase that is true of an interval, in seconds of the clip."""

    phrase: EventPhrase
    start_s: float
    end_s: float


class SpeechTruth(Record):
    """One voice, measured on the clean signal unless said otherwise."""

    voice: str
    speaker: str
    """Voice and formant scale: what a listener would take for one person."""
    gender: Gender
    transcript: str | None
    """None for a recorded voice, whose words nobody wrote down."""
    voice_quality: VoiceQuality
    f0_median_hz: float | None
    """None for a whisper."""
    pitch: PitchClass | None
    """None for a whisper."""
    articulation_rate_hz: float
    """Syllables per second of speech, pauses left out."""
    rate: RateClass
    loudness_lufs: float
    """Of the finished clip, with its noise and room."""
    volume: VolumeClass
    loudness_change_db: float
    """Last third of the speech against the first."""
    loudness: Direction
    pitch_change_semitones: float | None
    """Second half against the first; None for a whisper."""
    pitch_course: Direction
    """`steady` for a whisper, whose pitch cannot change."""
    rate_change_ratio: float
    """Second half against the first."""
    rate_course: Direction
    pauses: tuple[Pause, ...]
    events: tuple[TimedEvent, ...]
    """Changes, pauses and whispering, in the order of start, end and phrase."""
    snr_db: float | None
    """None for a clean clip."""
    reverberation_s: float | None
    """Decay time T60 of the room; None for a dry clip."""

    @property
    def is_steady(self) -> bool:
        """Whether loudness, pitch and rate all stay as they are."""
        return self.loudness == self.pitch_course == self.rate_course == "steady"


class ClipTruth(Record):
    """One synthetic clip; `speech` is None where nobody speaks."""

    clip_id: str
    split: Split
    num_samples: int
    """At 16 kHz."""
    speech: SpeechTruth | None
    sound: str | None
    """Kind of sound in a clip without speech."""

"""From a file to what is captioned: Recording, SpeechInterval, Segment, Acoustics, Event, SegmentAudio.

Time is integer samples at `SAMPLE_RATE_HZ`, whatever the rate of the source; `seconds_to_samples`
is the only converter.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from fcaps_pipeline.records.base import Record

SAMPLE_RATE_HZ = 16_000

SafeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
"""An identifier that is a legal file name, WebDataset key and Lhotse id: no dot, slash or space."""

Channel = int | Literal["mix"]
"""A channel counted from 0, or the mean of all channels."""


Gender = Literal["female", "male"]


def seconds_to_samples(seconds: float) -> int:
    """Nearest sample at `SAMPLE_RATE_HZ`."""
    return round(seconds * SAMPLE_RATE_HZ)


class Interval(Record):
    """A stretch of one Recording, in samples at 16 kHz: start included, end excluded."""

    start_samples: Annotated[int, Field(ge=0)]
    end_samples: Annotated[int, Field(gt=0)]

    @property
    def num_samples(self) -> int:
        """Length in samples."""
        return self.end_samples - self.start_samples

    @property
    def start_s(self) -> float:
        """Start in seconds."""
        return self.start_samples / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """End in seconds."""
        return self.end_samples / SAMPLE_RATE_HZ

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / SAMPLE_RATE_HZ


class SpeechInterval(Interval):
    """Raw output of a voice activity detector."""


class Cut(Interval):
    """A stretch that the source itself declares to be one Segment: no detector runs on it."""

    channel: Channel | None = None
    """None means the channel that is heard in this stretch."""
    transcript: str | None = None
    speaker: str | None = None
    speaker_gender: Gender | None = None
    samples_sha256: str | None = None
    """Of the samples as an earlier run cut them out; None where none did."""
    extra: str | None = None
    """JSON object of the fields that a source gives to this stretch and that are not ours."""


class AudioFile(Record):
    """One of the files of a Recording, or the one whose rows are not counted as its channels are."""

    location: str
    """See `Recording.location`."""
    channels: tuple[int, ...]
    """For each row of the file, the channel of the Recording that it holds."""


class AudioWarning(Record):
    """Something in the sound of a Recording that was mended or is doubtful, without being a Failure."""

    name: str
    """Short and stable, with underscores: what report and plan count by."""
    detail: str
    start_samples: int | None = None
    """First sample at 16 kHz that it concerns; None where it concerns the whole Recording, as what a header tells."""
    end_samples: int | None = None
    """Sample after the last; the first itself where it concerns a moment, such as a change of format; None with it."""


MULTI_SPEAKER = "multi_speaker"
"""Name of the warning that more than one speaker is heard in a Segment, with where others than the first are."""


class FileStamp(Record):
    """What an audio file looked like when it was planned."""

    size_bytes: int
    modified_ns: int | None
    """When it was last written; None where nobody knows."""
    header_sha256: str
    """Over its first 64 KiB."""


class Recording(Record):
    """One audio file, or one inside another, and what its source says about it."""

    recording_id: SafeId
    location: str
    """Absolute path of the audio, or a URI: of a path that is not UTF-8, or of what lies inside a file, a member of a
    tar for instance (see `audio.location`)."""
    source: str
    """Path relative to the source's root, as the shards show it; of what lies elsewhere, the last part."""
    files: tuple[AudioFile, ...] | None = None
    """Where each channel is; None means that the rows of the one file at `location` are the channels."""
    shard: str | None = None
    """Parquet file of an earlier run whose rows hold the samples of the cuts; None reads them from `location`."""
    duration_s: Annotated[float, Field(ge=0)] | None = None
    """Length by the file's header or the manifest; None when the header could not be read."""
    cuts: tuple[Cut, ...] | None = None
    """Segments declared by the source; None means that the detector finds them."""
    transcript: str | None = None
    speaker: str | None = None
    speaker_gender: Gender | None = None
    """As the source tells it."""
    language: str | None = None
    tags: tuple[str, ...] = ()
    license: str | None = None
    corpus: str | None = None
    """Name of the corpus, where the source gives one."""
    extra: str | None = None
    """JSON object of the fields that a source gives and that are not ours."""
    stamp: FileStamp | None = None
    """The file at the time of planning; None where planning did not open it."""
    sha256: str | None = None
    """Of the file's bytes; None until they were read."""
    source_rate_hz: int | None = None
    """Of the file; None until it was decoded."""
    num_channels: int | None = None
    """Of the file; None until it was decoded."""
    warnings: tuple[AudioWarning, ...] = ()
    """What was mended or passed over so far; with a Segment, what bears on its interval."""

    @property
    def locations(self) -> tuple[str, ...]:
        """Of the files that its sound is in."""
        if self.shard is not None:
            return (self.shard,)
        return (self.location,) if self.files is None else tuple(file.location for file in self.files)


class Segment(Interval):
    """One channel interval of a Recording chosen for captioning.

    The interval includes the padding around the detected speech.
    """

    segment_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,240}$")]
    recording_id: SafeId
    channel: Channel
    transcript: str | None = None
    """Words spoken in this interval, where the source says so."""
    speaker: str | None = None

    @staticmethod
    def make_id(recording_id: str, channel: Channel, start_samples: int, end_samples: int) -> str:
        """The id that follows from what the Segment is: recording, channel, first and last sample."""
        return f"{recording_id}-c{channel}-{start_samples:09d}-{end_samples:09d}"


def _as_stored(value: float) -> float:
    return float(np.float32(value))


Measured = Annotated[float, AfterValidator(_as_stored)]
"""As precise as the tables hold it, so that what is judged again from them is judged the same."""


class Acoustics(Record):
    """What was measured in one Segment. None where the quantity is undefined (no voiced frame, no pause)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    f0_median_hz: Measured | None
    """Median F0."""
    f0_p5_hz: Measured | None
    """5th percentile of F0."""
    f0_p95_hz: Measured | None
    """95th percentile of F0."""
    f0_slope_hz_per_s: Measured | None
    """Least-squares slope of F0 over voiced frames."""
    voiced_share: Measured
    """Voiced frames over all frames, 0 to 1."""
    syllables_per_s: Measured
    """Syllable nuclei over the whole length."""
    articulation_syllables_per_s: Measured
    """Syllable nuclei over the length without pauses."""
    modulation_hz: Measured | None = None
    """Rate without syllables: centroid of level movements at 2 to 12 Hz; None of a steady level or below 0.6 s."""
    loudness_lufs: Measured | None
    """Integrated loudness, ITU-R BS.1770; None when everything is below the gate."""
    level_range_db: Measured
    """95th minus 5th percentile of the frame level during speech."""
    num_pauses: int
    """Pauses found."""
    pauses_total_s: Measured
    """Length of all pauses."""
    pause_longest_s: Measured
    """Length of the longest pause."""
    dip_longest_s: Measured
    """Longest stretch inside the speech that lies 15 dB below its level; shorter than a pause, it may pass for one."""
    level_change_db: Measured | None
    """Last third of the speech against the first."""
    f0_change_semitones: Measured | None
    """Second half of the speech against the first."""
    rate_change_ratio: Measured | None
    """Syllables per second of the second half of the speech over those of the first."""
    snr_db: Measured | None
    """Speech level over noise floor; None when no frame is free of speech."""
    clipped_share: Measured
    """Samples at full scale over all samples, 0 to 1."""

    @property
    def tempo_hz(self) -> float | None:
        """Mean of the two measures of the rate, whose errors have little in common; None where one is."""
        if self.modulation_hz is None:
            return None
        return (self.articulation_syllables_per_s + self.modulation_hz) / 2


EventPhrase = Literal[
    "speaks faster",
    "speaks slower",
    "grows louder",
    "grows softer",
    "raises the pitch",
    "lowers the pitch",
    "pauses",
    "whispers",
    "speaks in a breathy voice",
    "speaks in a creaky voice",
    "laughs",
]
"""What may be true of an interval: one wording for each event, wherever it comes from, so that a phrase names it. The
synthesizer says them of what it was asked, acoustics of what was measured, and training reads both alike."""


class Event(Record):
    """A phrase that is true of an interval of a Segment."""

    phrase: str
    start_samples: Annotated[int, Field(ge=0)]
    """From the start of the Segment, at 16 kHz."""
    end_samples: Annotated[int, Field(gt=0)]
    source: str
    """Who says so: a tool, a model, the synthesizer."""
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None


@dataclass(frozen=True)
class Tracks:
    """Pitch and level of a Segment, a value every 10 ms, as precise as they travel with it.

    Shape suffix: N frames.
    """

    first_s: float
    """Middle of the first frame."""
    f0_hz_N: npt.NDArray[np.float32]
    """0 where the frame is unvoiced."""
    level_db_N: npt.NDArray[np.float32]
    intensity_db_N: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measurements:
    """All that is measured in the samples of a Segment, in one pass over them."""

    acoustics: Acoustics
    tracks: Tracks | None = None
    """None where the Segment is too short for a frame."""
    events: tuple[Event, ...] | None = None
    """What was placed in time; None where nobody looked for any."""


@dataclass(frozen=True)
class SegmentAudio:
    """A Segment ready to be heard: what the engine receives and the shard stores."""

    recording: Recording
    segment: Segment
    acoustics: Acoustics
    pcm_T: npt.NDArray[np.int16]
    """Mono samples at 16 kHz."""
    events: tuple[Event, ...] | None = None
    """What was placed in time; None where nobody looked for any."""
    tracks: Tracks | None = None
    """What `acoustics` was measured from; None where it came from an earlier run, or there is no frame."""

    @cached_property
    def samples_sha256(self) -> str:
        """Of the samples, whatever file they came from."""
        return hashlib.sha256(self.pcm_T.tobytes()).hexdigest()

    def float_T(self) -> npt.NDArray[np.float32]:
        """The samples as float32 in [-1, 1)."""
        return self.pcm_T.astype(np.float32) / 32768.0

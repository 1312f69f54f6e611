"""What became of one Recording on its way to Segments, as a record and as running counts."""

from dataclasses import dataclass, field
from typing import Literal

from fcaps_pipeline.annotate.segmentation.opening import SoundStream
from fcaps_pipeline.audio.stamp import changes_since
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, AudioWarning, Interval, Recording
from fcaps_pipeline.records.base import Record

SegmentationOutcome = Literal["segmented", "no_speech", "too_short", "too_long"]


class SegmentationReport(Record):
    """The account of one Recording, complete once all its Segments are out."""

    recording_id: str
    duration_s: float
    """Decoded length; for declared segments, up to where decoding had to go."""
    num_segments: int
    speech_s: float
    """Speech found by the detector or declared by the source, over all channels, kept or not."""
    discarded_s: float
    """Part of it that became no Segment."""
    num_discarded: int
    """Stretches of speech that were too short or, if declared by the source, too long."""
    num_forced_cuts: int
    """Segments that end inside speech, because it went on without a pause."""
    outcome: SegmentationOutcome
    notes: tuple[str, ...]
    """Channels left out and why, and where speech is if not where it was looked for."""


@dataclass
class SegmentationTally:
    """Counts while a Recording is being read."""

    num_samples: int = 0
    num_segments: int = 0
    speech_samples: int = 0
    discarded_samples: int = 0
    num_too_short: int = 0
    num_too_long: int = 0
    num_forced_cuts: int = 0
    notes: list[str] = field(default_factory=list)
    sha256: str | None = None
    since_planning: tuple[AudioWarning, ...] = ()
    """What happened to the file."""
    stream: SoundStream | None = None
    """What is being read; None until it is open."""
    of_segments: list[AudioWarning] = field(default_factory=list)
    """What was found in single Segments so far."""

    def open(self, recording: Recording, stream: SoundStream) -> None:
        """Remembers what is read, compares it with what was planned, and reads it for its checksum.

        However many passes there are, this is done in the first.

        Raises:
            RecordingError: the file is another than the planned one.
            StorageError: the storage fails.
        """
        self.stream = stream
        if self.sha256 is None:
            if recording.stamp is not None:
                self.since_planning = changes_since(recording.stamp, recording.location)
            self.sha256 = stream.sha256

    def as_heard(
        self, recording: Recording, interval: Interval | None = None, own: tuple[AudioWarning, ...] = ()
    ) -> Recording:
        """The Recording with what was found out about it, of an interval where one is given.

        Thousands of cuts need not travel with each Segment.

        Args:
            recording: as planned.
            interval: a Segment of it; None for the whole.
            own: what was found in this Segment.
        """
        if self.stream is None:
            return recording.model_copy(update={"cuts": None})
        warnings = (*self.since_planning, *self.stream.warnings)
        told = tuple(one for one in warnings if interval is None or bears_on(one, interval))
        found = {
            "cuts": None,
            "sha256": self.sha256,
            "source_rate_hz": self.stream.source_rate_hz,
            "num_channels": self.stream.num_channels,
            "warnings": (*told, *(self.of_segments if interval is None else own)),
        }
        return recording.model_copy(update=found)

    def report(self, recording_id: str) -> SegmentationReport:
        """The counts as a record."""
        return SegmentationReport(
            recording_id=recording_id,
            duration_s=self.num_samples / SAMPLE_RATE_HZ,
            num_segments=self.num_segments,
            speech_s=self.speech_samples / SAMPLE_RATE_HZ,
            discarded_s=self.discarded_samples / SAMPLE_RATE_HZ,
            num_discarded=self.num_too_short + self.num_too_long,
            num_forced_cuts=self.num_forced_cuts,
            outcome=self._outcome(),
            notes=tuple(self.notes),
        )

    def _outcome(self) -> SegmentationOutcome:
        if self.num_segments:
            return "segmented"
        if self.num_too_short:
            return "too_short"
        return "too_long" if self.num_too_long else "no_speech"


def bears_on(warning: AudioWarning, interval: Interval) -> bool:
    """A warning without a place bears on all of the Recording, a moment on what holds or touches it."""
    start, end = warning.start_samples, warning.end_samples
    if start is None or end is None:
        return True
    if start == end:
        return interval.start_samples <= start <= interval.end_samples
    return start < interval.end_samples and end > interval.start_samples

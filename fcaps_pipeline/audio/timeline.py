"""Puts decoded sound where it belongs in media time: the one definition of time, of gaps and of lost sound.

Enters: Sounds and Losses in the order of the file. Leaves: Stretches, runs of sound at one rate with the silence that
goes before them. Second t of the media is second t of what leaves: a late start and a gap become silence of their
length, a packet that cannot be decoded costs its own time. Where a container has no time stamps, or counts them from
the samples, time is the samples so far.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fcaps_pipeline.audio.decoders import Decoder, Loss, Sound
from fcaps_pipeline.audio.kinds import Kind
from fcaps_pipeline.audio.warnings import WarningLog
from fcaps_pipeline.errors import RecordingError

_TOLERANCE_S = 0.04
"""Time stamps may lie so far behind the samples: rounding, and the uneven blocks of Vorbis."""
_LATE_S = 0.1
"""A start so much later than the media is the delay of a codec."""
_BACK_S = 0.5
"""Time stamps that go back further begin a new count, as in joined files; the sound follows on."""
_SPLICE_S = 10.0
"""Source: `ffmpeg -dts_delta_threshold`, beyond which a jump in a transport stream is a splice."""
_MAX_GAP_S = 86_400.0
"""No recording pauses for a day: such time stamps are damaged."""
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 768_000
_MAX_CHANNELS = 255


@dataclass(frozen=True)
class Silence:
    """Time without sound."""

    until_s: float


@dataclass
class Tally:
    """What all links of a file come to."""

    sound_s: float = 0.0
    """Sound that could be decoded."""
    damaged_s: float = 0.0
    """Sound that could not."""
    longest_loss_s: float = 0.0
    end_s: float = 0.0
    """Where the links so far end."""


class Timeline:
    """Follows one decoder; iterate once."""

    def __init__(
        self, name: str, decoder: Decoder, kind: Kind, length_s: float | None, warnings: WarningLog, tally: Tally
    ) -> None:
        """Starts where the tally stands: at second 0, or at the end of the link before."""
        self._name = name
        self._decoder = decoder
        self._kind = kind
        self._length_s = length_s
        self._warnings = warnings
        self._tally = tally
        self.begin_s = tally.end_s
        self._shift_s = self.begin_s - decoder.start_s
        self._base_s = self.begin_s
        self._count = 0
        self._rate_hz = 0
        self._has_stamps = kind.clock != "counted"
        self._has_sound = False
        self.frame_s = 0.0
        """Length of the longest frame so far."""
        self.end_s = self.begin_s
        """The end of the last sound that could be decoded."""

    @property
    def position_s(self) -> float:
        """The end of the sound so far, in seconds of the media."""
        return self._base_s + (self._count / self._rate_hz if self._rate_hz else 0.0)

    def parts(self) -> Iterator[Sound | Silence]:
        """Sound and silence, one directly after the other.

        Raises:
            RecordingError: the sound has a rate, a number of channels or times that cannot be.
            StorageError: the storage fails.
        """
        for event in self._decoder.events():
            if isinstance(event, Loss):
                yield from self._pass(event)
            elif num_samples := len(event.samples):
                if event.rate_hz != self._rate_hz:
                    self._turn_to(event.rate_hz)
                if self._has_stamps and event.pts_s is not None:
                    yield from self._place(event, event.pts_s)
                self._take(num_samples)
                yield event

    def finish(self) -> None:
        """Ends this link: the next begins here."""
        self._tally.end_s = self.position_s

    def lose_decoded(self, start_s: float, duration_s: float) -> None:
        """Counts a frame that was decoded to what cannot be sound; its time is silence already."""
        self._lose(start_s, duration_s)
        self._tally.sound_s -= duration_s

    def note_channels(self, num_before: int, num_here: int, start_s: float, duration_s: float) -> None:
        """Notes that in a stretch of sound the number of channels is not that of the header."""
        detail = f"{num_here} channels instead of {num_before}; followed"
        self._warnings.add("format_change", detail, start_s, duration_s)

    def _pass(self, loss: Loss) -> Iterator[Silence]:
        start_s = self.position_s
        if loss.is_pause:
            self._warnings.add("gap_filled", "no sound was coded here; filled with silence", start_s, loss.duration_s)
        else:
            self._lose(start_s, loss.duration_s)
        yield from self._fill(loss.duration_s)

    def _lose(self, start_s: float, duration_s: float) -> None:
        self._tally.damaged_s += duration_s
        self._tally.longest_loss_s = max(self._tally.longest_loss_s, duration_s)
        self._warnings.add("undecodable_packet", "could not be decoded; replaced by silence", start_s, duration_s)

    def _place(self, sound: Sound, pts_s: float) -> Iterator[Silence]:
        gap_s = pts_s + self._shift_s - self.position_s
        if gap_s < -_BACK_S or (self._kind.splices and gap_s > _SPLICE_S and self._has_sound):
            self._warnings.add(
                "timestamps_jump", f"time stamps jump by {gap_s:.2f} s; the sound follows on", self.position_s
            )
            self._shift_s -= gap_s
        elif gap_s > _MAX_GAP_S or (gap_s > _TOLERANCE_S and self._lies_beyond(sound, gap_s)):
            raise RecordingError(
                f"{self._name}: its time stamps jump from {self.position_s:.2f} to {self.position_s + gap_s:.2f} s, "
                "behind its end; the file is damaged, replace it or take it out of the source"
            )
        elif not self._has_sound and gap_s <= _LATE_S:
            self._shift_s -= gap_s
        elif gap_s > _TOLERANCE_S:
            name = "gap_filled" if self._has_sound else "late_start"
            detail = (
                "no sound in the file; filled with silence"
                if self._has_sound
                else "the sound begins later than the media"
            )
            self._warnings.add(name, detail, self.position_s, gap_s)
            yield from self._fill(gap_s)

    def _lies_beyond(self, sound: Sound, gap_s: float) -> bool:
        if self._length_s is None:
            return False
        return self.position_s - self.begin_s + gap_s > self._length_s + max(
            _BACK_S, len(sound.samples) / sound.rate_hz
        )

    def _fill(self, duration_s: float) -> Iterator[Silence]:
        self._base_s, self._count = self.position_s + duration_s, 0
        yield Silence(self._base_s)

    def _turn_to(self, rate_hz: int) -> None:
        check_rate(self._name, rate_hz)
        if self._rate_hz:
            detail = f"the sampling rate changes from {self._rate_hz} to {rate_hz} Hz; followed"
            self._warnings.add("format_change", detail, self.position_s)
            # FFmpeg derives the times inside the packets of a transport stream from its first rate.
            self._has_stamps &= not self._kind.splices
        self._base_s, self._count, self._rate_hz = self.position_s, 0, rate_hz

    def _take(self, num_samples: int) -> None:
        self._count += num_samples
        self.end_s = self._base_s + self._count / self._rate_hz
        duration_s = num_samples / self._rate_hz
        self._tally.sound_s += duration_s
        self._has_sound = True
        if duration_s > self.frame_s:
            self.frame_s = duration_s


def check_rate(name: str, rate_hz: int) -> None:
    """Refuses rates that hold no speech, or that no recorder has.

    Raises:
        RecordingError: the rate lies outside 4 to 768 kHz.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise RecordingError(
            f"{name}: its header tells a sampling rate of {rate_hz} Hz, expected {MIN_RATE_HZ} to {MAX_RATE_HZ}; "
            "the header is wrong, correct it or take the file out of the source"
        )


def check_channels(name: str, num_channels: int) -> None:
    """Refuses numbers of channels that cannot be.

    Raises:
        RecordingError: none, or more than 255.
    """
    if not 1 <= num_channels <= _MAX_CHANNELS:
        raise RecordingError(
            f"{name}: its header tells {num_channels} channels; the file is damaged, replace it or leave it out"
        )

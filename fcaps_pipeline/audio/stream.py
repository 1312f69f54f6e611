"""Decodes one file to mono int16 at 16 kHz, block by block, for the channels asked for.

Enters: a location and a choice of channels. Leaves: int16 blocks of shape (channels, samples), in which sample n is
second n / 16000 of the media; the memory needed does not depend on the length of the file. A file that breaks off, or
whose samples lie on an absurd scale, ends in a RecordingError, never in a shorter or bent signal. What was mended on
the way stands in `warnings`.

Shape suffix: C chosen channels, T samples.
"""

from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import Literal, Self

import numpy as np

from fcaps_pipeline.audio.byte_source import sha256_of
from fcaps_pipeline.audio.levels import LevelCheck
from fcaps_pipeline.audio.opening import Link, open_link
from fcaps_pipeline.audio.rendering import PcmBlock, Renderer
from fcaps_pipeline.audio.timeline import Silence, Tally
from fcaps_pipeline.audio.view import open_view
from fcaps_pipeline.audio.warnings import WarningLog
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import AudioWarning, Channel

ChannelChoice = Literal["first", "mix", "each"] | tuple[Channel, ...]

_MAX_HELD_SAMPLES = 16_000_000
"""So much is held back at most until it is clear that the scale of the samples is sound."""


class AudioStream:
    """One open recording; iterate `blocks` once, inside a `with` statement."""

    def __init__(self, location: str, channels: ChannelChoice = "first") -> None:
        """Opens the file.

        Args:
            location: of the audio.
            channels: `first`, `mix` (mean of all), `each`, or an explicit list of channels.

        Raises:
            RecordingError: the file is not audio, or lacks a channel.
            StorageError: the storage does not give it.
        """
        self._location = location
        self._warnings = WarningLog()
        self._tally = Tally()
        self._view = open_view(location)
        try:
            self._link = open_link(self._view, self._warnings, self._tally, bounded=True)
        except BaseException:
            self._view.close()
            raise
        self.source_rate_hz = self._link.decoder.rate_hz
        self.num_channels = self._link.decoder.num_channels
        try:
            self.channels = _choose_channels(channels, self.num_channels, self._view.name)
        except RecordingError:
            self._close()
            raise
        self._levels = LevelCheck(self._view.name)
        takes_all = channels == "each"
        self._renderer = Renderer(self._view.name, self.channels, self.num_channels, self._levels, takes_all=takes_all)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._close()

    def _close(self) -> None:
        self._link.decoder.close()
        self._view.close()

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """What was mended or passed over so far; complete after the iteration."""
        return self._warnings.records()

    @cached_property
    def sha256(self) -> str:
        """Of its bytes, which are read once.

        Raises:
            StorageError: the storage fails.
        """
        return sha256_of(self._location)

    def blocks(self) -> Iterator[PcmBlock]:
        """Decoded blocks of shape (C, T), about 8 s each.

        Raises:
            RecordingError: the data is truncated, empty, not finite, or on an absurd scale.
            StorageError: the storage fails.
        """
        held: list[PcmBlock] = []
        for block_CT in self._decoded():
            held.append(block_CT)
            if self._levels.is_settled or sum(one.size for one in held) > _MAX_HELD_SAMPLES:
                yield from held
                held = []
        self._levels.check_end()
        yield from held

    def clipped_share(self, row: int, start_samples: int, end_samples: int) -> float:
        """Share of clipped samples in an interval of one of the chosen channels, 0 to 1, at the rate of the source."""
        return self._renderer.clipping.share(row, start_samples, end_samples)

    def forget_before(self, samples: int) -> None:
        """Lets go of what `clipped_share` would need for intervals before a sample."""
        self._renderer.clipping.forget_before(samples)

    def check_damage(self, max_share: float) -> None:
        """Judges how much was lost, once all has been decoded; one packet alone never counts.

        Raises:
            RecordingError: more than `max_share` of the sound could not be decoded.
        """
        damaged_s, whole_s = self._tally.damaged_s, self._tally.sound_s + self._tally.damaged_s
        if damaged_s > max(max_share * whole_s, self._tally.longest_loss_s):
            raise RecordingError(
                f"{self._view.name}: {damaged_s:.2f} of {whole_s:.2f} s could not be decoded, more than the share of "
                f"{max_share:g} that segmentation.max_damaged_share allows; replace the file or leave it out"
            )

    def _decoded(self) -> Iterator[PcmBlock]:
        while True:
            yield from self._of_link(self._link)
            if self._link.next_at is None:
                break
            self._link.decoder.close()
            self._warnings.add("joined_files", "another file begins here; it was read too", self._tally.end_s)
            self._view.narrow(self._link.next_at, None)
            self._link = open_link(self._view, self._warnings, self._tally, bounded=True)
        if not self._tally.sound_s:
            what = "nothing in it can be decoded" if self._tally.damaged_s else "it holds no sample"
            raise RecordingError(f"{self._view.name}: {what}; take it out of the source")

    def _of_link(self, link: Link) -> Iterator[PcmBlock]:
        self._renderer.follow(link.timeline, keeps_samples=link.decoder.keeps_samples)
        try:
            for part in link.timeline.parts():
                if isinstance(part, Silence):
                    yield from self._renderer.silence(part)
                elif not self._renderer.fits(part):
                    yield from self._renderer.sound(part)
        except RecordingError as error:
            if (reason := link.cut_off()) is not None:
                raise RecordingError(reason) from error
            raise
        yield from self._renderer.end_stretch()
        link.check_end()
        link.timeline.finish()


def decode_all(location: str, channels: ChannelChoice = "first") -> PcmBlock:
    """A whole short recording at once, shape (C, T); for files of any length use `AudioStream`.

    Raises:
        RecordingError: as `AudioStream`.
        StorageError: as `AudioStream`.
    """
    with AudioStream(location, channels) as stream:
        return np.concatenate(list(stream.blocks()), axis=1)


def _choose_channels(choice: ChannelChoice, num_channels: int, name: str) -> tuple[Channel, ...]:
    if choice == "first":
        return (0,)
    if choice == "mix":
        return ("mix",)
    if choice == "each":
        return tuple(range(num_channels))
    for channel in choice:
        if isinstance(channel, int) and not 0 <= channel < num_channels:
            raise RecordingError(f"{name} has {num_channels} channels counted from 0, channel {channel} was asked for")
    return choice

"""Decodes one file to mono int16 at 16 kHz, block by block, for the channels asked for.

Enters: a path and a choice of channels. Leaves: int16 blocks of shape (channels, samples); the
memory needed does not depend on the length of the file. A file that breaks off, or that holds
NaN or infinite samples, ends in a RecordingError, never in a shorter signal.

Shape suffix: C chosen channels, S channels of the source, T samples.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.audio.location import local_path
from fcaps_pipeline.audio.readers import FloatBlock, Reader, open_reader
from fcaps_pipeline.audio.resample import StreamResampler
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import Channel

PcmBlock = npt.NDArray[np.int16]
ChannelChoice = Literal["first", "mix", "each"] | tuple[Channel, ...]

_BLOCK_S = 8
_MAX_BLOCK_VALUES = 16_000_000
_FULL_SCALE = 32768.0


class AudioStream:
    """One open recording; iterate `blocks` once, inside a `with` statement."""

    def __init__(self, location: str, channels: ChannelChoice = "first") -> None:
        """Opens the file.

        Args:
            location: path of the audio.
            channels: `first`, `mix` (mean of all), `each`, or an explicit list of channels.

        Raises:
            RecordingError: the file cannot be opened, is not audio, or lacks a channel.
        """
        self._path = local_path(location)
        self._reader: Reader = open_reader(self._path)
        try:
            self.channels = _choose_channels(channels, self._reader.num_channels, self._path)
            self._resampler = StreamResampler(self._reader.rate_hz, len(self.channels))
        except RecordingError as error:
            self._reader.close()
            raise RecordingError(_located(error, self._path)) from error

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._reader.close()

    def blocks(self) -> Iterator[PcmBlock]:
        """Decoded blocks of shape (C, T), about 8 s each.

        Raises:
            RecordingError: the data is damaged, truncated, empty, or not finite.
        """
        num_read = 0
        for block_TS in self._reader.blocks(self._block_frames()):
            self._check_finite(block_TS, num_read)
            num_read += len(block_TS)
            yield _to_pcm(self._resampler.push(_select(block_TS, self.channels)))
        self._check_length(num_read)
        yield _to_pcm(self._resampler.finish())

    def _block_frames(self) -> int:
        return max(1, min(_BLOCK_S * self._reader.rate_hz, _MAX_BLOCK_VALUES // self._reader.num_channels))

    def _check_finite(self, block_TS: FloatBlock, num_before: int) -> None:
        # One sum is far cheaper than a mask, and is finite unless something is wrong.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block_TS.sum()):
                return
        bad_TS = ~np.isfinite(block_TS)
        if not bad_TS.any():
            return
        frame, channel = (int(index) for index in np.argwhere(bad_TS)[0])
        where = num_before + frame
        raise RecordingError(
            f"{self._path}: sample {where} ({where / self._reader.rate_hz:.2f} s) of channel {channel} is "
            f"{block_TS[frame, channel]}, expected a finite number; export the file again"
        )

    def _check_length(self, num_read: int) -> None:
        rate_hz, promised = self._reader.rate_hz, self._reader.promised_frames
        if num_read == 0:
            raise RecordingError(f"{self._path} holds no sample; take it out of the source")
        if promised is not None and num_read < promised - self._reader.slack_frames:
            raise RecordingError(
                f"{self._path} is truncated: its header promises {promised / rate_hz:.2f} s, "
                f"found {num_read / rate_hz:.2f} s; copy it again"
            )


def decode_all(location: str, channels: ChannelChoice = "first") -> PcmBlock:
    """A whole short recording at once, shape (C, T); for files of any length use `AudioStream`.

    Raises:
        RecordingError: as `AudioStream`.
    """
    with AudioStream(location, channels) as stream:
        return np.concatenate(list(stream.blocks()), axis=1)


def _choose_channels(choice: ChannelChoice, num_channels: int, path: Path) -> tuple[Channel, ...]:
    if choice == "first":
        return (0,)
    if choice == "mix":
        return ("mix",)
    if choice == "each":
        return tuple(range(num_channels))
    for channel in choice:
        if isinstance(channel, int) and not 0 <= channel < num_channels:
            raise RecordingError(f"{path} has {num_channels} channels counted from 0, channel {channel} was asked for")
    return choice


def _select(block_TS: FloatBlock, channels: tuple[Channel, ...]) -> torch.Tensor:
    rows = [block_TS.mean(axis=1) if channel == "mix" else block_TS[:, channel] for channel in channels]
    return torch.from_numpy(np.stack(rows))


def _to_pcm(audio_CT: torch.Tensor) -> PcmBlock:
    scaled_CT = (audio_CT * _FULL_SCALE).round_().clamp_(-_FULL_SCALE, _FULL_SCALE - 1)
    pcm_CT: PcmBlock = scaled_CT.to(torch.int16).numpy()
    return pcm_CT


def _located(error: RecordingError, path: Path) -> str:
    message = str(error)
    return message if str(path) in message else f"{path}: {message}"

"""Opens a Recording, in one file or in several: the one place where sound of a corpus is opened.

Enters: a Recording and a choice of its channels. Leaves: a stream of int16 blocks at 16 kHz, whose rows are channels of
the Recording, whatever the order and the files they lie in. Files of one Recording run side by side; one that ends
before the others is silence from there on.

Shape suffixes: C channels, T samples.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from fcaps_pipeline.annotate.segmentation.shard_stream import ShardStream
from fcaps_pipeline.audio.rendering import PcmBlock
from fcaps_pipeline.audio.stream import AudioStream, ChannelChoice
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import AudioFile, AudioWarning, Channel, Recording
from fcaps_pipeline.storage.path import store_path


class SoundStream(Protocol):
    """The open sound of a Recording; see `AudioStream`."""

    channels: tuple[Channel, ...]
    source_rate_hz: int
    num_channels: int
    """Of the Recording, whichever of them were asked for."""

    @property
    def sha256(self) -> str:
        """Of the bytes of its files."""
        ...

    def __enter__(self) -> Self:
        """Returns itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes what is open."""
        ...

    def blocks(self) -> Iterator[PcmBlock]:
        """Blocks of shape (C, T); iterate once."""
        ...

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """What was mended or passed over so far."""
        ...

    def clipped_share(self, row: int, start_samples: int, end_samples: int) -> float:
        """Share of clipped samples in an interval of one row, at the rate of the source."""
        ...

    def forget_before(self, samples: int) -> None:
        """Lets go of what `clipped_share` would need for intervals before a sample."""
        ...

    def check_damage(self, max_share: float) -> None:
        """Raises a RecordingError where more than `max_share` of the sound could not be decoded."""
        ...


OpenRecording = Callable[[Recording, ChannelChoice], SoundStream]


def open_recording(recording: Recording, channels: ChannelChoice) -> SoundStream:
    """Opens the channels of a Recording.

    Raises:
        RecordingError: a file cannot be opened, is not audio, or lacks a channel.
    """
    if recording.shard is not None:
        return ShardStream(recording, store_path(recording.shard), channels)
    if recording.files is None:
        return AudioStream(recording.location, channels)
    return MappedStream(recording, recording.files, channels)


class MappedStream:
    """A Recording whose channels are told by its source; see `SoundStream`."""

    def __init__(self, recording: Recording, files: tuple[AudioFile, ...], channels: ChannelChoice) -> None:
        """Opens every file that holds a channel that was asked for.

        Raises:
            RecordingError: as `open_recording`.
        """
        self._recording = recording
        self.channels = _chosen(recording, files, channels)
        wanted = _numbers(files) if "mix" in self.channels else list(self.channels)
        self._rows: list[Channel] = []
        self._streams: list[AudioStream] = []
        with ExitStack() as opened:
            for file in files:
                rows = tuple(row for row, channel in enumerate(file.channels) if channel in wanted)
                if rows:
                    self._streams.append(opened.enter_context(AudioStream(file.location, rows)))
                    self._rows += [file.channels[row] for row in rows]
            self._opened = opened.pop_all()
        self.source_rate_hz = max(stream.source_rate_hz for stream in self._streams)
        self.num_channels = len(_numbers(files))

    @property
    def sha256(self) -> str:
        """Of the sums of its files, in their order.

        Raises:
            StorageError: the storage fails.
        """
        return hashlib.sha256("".join(stream.sha256 for stream in self._streams).encode()).hexdigest()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes all files."""
        self._opened.close()

    def blocks(self) -> Iterator[PcmBlock]:
        """See `SoundStream`.

        Raises:
            RecordingError: as `AudioStream.blocks`, for any of the files.
        """
        for pcm_CT in _side_by_side(self._streams):
            yield np.stack([self._channel(pcm_CT, channel) for channel in self.channels])

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """See `SoundStream`: those of all files."""
        return tuple(warning for stream in self._streams for warning in stream.warnings)

    def clipped_share(self, row: int, start_samples: int, end_samples: int) -> float:
        """See `SoundStream`; of the mean, that of its worst channel."""
        places = [(stream, index) for stream in self._streams for index in range(len(stream.channels))]
        if self.channels[row] != "mix":
            places = [places[self._rows.index(self.channels[row])]]
        return max(stream.clipped_share(index, start_samples, end_samples) for stream, index in places)

    def forget_before(self, samples: int) -> None:
        """See `SoundStream`."""
        for stream in self._streams:
            stream.forget_before(samples)

    def check_damage(self, max_share: float) -> None:
        """See `SoundStream`.

        Raises:
            RecordingError: for any of the files.
        """
        for stream in self._streams:
            stream.check_damage(max_share)

    def _channel(self, pcm_CT: PcmBlock, channel: Channel) -> PcmBlock:
        if channel != "mix":
            row: PcmBlock = pcm_CT[self._rows.index(channel)]
            return row
        mixed: PcmBlock = np.round(pcm_CT.mean(axis=0)).astype(np.int16)
        return mixed


def _side_by_side(streams: list[AudioStream]) -> Iterator[PcmBlock]:
    """Blocks of all rows of all files together, as long as any file lasts."""
    readers = [stream.blocks() for stream in streams]
    pending: list[PcmBlock | None] = [np.zeros((len(stream.channels), 0), np.int16) for stream in streams]
    while True:
        pending = [_refilled(block, reader) for block, reader in zip(pending, readers, strict=True)]
        lengths = [block.shape[1] for block in pending if block is not None]
        if not lengths:
            return
        length = min(lengths)
        yield np.concatenate(
            [
                np.zeros((len(stream.channels), length), np.int16) if block is None else block[:, :length]
                for block, stream in zip(pending, streams, strict=True)
            ]
        )
        pending = [None if block is None else block[:, length:] for block in pending]


def _refilled(block: PcmBlock | None, reader: Iterator[PcmBlock]) -> PcmBlock | None:
    """The block, or the next one where nothing is left of it; None when the file has ended."""
    while block is not None and block.shape[1] == 0:
        block = next(reader, None)
    return block


def _numbers(files: tuple[AudioFile, ...]) -> list[int]:
    return sorted(channel for file in files for channel in file.channels)


def _chosen(recording: Recording, files: tuple[AudioFile, ...], choice: ChannelChoice) -> tuple[Channel, ...]:
    numbers = _numbers(files)
    if choice == "first":
        return (numbers[0],)
    if choice == "mix":
        return ("mix",)
    if choice == "each":
        return tuple(numbers)
    for channel in choice:
        if channel != "mix" and channel not in numbers:
            raise RecordingError(
                f"{recording.location}: its source tells of channels {numbers}, channel {channel} was asked for"
            )
    return choice

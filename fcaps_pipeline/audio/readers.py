"""Opens one audio file and reads it in blocks at its own rate: soundfile first, PyAV for the rest.

Enters: a path. Leaves: float32 blocks of shape (frames, channels), read one after the other with
bounded memory. Channel choice, resampling and the check of the length belong to `stream`.

Shape suffix: T frames at the rate of the file, C channels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import av
import av.error
import numpy as np
import numpy.typing as npt
import soundfile

from fcaps_pipeline.audio.header import promised_frames
from fcaps_pipeline.errors import RecordingError

FloatBlock = npt.NDArray[np.float32]

_TRUSTED_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""FFmpeg demuxers whose length stands in the file; for others FFmpeg may guess it from the bit rate."""


class Reader(Protocol):
    """An open audio file."""

    rate_hz: int
    num_channels: int
    num_frames: int | None
    """Frames by the header, possibly an estimate; None when unknown."""
    promised_frames: int | None
    """Frames that a whole file must hold; None when the container does not say."""
    slack_frames: int
    """Frames that may be missing from the promise without anything being wrong."""

    def blocks(self, block_frames: int) -> Iterator[FloatBlock]:
        """The audio as blocks of shape (T, C) with at most about `block_frames` frames.

        Raises:
            RecordingError: the data cannot be decoded to its end.
        """
        ...

    def close(self) -> None:
        """Releases the file."""
        ...


class SoundFileReader:
    """WAV, FLAC, MP3, Ogg Vorbis and Opus, Sphere, AIFF, AU, CAF, W64 through libsndfile."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            soundfile.LibsndfileError: libsndfile does not know this kind of file.
        """
        self._path = path
        self._file = soundfile.SoundFile(path)
        self.rate_hz = int(self._file.samplerate)
        self.num_channels = int(self._file.channels)
        self.promised_frames = promised_frames(self._file, path)
        self.num_frames = self.promised_frames or (int(self._file.frames) if self._file.format == "MP3" else None)
        # MP3 decoders drop up to two frames of encoder delay that the header counts.
        self.slack_frames = 2 * 1152 if self._file.format == "MP3" else 0

    @property
    def is_empty(self) -> bool:
        """Whether libsndfile found no frame, as in a WAV file that was piped with a length of 0."""
        return bool(self._file.frames == 0)

    def blocks(self, block_frames: int) -> Iterator[FloatBlock]:
        """See `Reader.blocks`."""
        num_read = 0
        while True:
            try:
                block_TC = self._file.read(block_frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                read_s = num_read / self.rate_hz
                raise RecordingError(_broken(self._path, read_s, f"libsndfile {error.code}")) from error
            if not len(block_TC):
                return
            num_read += len(block_TC)
            yield block_TC

    def close(self) -> None:
        """See `Reader.close`."""
        self._file.close()


class PyAvReader:
    """M4A, WebM, AAC, WMA and the sound of videos through FFmpeg."""

    def __init__(self, path: Path) -> None:
        """Opens the first audio stream.

        Raises:
            av.error.FFmpegError: FFmpeg does not know this kind of file.
            RecordingError: the file holds no sound.
        """
        self._path = path
        self._container = av.open(str(path))
        if not self._container.streams.audio:
            self._container.close()
            raise RecordingError(f"{path} holds no audio stream; take it out of the source")
        self._stream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            self._container.close()
            raise RecordingError(
                f"{path}: FFmpeg has no decoder for its sound; convert it or take it out of the source"
            )
        self.rate_hz = int(self._stream.rate or 0)
        self.num_channels = int(self._stream.channels or 0)
        duration_s = self._duration_s()
        self.num_frames = None if duration_s is None else max(0, round(duration_s * self.rate_hz))
        trusted = self._container.format.name in _TRUSTED_CONTAINERS
        self.promised_frames = self.num_frames if trusted else None
        # Encoder delay and padding of AAC and Opus; containers count them or not.
        self.slack_frames = self.rate_hz // 4

    def _duration_s(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return float(self._container.duration / av.time_base)
        return None

    def blocks(self, block_frames: int) -> Iterator[FloatBlock]:
        """See `Reader.blocks`."""
        pending: list[FloatBlock] = []
        num_read = num_pending = 0
        try:
            for frame_TC in self._frames():
                pending.append(frame_TC)
                num_pending += len(frame_TC)
                num_read += len(frame_TC)
                if num_pending >= block_frames:
                    yield np.concatenate(pending)
                    pending, num_pending = [], 0
        except (av.error.FFmpegError, ValueError) as error:
            detail = " ".join(str(error).split())
            raise RecordingError(_broken(self._path, num_read / self.rate_hz, f"FFmpeg: {detail}")) from error
        if pending:
            yield np.concatenate(pending)

    def _frames(self) -> Iterator[FloatBlock]:
        to_float = av.AudioResampler(format="fltp")
        for frame in self._container.decode(self._stream):
            for converted in to_float.resample(frame):
                yield np.ascontiguousarray(converted.to_ndarray().T, dtype=np.float32)

    def close(self) -> None:
        """See `Reader.close`."""
        self._container.close()


def _broken(path: Path, read_s: float, detail: str) -> str:
    return (
        f"{path} cannot be decoded beyond about {read_s:.2f} s ({detail}); the file is damaged or truncated, "
        "replace it or take it out of the source"
    )


def open_reader(path: Path) -> Reader:
    """Opens an audio file with the first library that knows it.

    Raises:
        RecordingError: the file is missing, unreadable, empty or not audio.
    """
    _check_readable(path)
    reader = _open_soundfile(path) or _open_pyav(path)
    if reader.rate_hz <= 0 or reader.num_channels <= 0:
        reader.close()
        raise RecordingError(
            f"{path}: its header tells {reader.num_channels} channels at {reader.rate_hz} Hz; the file is damaged, "
            "replace it or take it out of the source"
        )
    return reader


def _open_pyav(path: Path) -> PyAvReader:
    try:
        return PyAvReader(path)
    except (av.error.FFmpegError, ValueError) as error:
        raise RecordingError(
            f"{path} is not audio that libsndfile or FFmpeg can read; "
            "check that the file is whole and that its name tells its true kind"
        ) from error


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            is_empty = not stream.read(1)
    except IsADirectoryError:
        raise RecordingError(f"{path} is a folder, expected an audio file") from None
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be opened: {error.strerror}; check the path and its permissions"
        ) from error
    except ValueError as error:  # a null byte in the path
        raise RecordingError(f"{str(path)!a} is not a path ({error}); correct the source") from error
    if is_empty:
        raise RecordingError(f"{path} is empty (0 bytes); copy it again or take it out of the source")


def _open_soundfile(path: Path) -> SoundFileReader | None:
    try:
        reader = SoundFileReader(path)
    except soundfile.LibsndfileError:
        return None
    if reader.is_empty:
        reader.close()
        return None
    return reader

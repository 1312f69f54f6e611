"""Decodes one stream of sound, frame by frame: FFmpeg for all containers that it names, libsndfile for the rest.

Enters: a FileView, its Kind and Outline. Leaves: Sounds as the decoder gave them, and Losses where a packet could
not be decoded, in the order of the file. Placing them in time belongs to `timeline`.

Shape suffix: T frames at the rate of the sound, S channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import av
import av.error
import av.stream
import numpy as np
import numpy.typing as npt
import soundfile

from fcaps_pipeline.audio.kinds import OWN_BYTES, Kind, id3_bytes
from fcaps_pipeline.audio.view import FileView
from fcaps_pipeline.errors import RecordingError

av.logging.set_libav_level(av.logging.PANIC)

Samples = npt.NDArray[Any]

_BUFFER_BYTES = 131_072
_BLOCK_FRAMES = 65_536
_NEWEST = 0.1
"""Weight of the last packet in the mean size of a frame."""
_ODD_SIZE = 1.4
"""Packets so much larger than the mean are looked at: other bytes may hang behind their frame."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_PAUSE_CODECS = {"amrnb", "amrwb"}
_FIRST_PAUSE_TYPE = 8
"""Source: 3GPP TS 26.101 and 26.201, table 1a: from this frame type on no speech is coded (comfort noise, no data)."""
_SAMPLE_KINDS: dict[str, type[np.generic]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
"""FFmpeg's names of sample formats, without the `p` of planar ones."""
_UP_TO_16_BITS = {"PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW"}
"""Subtypes of libsndfile."""
_CHECKED = {"flac", "wavpack", "tta", "tak", "ape", "mlp", "truehd"}
"""Codecs with a checksum in every frame, which FFmpeg heeds when told to."""
_DAMAGE = (av.error.FFmpegError, ValueError, IndexError, OSError)
"""What PyAV raises over a damaged file."""
_STORED = ("pcm_", "wavpack", "tta", "adpcm_ima_wav")
"""Codecs whose samples are those that were stored, so that none may be taken for damage."""


@dataclass(frozen=True)
class Sound:
    """One decoded frame."""

    samples: Samples
    """Shape (T, S); integers as FFmpeg scales them, or floats."""
    rate_hz: int
    pts_s: float | None
    """The container's time stamp; None where it has none."""


@dataclass(frozen=True)
class Loss:
    """A packet without sound."""

    duration_s: float
    is_pause: bool
    """Whether the encoder said so (comfort noise, no data); otherwise it could not be decoded."""


class Decoder(Protocol):
    """An open stream of sound."""

    rate_hz: int
    num_channels: int
    start_s: float
    """The time stamp at which the media begins."""
    length_s: float | None
    """Up to where the sound goes by the container, from the zero of its time stamps; None when it does not tell."""
    num_streams: int
    """Streams of sound in the file."""
    keeps_samples: bool
    """Whether the codec gives the samples that were stored; a lossy one can give anything for a damaged packet."""

    def events(self) -> Iterator[Sound | Loss]:
        """All that the stream holds.

        Raises:
            RecordingError: the container cannot be read further.
            StorageError: the storage fails.
        """
        ...

    def close(self) -> None:
        """Releases what the library holds."""
        ...


def _deny(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError(f"the file refers to {url!r}, which is not opened")


class FfmpegDecoder:
    """The first stream of sound of a container."""

    def __init__(self, view: FileView, kind: Kind) -> None:
        """Opens the container.

        Raises:
            RecordingError: it is damaged, holds no sound, or a kind of sound without decoder.
            StorageError: the storage fails.
        """
        self._view = view
        try:
            self._container = av.open(
                view,
                "r",
                format=kind.demuxer,
                options={"protocol_whitelist": "", "format_whitelist": kind.demuxer},
                metadata_errors="ignore",
                buffer_size=_BUFFER_BYTES,
                io_open=_deny,
            )
        except _DAMAGE as error:
            raise _refused(view, error, f"is damaged: FFmpeg cannot open it as {kind.demuxer}") from error
        try:
            self._choose(kind)
        except BaseException:
            self._container.close()
            raise

    def _choose(self, kind: Kind) -> None:
        streams = self._container.streams
        if not streams.audio:
            raise RecordingError(f"{self._view.name} holds no audio stream; take it out of the source")
        self._stream = streams.audio[0]
        context = self._stream.codec_context
        if context is None:
            raise RecordingError(
                f"{self._view.name}: FFmpeg has no decoder for its sound; convert it or take it out of the source"
            )
        for other in streams:
            if other.index != self._stream.index:
                other.discard = av.stream.Discard.all
        context.thread_count = 1
        if context.name in _CHECKED:
            context.options = {"err_detect": "crccheck+explode"}
        self.num_streams = len(streams.audio)
        self.keeps_samples = context.name.startswith(_STORED)
        self.rate_hz = int(self._stream.rate or 0)
        self.num_channels = int(self._stream.channels or 0)
        self.start_s = (self._container.start_time or 0) / av.time_base if kind.clock == "first" else 0.0
        self.length_s = self._length_s()
        ticks = self._stream.time_base
        self._tick_s = None if kind.clock == "counted" or ticks is None else float(ticks)
        self._is_parsed = kind.clock == "counted" and not self.keeps_samples
        self._context = context
        # This demuxer throws away what is between frames, and nobody learns how much; its parser does not.
        self._parses_alone = kind.demuxer == "aac"
        self._own_bytes = OWN_BYTES.get(kind.demuxer)
        self._pauses = context.name in _PAUSE_CODECS

    def _length_s(self) -> float | None:
        if self.start_s:
            # FFmpeg counts some lengths from zero and some from the start.
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            begin = self._stream.start_time or 0
            return float((begin + self._stream.duration) * self._stream.time_base)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return float(self._container.duration / av.time_base)
        return None

    def events(self) -> Iterator[Sound | Loss]:
        """See `Decoder.events`."""
        frame_s = frame_bytes = 0.0
        for packet in self._packets():
            if self._pauses and packet.size and bytes(packet)[0] >> 3 & 15 >= _FIRST_PAUSE_TYPE:
                yield Loss(_packet_s(packet), is_pause=True)
                continue
            try:
                frames = self._context.decode(packet)
            except av.error.EOFError:
                return
            except _DAMAGE as error:
                if self._view.error is not None:
                    raise self._view.error from error
                if packet.size and not bytes(packet).startswith(_TAGS):
                    # A parser that lost its way puts several frames into one packet.
                    num_frames = max(1, round(packet.size / frame_bytes)) if self._is_parsed and frame_bytes else 1
                    yield Loss(num_frames * (frame_s or _packet_s(packet)), is_pause=False)
                continue
            strange_bytes = self._strange_bytes(packet, frame_bytes)
            for frame in frames:
                frame_s = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
                frame_bytes += (packet.size - strange_bytes - frame_bytes) * (_NEWEST if frame_bytes else 1.0)
                pts_s = None if self._tick_s is None or frame.pts is None else frame.pts * self._tick_s
                yield Sound(_samples(frame), frame.sample_rate, pts_s)
            if strange_bytes > frame_bytes / 2:
                yield Loss(round(strange_bytes / frame_bytes) * frame_s, is_pause=False)

    def _strange_bytes(self, packet: Any, frame_bytes: float) -> float:
        """Bytes in a packet beside its frame: of frames whose heads are gone, which a parser took for a part of it."""
        if self._own_bytes is None or not frame_bytes or packet.size <= _ODD_SIZE * frame_bytes:
            return 0
        content = bytes(packet)
        frame = content.lstrip(b"\0")
        size = self._own_bytes(frame[:8])
        return 0 if frame[size:].startswith(_TAGS) else len(content) - (size or frame_bytes)

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._parsed() if self._parses_alone else self._container.demux(self._stream)
        except av.error.EOFError:
            return
        except _DAMAGE as error:
            raise _refused(self._view, error, "is damaged: FFmpeg cannot read it to its end") from error

    def _parsed(self) -> Iterator[Any]:
        self._view.seek(id3_bytes(self._view))
        while content := self._view.read(_BUFFER_BYTES):
            yield from self._context.parse(content)
        yield from self._context.parse(None)
        yield av.Packet()

    def close(self) -> None:
        """See `Decoder.close`."""
        self._container.close()


def _refused(view: FileView, error: Exception, what: str) -> Exception:
    if view.error is not None:
        return view.error
    log = getattr(error, "log", None)
    said = log[2] if log else getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
    detail = " ".join(str(said).split())
    return RecordingError(f"{view.name} {what} ({detail}); replace it or take it out of the source")


def _packet_s(packet: Any) -> float:
    return float(packet.duration * packet.time_base) if packet.duration and packet.time_base else 0.0


def _samples(frame: Any) -> Samples:
    """The samples where FFmpeg left them: its own way to an array costs as much as decoding."""
    sample_kind, num_values = _SAMPLE_KINDS[frame.format.name.removesuffix("p")], frame.samples
    num_channels = frame.layout.nb_channels
    # Of eight planar channels PyAV finds nine: it looks for the end of a list that has none there.
    planes = frame.planes[: num_channels if frame.format.is_planar else 1]
    if len(planes) > 1:
        return np.stack([np.frombuffer(plane, sample_kind, num_values) for plane in planes], axis=1)
    return np.frombuffer(planes[0], sample_kind, num_values * num_channels).reshape(num_values, num_channels)


class SoundFileDecoder:
    """What libsndfile reads and FFmpeg does not, or reads wrong: big-endian WAV, HTK, MATLAB, PAF, 16SV and others."""

    start_s = 0.0
    num_streams = 1
    keeps_samples = True

    def __init__(self, view: FileView) -> None:
        """Opens the file.

        Raises:
            RecordingError: libsndfile cannot open it.
            StorageError: the storage fails.
        """
        self._view = view
        try:
            self._file = soundfile.SoundFile(view)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise _refused(view, error, "is damaged: libsndfile cannot open it") from error
        # The width of the samples tells whether their scale can be wrong; floats would hide it.
        self._dtype = "int16" if self._file.subtype in _UP_TO_16_BITS else "float32"
        self.rate_hz = int(self._file.samplerate)
        self.num_channels = int(self._file.channels)
        self.length_s = self._file.frames / self.rate_hz if self.rate_hz else None

    def events(self) -> Iterator[Sound | Loss]:
        """See `Decoder.events`."""
        while len(block_TS := self._read()):
            yield Sound(block_TS, self.rate_hz, None)

    def _read(self) -> Samples:
        try:
            block_TS: Samples = self._file.read(_BLOCK_FRAMES, dtype=self._dtype, always_2d=True)
        except soundfile.SoundFileError as error:
            raise _refused(self._view, error, "is damaged: libsndfile cannot read it to its end") from error
        if self._view.error is not None:
            raise self._view.error
        return block_TS

    def close(self) -> None:
        """See `Decoder.close`."""
        self._file.close()

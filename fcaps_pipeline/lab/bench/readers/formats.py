"""Small files in the formats that the reader claims, made with the libraries that the package brings.

Enters: a folder. Leaves: one file of a second of sound per format. ffmpeg and sox, which know more formats, serve
the contract suite; here a fresh machine must do.
"""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

_SECONDS = 1.0
_BITS_PER_S = 64_000


@dataclass(frozen=True)
class Format:
    """One way to write sound."""

    name: str
    suffix: str
    codec: str | None = None
    """Of FFmpeg; None means that libsndfile writes the file."""
    rate_hz: int = 16_000
    num_channels: int = 1
    container: str | None = None
    """Of FFmpeg, where the suffix does not tell; a format of libsndfile where there is no codec."""
    subtype: str | None = None
    options: tuple[tuple[str, str], ...] = ()


FORMATS = (
    Format("wav", "wav", num_channels=2),
    Format("wav-24", "wav", subtype="PCM_24"),
    Format("wav-float", "wav", subtype="FLOAT"),
    Format("wav-adpcm", "wav", subtype="MS_ADPCM"),
    Format("wav-mulaw", "wav", subtype="ULAW", rate_hz=8_000),
    Format("wav-mp3", "wav", "libmp3lame"),
    Format("rf64", "wav", container="RF64"),
    Format("w64", "w64"),
    Format("aiff", "aiff"),
    Format("au", "au"),
    Format("caf", "caf"),
    Format("caf-alac", "caf", "alac"),
    Format("sphere", "sph", container="NIST"),
    Format("voc", "voc"),
    Format("htk", "htk"),
    Format("flac", "flac", num_channels=2),
    Format("mp3", "mp3", "libmp3lame"),
    Format("mp3-bare", "mp3", "libmp3lame", options=(("write_xing", "0"), ("id3v2_version", "0"))),
    Format("mp2", "mp2", "mp2"),
    Format("ogg-vorbis", "ogg"),
    Format("ogg-opus", "opus", "libopus", rate_hz=48_000),
    Format("m4a", "m4a", "aac"),
    Format("m4a-alac", "m4a", "alac"),
    Format(
        "mp4-fragments", "mp4", "aac", options=(("movflags", "frag_keyframe+empty_moov"), ("frag_duration", "200000"))
    ),
    Format("mov", "mov", "pcm_s16le"),
    Format("webm", "webm", "libopus", rate_hz=48_000),
    Format("mkv-pcm", "mkv", "pcm_s16le"),
    Format("mkv-live", "mkv", "aac", options=(("live", "1"),)),
    Format("avi", "avi", "libmp3lame"),
    Format("asf", "wma", "wmav2", container="asf"),
    Format("flv", "flv", "aac", rate_hz=44_100),
    Format("mpegts", "ts", "aac"),
    Format("mpeg", "mpg", "mp2", rate_hz=48_000, container="mpeg"),
    Format("adts", "aac", "aac", container="adts"),
    Format("ac3", "ac3", "ac3", rate_hz=48_000),
    Format("eac3", "eac3", "eac3", rate_hz=48_000),
    Format("nut", "nut", "pcm_s16le"),
    Format("g722", "g722", "g722"),
    Format("wavpack", "wv", "wavpack"),
    Format("tta", "tta", "tta"),
    Format("amr", "amr", "libopencore_amrnb", rate_hz=8_000),
)


def write_file(folder: Path, one: Format) -> Path:
    """Writes a second of sound in a format."""
    path = folder / f"{one.name}.{one.suffix}"
    audio_TC = _melody(one.rate_hz, one.num_channels)
    if one.codec is None:
        soundfile.write(path, audio_TC, one.rate_hz, format=one.container, subtype=one.subtype)
        return path
    with av.open(str(path), "w", format=one.container, options=dict(one.options)) as container:
        stream = container.add_stream(one.codec, rate=one.rate_hz, layout="mono" if one.num_channels == 1 else "stereo")
        stream.bit_rate = _BITS_PER_S
        frame = av.AudioFrame.from_ndarray(audio_TC.reshape(1, -1), format="flt", layout=stream.layout.name)
        frame.sample_rate = one.rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


def _melody(rate_hz: int, num_channels: int) -> npt.NDArray[np.float32]:
    time_s_T = np.arange(round(_SECONDS * rate_hz)) / rate_hz
    noise_TC = np.random.default_rng(7).normal(0, 0.02, (len(time_s_T), num_channels))
    return (0.3 * np.sin(2 * np.pi * (200 + 60 * time_s_T) * time_s_T)[:, None] + noise_TC).astype(np.float32)

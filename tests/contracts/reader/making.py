"""Makes small files of every container that the reader claims, with ffmpeg and sox."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.audio.stream import AudioStream, ChannelChoice
from fcaps_pipeline.records.audio import AudioWarning

Audio = npt.NDArray[np.float32]

RATE_HZ = 16_000
SECONDS = 2.0


@dataclass(frozen=True)
class Format:
    """One way to write sound."""

    name: str
    suffix: str
    arguments: tuple[str, ...] = ()
    """Of ffmpeg, or of sox where `tool` says so."""
    tool: str = "ffmpeg"
    rate_hz: int = RATE_HZ
    promises: bool = True
    """Whether the container tells where its sound ends, so that a cut shows."""
    delay_s: float = 0.12
    """By how much a codec may lengthen or shorten the sound."""
    likeness: float = 0.93
    """How much of the wave a codec keeps, as a correlation."""
    layouts: Sequence[int] = field(default=(1, 2))
    """Numbers of channels that it takes."""


FORMATS = (
    Format("wav", "wav", layouts=(1, 2, 3, 6)),
    Format("wav-24", "wav", ("-c:a", "pcm_s24le"), layouts=(1, 2, 6)),
    Format("wav-32", "wav", ("-c:a", "pcm_s32le")),
    Format("wav-float", "wav", ("-c:a", "pcm_f32le"), layouts=(1, 2, 6)),
    Format("wav-double", "wav", ("-c:a", "pcm_f64le")),
    Format("wav-8", "wav", ("-c:a", "pcm_u8")),
    Format("wav-alaw", "wav", ("-c:a", "pcm_alaw")),
    Format("wav-mulaw", "wav", ("-c:a", "pcm_mulaw")),
    Format("wav-ima", "wav", ("-c:a", "adpcm_ima_wav")),
    Format("wav-adpcm", "wav", ("-c:a", "adpcm_ms")),
    Format("wav-mp3", "wav", ("-c:a", "libmp3lame")),
    Format("wav-gsm", "wav", ("-c:a", "libgsm_ms"), rate_hz=8_000, layouts=(1,)),
    Format("rf64", "wav", ("-rf64", "always")),
    Format("rifx", "wav", ("-B",), tool="sox"),
    Format("w64", "w64"),
    Format("aiff", "aiff", layouts=(1, 2, 6)),
    Format("aiff-float", "aiff", ("-c:a", "pcm_f32be")),
    Format("au", "au", layouts=(1, 2, 6)),
    Format("caf", "caf", layouts=(1, 2, 6)),
    Format("caf-alac", "caf", ("-c:a", "alac")),
    Format("sph", "sph", tool="sox", layouts=(1, 2)),
    Format("flac", "flac", layouts=(1, 2, 6)),
    Format("flac-24", "flac", ("-sample_fmt", "s32")),
    Format("mp3", "mp3"),
    Format("mp3-vbr", "mp3", ("-q:a", "4")),
    Format("mp3-bare", "mp3", ("-write_xing", "0", "-id3v2_version", "0"), promises=False),
    Format("mp3-vbr-bare", "mp3", ("-q:a", "4", "-write_xing", "0"), promises=False),
    Format("mp2", "mp2", promises=False),
    Format("vorbis", "ogg", ("-c:a", "libvorbis"), layouts=(1, 2, 6)),
    Format("opus", "opus", ("-c:a", "libopus"), layouts=(1, 2, 6)),
    Format("ogg-flac", "oga", ("-c:a", "flac")),
    Format("speex", "spx", ("-c:a", "libspeex"), likeness=0.8),
    Format("m4a", "m4a", ("-c:a", "aac"), layouts=(1, 2, 6)),
    Format("m4a-faststart", "m4a", ("-c:a", "aac", "-movflags", "+faststart")),
    Format("m4a-alac", "m4a", ("-c:a", "alac")),
    Format(
        "mp4-fragments", "mp4", ("-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "500000")
    ),
    Format("mov-pcm", "mov", ("-c:a", "pcm_s16le")),
    Format("webm", "webm", ("-c:a", "libopus"), layouts=(1, 2, 6)),
    Format("webm-live", "webm", ("-c:a", "libopus", "-live", "1")),
    Format("mkv-vorbis", "mkv", ("-c:a", "libvorbis")),
    Format("mka-aac", "mka", ("-c:a", "aac")),
    Format("mka-flac", "mka", ("-c:a", "flac")),
    Format("mka-pcm", "mka", ("-c:a", "pcm_s16le")),
    Format("avi-pcm", "avi", ("-c:a", "pcm_s16le")),
    Format("avi-mp3", "avi", ("-c:a", "libmp3lame")),
    Format("avi-wma", "avi", ("-c:a", "wmav2")),
    Format("wma", "wma"),
    Format("flv", "flv", ("-c:a", "aac")),
    Format("ts", "ts", ("-c:a", "mp2"), promises=False),
    Format("ts-aac", "ts", ("-c:a", "aac"), promises=False),
    Format("mpg", "mpg", ("-c:a", "mp2"), rate_hz=48_000, promises=False),
    Format("aac", "aac", promises=False),
    Format("ac3", "ac3", rate_hz=48_000, promises=False, layouts=(1, 2, 6)),
    Format("eac3", "eac3", rate_hz=48_000, promises=False),
    Format("dts", "dts", ("-strict", "-2"), rate_hz=48_000, promises=False),
    Format("mlp", "mlp", ("-strict", "-2"), rate_hz=48_000, promises=False),
    Format("rm", "rm", ("-c:a", "ac3"), rate_hz=44_100),
    Format("nut", "nut", ("-c:a", "pcm_s16le"), promises=False),
    Format("g722", "g722", promises=False, layouts=(1,)),
    Format("gsm", "gsm", tool="sox", rate_hz=8_000, promises=False, likeness=0.8, layouts=(1,)),
    Format("sox", "sox"),
    Format("wv", "wv"),
    Format("tta", "tta"),
    Format("voc", "voc", promises=False),
    Format("amr", "amr-nb", tool="sox", rate_hz=8_000, promises=False, likeness=0.8, layouts=(1,)),
    Format("amr-wb", "amr-wb", tool="sox", promises=False, likeness=0.8, layouts=(1,)),
    Format("8svx", "8svx", tool="sox", layouts=(1,)),
    Format("ircam", "sf", tool="sox", promises=False),
    Format("htk", "htk", tool="sox", layouts=(1,)),
)


def named(names: Sequence[str]) -> tuple[Format, ...]:
    """Formats by name."""
    return tuple(one for one in FORMATS if one.name in names)


def melody(seconds: float = SECONDS, rate_hz: int = RATE_HZ, num_channels: int = 1) -> Audio:
    """A tone that glides and swells, another in every channel, shape (T, C): it stands still nowhere."""
    time_s_T = np.arange(round(seconds * rate_hz)) / rate_hz
    rows = [
        0.3 * np.sin(2 * np.pi * (300 + 80 * channel + 60 * time_s_T) * time_s_T) * (1.2 + np.sin(4 * time_s_T)) / 2.2
        for channel in range(num_channels)
    ]
    return np.stack(rows, axis=1).astype(np.float32)


def need(tool: str) -> str:
    """Path of a tool; the test is skipped where it is not installed."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return found


def ffmpeg(*arguments: str | Path) -> None:
    """Runs ffmpeg.

    A build without the encoder skips the test.
    """
    done = subprocess.run(
        [need("ffmpeg"), "-v", "error", "-nostdin", "-y", *map(str, arguments)], capture_output=True, check=False
    )
    if b"Unknown encoder" in done.stderr:
        pytest.skip(done.stderr.decode().strip())
    assert done.returncode == 0, done.stderr.decode()


def write(folder: Path, one: Format, audio_TC: Audio | None = None, rate_hz: int | None = None) -> Path:
    """A file of this format with the melody, or other sound, in it."""
    rate_hz = one.rate_hz if rate_hz is None else rate_hz
    audio_TC = melody(rate_hz=rate_hz) if audio_TC is None else audio_TC
    source, path = folder / "source.wav", folder / f"{one.name}.{one.suffix}"
    soundfile.write(source, audio_TC, rate_hz, subtype="PCM_16")
    if one.tool == "sox":
        done = subprocess.run([need("sox"), source, *one.arguments, path], capture_output=True, check=False)
        if b"no handler" in done.stderr or b"without" in done.stderr:
            pytest.skip(done.stderr.decode().strip())
        assert done.returncode == 0, done.stderr.decode()
    else:
        ffmpeg("-i", source, *one.arguments, path)
    return path


def decode(path: Path, channels: ChannelChoice = "each") -> tuple[Audio, tuple[AudioWarning, ...]]:
    """All samples as floats, shape (C, T), and the warnings."""
    with AudioStream(str(path), channels) as stream:
        pcm_CT = np.concatenate(list(stream.blocks()), axis=1)
        return pcm_CT.astype(np.float32) / np.float32(32768), stream.warnings


def ffmpeg_seconds(path: Path) -> float:
    """Length of the first stream of sound as ffmpeg decodes it."""
    command = [need("ffmpeg"), "-v", "quiet", "-nostdin", "-i", str(path), "-map", "0:a:0", "-f", "s16le"]
    done = subprocess.run([*command, "-ac", "1", "-ar", "16000", "-"], capture_output=True, check=True)
    return len(done.stdout) / 2 / 16_000


def likeness(actual_T: Audio, expected_T: Audio, max_delay_s: float) -> float:
    """Correlation at the best delay, up or down: codecs shift the sound by a constant."""
    length, reach = min(len(actual_T), len(expected_T)), round(max_delay_s * 16_000)
    actual_T, expected_T = actual_T[:length], expected_T[:length]
    spectrum = np.fft.rfft(actual_T, 2 * length) * np.conj(np.fft.rfft(expected_T, 2 * length))
    products = np.fft.irfft(spectrum)
    delay = max(range(-reach, reach + 1), key=lambda one: products[one])
    inner = slice(reach, length - reach)
    shifted_T = np.roll(actual_T, -delay)[inner]
    return float(np.corrcoef(shifted_T, expected_T[inner])[0, 1]) if shifted_T.any() else 0.0

"""Written to a pipe, no container knows its length: all of it is read, and nothing is called truncated."""

import subprocess
from pathlib import Path

import pytest
import soundfile

from tests.contracts.reader.making import FORMATS, SECONDS, Format, decode, melody, need

MUXERS = {
    "aiff": "aiff",
    "mkv": "matroska",
    "mka": "matroska",
    "ts": "mpegts",
    "wma": "asf",
    "aac": "adts",
    "oga": "oga",
}
NEED_SEEKING = {"caf-alac", "m4a", "m4a-faststart", "m4a-alac", "mov-pcm", "mpg"}
PIPED = [one for one in FORMATS if one.tool == "ffmpeg" and one.name not in NEED_SEEKING]
SOX_KINDS = ("wav", "aiff", "au", "caf", "flac", "ogg", "mp3", "sph", "8svx", "wv")


@pytest.mark.parametrize("one", PIPED, ids=lambda one: one.name)
def test_a_pipe_of_ffmpeg(tmp_path: Path, one: Format) -> None:
    source, path = tmp_path / "source.wav", tmp_path / f"piped.{one.suffix}"
    soundfile.write(source, melody(rate_hz=one.rate_hz), one.rate_hz)
    command = [need("ffmpeg"), "-v", "error", "-nostdin", "-i", str(source), *one.arguments]
    done = subprocess.run(
        [*command, "-f", MUXERS.get(one.suffix, one.suffix), "pipe:1"], capture_output=True, check=False
    )
    if b"Unknown encoder" in done.stderr:
        pytest.skip(done.stderr.decode().strip())
    path.write_bytes(done.stdout)
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(SECONDS, abs=one.delay_s)
    assert warnings == ()


@pytest.mark.parametrize("kind", SOX_KINDS)
def test_a_pipe_of_sox(tmp_path: Path, kind: str) -> None:
    source, path = tmp_path / "source.wav", tmp_path / f"piped.{kind}"
    soundfile.write(source, melody(), 16_000)
    with source.open("rb") as sound:
        done = subprocess.run(
            [need("sox"), "-t", "wav", "-", "-t", kind, "-"], stdin=sound, capture_output=True, check=False
        )
    if b"no handler" in done.stderr:
        pytest.skip(done.stderr.decode().strip())
    path.write_bytes(done.stdout)
    assert decode(path)[0].shape[1] / 16_000 == pytest.approx(SECONDS, abs=0.12)

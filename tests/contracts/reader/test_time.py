"""Media time: a late start shifts nothing, a gap is silence of its length, whatever the container."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.stream import AudioStream
from tests.contracts.reader.making import decode, ffmpeg, likeness, melody, need

FILES = Path(__file__).parent / "files"

LATE_S = 1.5
WITH_VIDEO = (
    ("mp4", "mpeg4", "aac"),
    ("mov", "mpeg4", "pcm_s16le"),
    ("mkv", "mpeg4", "libvorbis"),
    ("webm", "libvpx", "libopus"),
    ("ts", "mpeg2video", "mp2"),
    ("flv", "flv", "aac"),
    ("3gp", "mpeg4", "aac"),
    ("ogv", "libtheora", "libvorbis"),
)
WITH_TIMES = (
    ("m4a", "aac"),
    ("3gp", "aac"),
    ("mka", "libvorbis"),
    ("mka", "aac"),
    ("webm", "libopus"),
    ("ogg", "libvorbis"),
    ("opus", "libopus"),
    ("wma", "wmav2"),
    ("flv", "aac"),
    ("ts", "aac"),
    ("mkv", "flac"),
    ("mkv", "pcm_s16le"),
)


def _first_sound_s(audio_T: np.ndarray) -> float:
    return float(np.flatnonzero(np.abs(audio_T) > 0.03)[0]) / 16_000


def _short_pages(suffix: str) -> tuple[str, ...]:
    """Ogg tells the time of pages only: a gap is known as exactly as they are short."""
    return ("-page_duration", "20000") if suffix in {"ogg", "opus"} else ()


def _source(folder: Path, seconds: float) -> Path:
    path = folder / "source.wav"
    soundfile.write(path, melody(seconds), 16_000)
    return path


@pytest.mark.parametrize(("suffix", "video", "audio"), WITH_VIDEO, ids=lambda one: one)
def test_sound_that_begins_after_the_picture(tmp_path: Path, suffix: str, video: str, audio: str) -> None:
    path = tmp_path / f"late.{suffix}"
    picture = ("-f", "lavfi", "-i", "color=c=black:s=64x64:r=25:d=4")
    sound = ("-itsoffset", str(LATE_S), "-i", _source(tmp_path, 2.0))
    ffmpeg(*picture, *sound, "-map", "0:v", "-map", "1:a", "-c:v", video, "-c:a", audio, path)
    audio_CT, warnings = decode(path)
    assert _first_sound_s(audio_CT[0]) == pytest.approx(LATE_S + _first_sound_s(melody(2.0)[:, 0]), abs=0.02)
    assert [warning.name for warning in warnings] == ["late_start"]


@pytest.mark.parametrize("suffix", ["m4a", "mka", "webm"])
def test_sound_alone_that_begins_late(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"late.{suffix}"
    ffmpeg("-itsoffset", str(LATE_S), "-i", _source(tmp_path, 2.0), path)
    audio_CT, _ = decode(path)
    assert _first_sound_s(audio_CT[0]) == pytest.approx(LATE_S + _first_sound_s(melody(2.0)[:, 0]), abs=0.02)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(LATE_S + 2.0, abs=0.1)


@pytest.mark.parametrize(("suffix", "codec"), WITH_TIMES, ids=lambda one: one)
def test_a_gap_is_silence_of_its_length(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"gap.{suffix}"
    ffmpeg(
        "-i",
        _source(tmp_path, 4.0),
        "-af",
        "aselect='not(between(t,1.5,2.5))'",
        "-c:a",
        codec,
        *_short_pages(suffix),
        path,
    )
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(4.0, abs=0.12)
    assert [warning.name for warning in warnings] == ["gap_filled"]
    assert not np.any(np.abs(audio_CT[0, 28_000:38_000]) > 0.01)
    assert likeness(audio_CT[0, 46_000:62_000], melody(4.0)[46_000:62_000, 0], 0.1) > 0.9


def test_lost_blocks_of_wavpack_are_silence(tmp_path: Path) -> None:
    need("ffmpeg")
    path = tmp_path / "lost.wv"
    ffmpeg("-i", _source(tmp_path, 9.0), path)
    content = path.read_bytes()
    blocks = [found.start() for found in re.finditer(b"wvpk", content)]
    path.write_bytes(content[: blocks[1]] + content[blocks[2] :])
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(9.0, abs=0.02)
    assert [warning.name for warning in warnings] == ["gap_filled"]
    assert likeness(audio_CT[0, -30_000:], melody(9.0)[-30_000:, 0], 0.1) > 0.9


def test_pauses_of_amr_are_silence() -> None:
    audio_CT, warnings = decode(FILES / "dtx.amr")
    assert audio_CT.shape[1] == pytest.approx(8.6 * 16_000, abs=160)
    assert [warning.name for warning in warnings] == ["gap_filled"]
    assert not audio_CT[0, 53_000:91_000].any()
    with AudioStream(str(FILES / "dtx.amr")) as stream:
        list(stream.blocks())
        stream.check_damage(0.0)


def test_a_late_start_and_a_gap_without_any_tool() -> None:
    late_CT, _ = decode(FILES / "late.webm")
    assert late_CT.shape[1] / 16_000 == pytest.approx(6.2, abs=0.02)
    assert not late_CT[0, : 16_000 * 29 // 10].any()
    gap_CT, _ = decode(FILES / "gap.m4a")
    assert gap_CT.shape[1] / 16_000 == pytest.approx(8.6, abs=0.1)


def test_lost_pages_of_ogg_are_silence(tmp_path: Path) -> None:
    need("ffmpeg")
    path = tmp_path / "lost.opus"
    ffmpeg("-i", _source(tmp_path, 4.0), "-c:a", "libopus", "-page_duration", "100000", path)
    content = path.read_bytes()
    pages = [index for index in range(len(content)) if content.startswith(b"OggS", index)]
    path.write_bytes(content[: pages[15]] + content[pages[20] :])
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(4.0, abs=0.02)
    assert [warning.name for warning in warnings] == ["gap_filled"]

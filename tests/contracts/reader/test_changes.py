"""Rate, channels or file change inside: each part is heard at its own speed, or the file fails by name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.kinds import mpeg_frame_bytes
from fcaps_pipeline.errors import RecordingError
from tests.contracts.reader.making import FORMATS, Audio, decode, ffmpeg, likeness, melody, write

FILES = Path(__file__).parent / "files"
JOINED = (
    ("mp3", "libmp3lame"),
    ("ogg", "libvorbis"),
    ("opus", "libopus"),
    ("oga", "flac"),
    ("flac", "flac"),
    ("wav", "pcm_s16le"),
    ("aiff", "pcm_s16be"),
    ("au", "pcm_s16be"),
    ("w64", "pcm_s16le"),
    ("caf", "pcm_s16be"),
    ("m4a", "aac"),
    ("mka", "libvorbis"),
    ("webm", "libopus"),
    ("avi", "pcm_s16le"),
    ("wma", "wmav2"),
    ("flv", "aac"),
    ("tta", "tta"),
    ("wv", "wavpack"),
    ("aac", "aac"),
    ("mp2", "mp2"),
    ("ts", "mp2"),
)


def _written(folder: Path, name: str, audio_TC: Audio, rate_hz: int, codec: str) -> bytes:
    source, path = folder / "source.wav", folder / name
    soundfile.write(source, audio_TC, rate_hz)
    ffmpeg("-i", source, "-c:a", codec, path)
    return path.read_bytes()


@pytest.mark.parametrize(("suffix", "codec"), JOINED, ids=lambda one: one)
@pytest.mark.parametrize(("rate_hz", "num_channels"), [(16_000, 1), (24_000, 1), (16_000, 2)])
def test_files_joined_byte_by_byte(tmp_path: Path, suffix: str, codec: str, rate_hz: int, num_channels: int) -> None:
    if suffix == "flv" and rate_hz == 24_000:
        rate_hz = 44_100
    first = _written(tmp_path, f"a.{suffix}", melody(2.0), 16_000, codec)
    second_TC = melody(1.5, rate_hz, num_channels)
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(first + _written(tmp_path, f"b.{suffix}", second_TC, rate_hz, codec))
    audio_CT, warnings = decode(path, "first")
    assert audio_CT.shape[1] / 16_000 == pytest.approx(3.5, abs=0.25)
    assert warnings != () or suffix in {"aac", "mp2"}
    tail_T = audio_CT[0, -24_000:]
    assert likeness(tail_T, melody(1.5)[: len(tail_T), 0], 0.12) > 0.8


def test_8svx_joined_byte_by_byte(tmp_path: Path) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == "8svx"))
    path.write_bytes(2 * path.read_bytes())
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] == 64_000
    assert [warning.name for warning in warnings] == ["joined_files"]


def test_mp3_joined_to_one_without_a_header(tmp_path: Path) -> None:
    """Only the second tells its frames: a header further on is none of the first."""
    source, bare, tagged = (tmp_path / name for name in ("source.wav", "bare.mp3", "tagged.mp3"))
    soundfile.write(source, melody(2.0), 16_000)
    ffmpeg("-i", source, "-write_xing", "0", "-id3v2_version", "0", bare)
    ffmpeg("-i", source, "-id3v2_version", "0", tagged)
    bare_CT, _ = decode(bare)
    path = tmp_path / "joined.mp3"
    path.write_bytes(bare.read_bytes() + tagged.read_bytes())
    audio_CT, warnings = decode(path)
    assert [warning.name for warning in warnings] == ["joined_files"]
    assert audio_CT.shape[1] == pytest.approx(bare_CT.shape[1] + 32_000, abs=16)


def test_a_picture_in_a_tag_between_two_mp3_is_no_sound(tmp_path: Path) -> None:
    source, bare = tmp_path / "source.wav", tmp_path / "bare.mp3"
    soundfile.write(source, melody(2.0), 16_000)
    ffmpeg("-i", source, "-write_xing", "0", "-id3v2_version", "0", bare)
    alone_CT, _ = decode(bare)
    tag = b"ID3\x03\0\0\0\0\x28\0" + b"\xff\xfb\x90\x64" * (5 * 1_024 // 4)
    path = tmp_path / "joined.mp3"
    path.write_bytes(bare.read_bytes() + tag + bare.read_bytes())
    audio_CT, warnings = decode(path)
    assert warnings == ()
    assert audio_CT.shape[1] == pytest.approx(2 * alone_CT.shape[1], abs=16)


def _frames(content: bytes) -> list[bytes]:
    frames, at = [], 0
    while at < len(content):
        frames.append(content[at : at + mpeg_frame_bytes(content[at : at + 4])])
        at += len(frames[-1])
    return frames


@pytest.mark.parametrize("distance", [4, 25])
@pytest.mark.parametrize("has_header", [True, False])
def test_tags_between_the_frames_of_one_mp3_cost_nothing(tmp_path: Path, has_header: bool, distance: int) -> None:  # noqa: FBT001
    """As segmenters and radio stations put them there; the bits of a frame may stand before the tag."""
    source, plain, tagged = (tmp_path / name for name in ("source.wav", "plain.mp3", "tagged.mp3"))
    soundfile.write(source, melody(4.0), 16_000)
    ffmpeg("-i", source, "-write_xing", str(int(has_header)), "-id3v2_version", "0", plain)
    tag = b"ID3\x04\0\0\0\0\0\x3f" + b"PRIV" + bytes(59)
    frames = _frames(plain.read_bytes())
    tagged.write_bytes(
        b"".join(tag * (1 + index % 2) * (index % distance == 0) + one for index, one in enumerate(frames))
    )
    plain_CT, _ = decode(plain)
    tagged_CT, warnings = decode(tagged)
    assert warnings == ()
    assert np.array_equal(tagged_CT, plain_CT)


def test_a_tag_before_another_rate_begins_another_file(tmp_path: Path) -> None:
    source, path = tmp_path / "source.wav", tmp_path / "joined.mp3"
    parts = []
    for rate_hz in (16_000, 24_000):
        soundfile.write(source, melody(2.0, rate_hz), rate_hz)
        ffmpeg("-i", source, "-write_xing", "0", "-id3v2_version", "0", tmp_path / "one.mp3")
        parts.append((tmp_path / "one.mp3").read_bytes())
    path.write_bytes((b"ID3\x04\0\0\0\0\0\x3f" + bytes(63)).join(parts))
    audio_CT, warnings = decode(path)
    assert [warning.name for warning in warnings] == ["joined_files"]
    assert audio_CT.shape[1] / 16_000 == pytest.approx(4.0, abs=0.25)


def test_without_any_tool_a_changed_rate_is_followed() -> None:
    audio_CT, warnings = decode(FILES / "rate.aac")
    assert audio_CT.shape[1] / 16_000 == pytest.approx(6.2, abs=0.05)
    assert [warning.name for warning in warnings] == ["format_change"]


def test_without_any_tool_a_chain_is_read_to_its_end() -> None:
    audio_CT, warnings = decode(FILES / "chained.opus")
    assert audio_CT.shape[1] / 16_000 == pytest.approx(6.1, abs=0.02)
    assert [warning.name for warning in warnings] == ["joined_files"]


def test_channels_that_come_later_are_not_dropped_in_silence(tmp_path: Path) -> None:
    mono, stereo = tmp_path / "mono.wav", tmp_path / "stereo.wav"
    soundfile.write(mono, melody(1.0), 16_000)
    soundfile.write(stereo, melody(1.0, num_channels=2), 16_000)
    grows, shrinks = tmp_path / "grows.wav", tmp_path / "shrinks.wav"
    grows.write_bytes(mono.read_bytes() + stereo.read_bytes())
    shrinks.write_bytes(stereo.read_bytes() + mono.read_bytes())
    assert decode(grows, "first")[0].shape == (1, 32_000)
    assert decode(grows, "mix")[0].shape == (1, 32_000)
    audio_CT, warnings = decode(shrinks, "each")
    assert np.array_equal(audio_CT[0, 16_000:], audio_CT[1, 16_000:])
    places = [(one.name, one.start_samples, one.end_samples) for one in warnings]
    assert places == [("joined_files", 16_000, 16_000), ("format_change", 16_000, 32_000)]
    with pytest.raises(RecordingError, match=r"its 1 channels become 2 at 1\.00 s"):
        decode(grows, "each")

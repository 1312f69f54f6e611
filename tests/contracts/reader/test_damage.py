"""A packet that cannot be decoded costs its own time; how much of that is too much, a share decides."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.stream import AudioStream
from fcaps_pipeline.errors import RecordingError
from tests.contracts.reader.making import FORMATS, Format, decode, likeness, melody, write

HIT = (
    "flac",
    "mp3",
    "mp3-bare",
    "m4a",
    "webm",
    "mka-aac",
    "mkv-vorbis",
    "ts",
    "aac",
    "ac3",
    "opus",
    "wma",
    "flv",
)


@pytest.mark.parametrize("one", [one for one in FORMATS if one.name in HIT], ids=lambda one: one.name)
def test_a_hit_in_the_middle_costs_its_own_time(tmp_path: Path, one: Format) -> None:
    if one.suffix in {"webm", "mka", "mkv"}:  # FFmpeg looks for the next cluster
        one = replace(one, arguments=(*one.arguments, "-cluster_time_limit", "500"))
    path = write(tmp_path, one, melody(6.0, one.rate_hz))
    content = bytearray(path.read_bytes())
    middle, size = len(content) // 2, max(100, len(content) // 200)
    content[middle : middle + size] = Random(1).randbytes(size)
    path.write_bytes(content)
    with AudioStream(str(path)) as stream:
        audio_T = np.concatenate([block_CT[0] for block_CT in stream.blocks()]) / 32768
        names = {warning.name for warning in stream.warnings}
    assert names <= {"undecodable_packet", "gap_filled"}
    assert len(audio_T) / 16_000 == pytest.approx(6.0, abs=0.2)
    for part in (slice(0, 36_000), slice(68_000, 92_000)):
        assert likeness(audio_T[part], melody(6.0)[part, 0], 0.15) > 0.8


@pytest.mark.parametrize("junk", [bytes(1), b"\xff\xfb\x01"], ids=["zeros", "junk"])
@pytest.mark.parametrize("name", ["aac", "mp2", "mp3-bare", "ac3"])
def test_frames_whose_heads_are_gone_cost_their_time(tmp_path: Path, name: str, junk: bytes) -> None:
    """A parser takes what is left of them for a part of the frame before, and so nothing fails to decode."""
    path = write(tmp_path, next(one for one in FORMATS if one.name == name))
    whole_CT, _ = decode(path)
    content = bytearray(path.read_bytes())
    for share in (0.3, 0.7):
        at, size = round(share * len(content)), len(content) // 15
        content[at : at + size] = (junk * size)[:size]
    path.write_bytes(content)
    audio_CT, warnings = decode(path)
    assert {warning.name for warning in warnings} == {"undecodable_packet"}
    assert audio_CT.shape[1] / 16_000 == pytest.approx(whole_CT.shape[1] / 16_000, abs=0.07)


def test_packets_that_avi_loses_are_missed(tmp_path: Path) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == "avi-mp3"), melody(6.0))
    content = bytearray(path.read_bytes())
    middle, size = len(content) // 2, len(content) // 6
    content[middle : middle + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="its header promises"):
        decode(path)


def test_tags_between_and_behind_frames_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == "aac"))
    content, tag = path.read_bytes(), b"ID3\x04\0\0\0\0\0\x3f" + bytes(63)
    whole_CT, _ = decode(path)
    path.write_bytes(tag + content + tag + content + b"TAG" + bytes(125))
    audio_CT, warnings = decode(path)
    assert (audio_CT.shape[1], warnings) == (2 * whole_CT.shape[1], ())


def _with_dead_packets(folder: Path, share: float) -> Path:
    """ADTS frames of which some have no sense left behind their heads."""
    path = write(folder, next(one for one in FORMATS if one.name == "aac"), melody(6.0))
    content = bytearray(path.read_bytes())
    at, index = 0, 0
    while at < len(content):
        size = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        if 10 <= index % 50 < 10 + 50 * share:
            content[at + 7 : at + size] = b"\xff" * (size - 7)
        at, index = at + size, index + 1
    path.write_bytes(content)
    return path


def test_the_share_decides(tmp_path: Path) -> None:
    path = _with_dead_packets(tmp_path, 0.2)
    with AudioStream(str(path)) as stream:
        num_samples = sum(block_CT.shape[1] for block_CT in stream.blocks())
        assert {warning.name for warning in stream.warnings} == {"undecodable_packet"}
        stream.check_damage(0.5)
        with pytest.raises(RecordingError, match=r"could not be decoded.*max_damaged_share"):
            stream.check_damage(0.05)
    assert num_samples / 16_000 == pytest.approx(6.0, abs=0.15)


def test_one_packet_alone_never_fails_a_recording(tmp_path: Path) -> None:
    path = _with_dead_packets(tmp_path, 0.02)
    with AudioStream(str(path)) as stream:
        assert list(stream.blocks())
        assert stream.warnings
        stream.check_damage(0.03)


def test_a_file_of_nothing_but_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.aac"
    content = bytearray(write(tmp_path, next(one for one in FORMATS if one.name == "aac")).read_bytes())
    at = 0
    while at < len(content):
        size = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        content[at + 7 : at + size] = b"\xff" * (size - 7)
        at += size
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"nothing in it can be decoded|sampling rate of 0 Hz"):
        decode(path)


def test_a_flipped_bit_in_flac_is_never_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, melody(6.0), 16_000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    audio_CT, warnings = decode(path)
    assert warnings
    wrong_T = np.abs(audio_CT[0] - melody(6.0)[: audio_CT.shape[1], 0]) > 0.001
    assert not np.any(audio_CT[0][wrong_T])

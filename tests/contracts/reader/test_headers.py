"""Each field of a header wrong: the sound is read as it is or refused by name, and never shortened in silence."""

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.probe import probe
from fcaps_pipeline.errors import RecordingError
from tests.contracts.reader.making import FORMATS, SECONDS, Format, decode, ffmpeg, melody, need, write

HEAD_BYTES = 96
SAMPLES = round(SECONDS * 16_000)
Change = Callable[[bytes], bytes]


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_any_field_of_any_head(tmp_path: Path, one: Format) -> None:
    """Every fourth place, as a field of two and of four bytes, holds what it must not hold."""
    whole = write(tmp_path, one, melody(0.5, one.rate_hz)).read_bytes()
    damaged, random = tmp_path / f"damaged.{one.suffix}", Random(one.name)
    for at in range(random.randrange(2), HEAD_BYTES, 2):
        field = random.choice((b"\0\0", b"\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0"))
        damaged.write_bytes(whole[:at] + field + whole[at + len(field) :])
        try:
            decode(damaged)
        except RecordingError as error:
            assert str(damaged) in str(error)  # noqa: PT017 - decoding may also succeed


def _at(mark: bytes, shift: int, field: str, value: int) -> Change:
    def change(content: bytes) -> bytes:
        at = content.index(mark) + shift
        return content[:at] + struct.pack(field, value) + content[at + struct.calcsize(field) :]

    return change


LENGTHS = [
    *((name, _at(b"data", 4, "<I", value)) for name in ("wav", "wav-24") for value in (2, 999, 20_000)),
    *((name, _at(b"data", 4, "<I", value)) for name in ("wav", "wav-24") for value in (0, 0xFFFF_FFFF, 0x7FFF_F000)),
    *(("wav", _at(b"RIFF", 4, "<I", value)) for value in (0, 36, 0xFFFF_FFFF)),
    *(("rf64", _at(b"ds64", 16, "<Q", value)) for value in (0, 4_000, 0xFFFF_FFFF_FFFF_FFFF)),
    *(("aiff", _at(b"SSND", 4, ">I", value)) for value in (0, 8, 4_000, 0x7F00_0008, 0xFFFF_FFFF)),
    *(("aiff", _at(b"COMM", 10, ">I", value)) for value in (0, 0x3FFF_FFFF, 0xFFFF_FFFF)),
    *(("rifx", _at(b"data", 4, ">I", value)) for value in (0, 4_000, 0xFFFF_FFFF)),
    *(("wav-mulaw", _at(b"fact", 8, "<I", value)) for value in (0, 100, 0xFFFF_FFFF)),
    *(("aiff", _at(b"FORM", 4, ">I", value)) for value in (0, 0xFFFF_FFFF)),
    *(("au", _at(b".snd", 8, ">I", value)) for value in (0, 4_000, 0xFFFF_FFFF)),
    *(("caf", _at(b"data", 4, ">q", value)) for value in (-1, 0, 4_000)),
    *(("w64", _at(b"data\xf3\xac", 16, "<Q", value)) for value in (24, 4_000)),
    ("sph", lambda content: content.replace(b"sample_count -i 32000", b"sample_count -i 12000")),
    ("flac", lambda content: content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:]),
    ("flac", lambda content: content[:21] + bytes([content[21] & 0xF0, 0, 0, 0x20, 0]) + content[26:]),
]


@pytest.mark.parametrize(("name", "change"), LENGTHS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(LENGTHS)])
def test_a_length_that_tells_too_little_or_nothing_is_no_limit(tmp_path: Path, name: str, change: Change) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == name))
    path.write_bytes(change(path.read_bytes()))
    audio_CT, _ = decode(path)
    assert abs(audio_CT.shape[1] - SAMPLES) <= 160
    assert np.corrcoef(audio_CT[0, :30_000], melody()[:30_000, 0])[0, 1] > 0.99


@pytest.mark.parametrize(("kind", "subtype"), [("W64", "MS_ADPCM"), ("AIFF", "GSM610"), ("SVX", "PCM_16")])
def test_what_libsndfile_writes_is_whole(tmp_path: Path, kind: str, subtype: str) -> None:
    """FFmpeg takes the number of samples of the first two for another number."""
    path, rate_hz = tmp_path / "a", 8_000
    soundfile.write(path, melody(2.0, rate_hz), rate_hz, format=kind, subtype=subtype)
    whole = path.read_bytes()
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(2.0, abs=0.1)
    assert warnings == ()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError, match=r"truncated|damaged"):
        decode(path)


def test_sound_beyond_the_header_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, melody(), 16_000)
    path.write_bytes(_at(b"data", 4, "<I", 20_000)(path.read_bytes()))
    assert [(one.name, one.start_samples) for one in decode(path)[1]] == [("longer_than_header", None)]
    assert [warning.name for warning in probe(str(path)).warnings] == ["longer_than_header"]


@pytest.mark.parametrize(
    "tail", [b"LIST\x04\0\0\0INFO", b"ID3\x03\0\0\0\0\x04\0" + bytes(512), b"TAG" + bytes(125), b"\0"]
)
def test_what_follows_the_samples_is_no_sound(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, melody(), 16_000)
    path.write_bytes(path.read_bytes() + tail)
    audio_CT, warnings = decode(path)
    assert (audio_CT.shape[1], warnings) == (SAMPLES, ())


@pytest.mark.parametrize("between", [b"", b"LIST\x04\0\0\0INFO"])
def test_samples_in_several_chunks_are_not_dropped(tmp_path: Path, between: bytes) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, melody(), 16_000)
    head, samples = path.read_bytes()[:36], path.read_bytes()[44:]
    half = len(samples) // 2
    size = struct.pack("<I", half)
    path.write_bytes(head + b"data" + size + samples[:half] + between + b"data" + size + samples[half:])
    with pytest.raises(RecordingError, match="holds its samples in several chunks"):
        decode(path)


def test_a_wave_file_beyond_four_gibibytes_whose_length_wrapped(tmp_path: Path) -> None:
    """A hole of 4 GiB stands for the samples in between."""
    rate_hz, num_channels = 768_000, 8
    path = tmp_path / "wrapped.wav"
    soundfile.write(path, np.zeros((1_000, num_channels), np.float32), rate_hz, subtype="PCM_32")
    head = path.read_bytes()[: path.read_bytes().index(b"data") + 8]
    tail = (melody(0.1, rate_hz, num_channels) * 2**31).astype("<i4").tobytes()
    with path.open("wb") as file:
        file.write(head[:-4] + struct.pack("<I", len(tail)))
        file.seek(len(head) + (1 << 32))
        file.write(tail)
    header = probe(str(path))
    assert header.duration_s == pytest.approx((1 << 32) / (rate_hz * num_channels * 4) + 0.1, abs=0.001)
    assert [warning.name for warning in header.warnings] == ["longer_than_header"]


def test_a_sphere_header_of_two_kibibytes_is_read_to_its_end(tmp_path: Path) -> None:
    fields = (
        "channel_count -i 1\nsample_rate -i 16000\nspeaker_notes -s1200 " + "x" * 1_200 + "\nsample_n_bytes -i 2\n"
        f"sample_byte_format -s2 01\nsample_coding -s3 pcm\nsample_count -i {SAMPLES}\nend_head\n"
    )
    content = f"NIST_1A\n   2048\n{fields}".encode().ljust(2_048) + (melody() * 32_767).astype("<i2").tobytes()
    path = tmp_path / "a.wv1"
    path.write_bytes(content)
    assert decode(path)[0].shape[1] == SAMPLES
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)


@pytest.mark.parametrize("name", ["flac", "wav", "vorbis", "m4a", "tta", "aiff", "mp3", "aac"])
def test_a_tag_before_the_sound_is_left_out(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == name))
    path.write_bytes(b"ID3\x03\0\0\0\0\x02\0" + bytes(256) + path.read_bytes())
    assert decode(path)[0].shape[1] / 16_000 == pytest.approx(SECONDS, abs=0.12)


def test_the_frames_of_a_xing_header_are_a_promise_and_no_limit(tmp_path: Path) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == "mp3"))
    whole = path.read_bytes()
    path.write_bytes(_at(b"Info", 8, ">I", 20)(whole))
    audio_CT, warnings = decode(path)
    assert audio_CT.shape[1] / 16_000 == pytest.approx(SECONDS, abs=0.12)
    assert [warning.name for warning in warnings] == ["longer_than_header"]
    path.write_bytes(_at(b"Info", 8, ">I", 0xFFFF_FFFF)(whole))
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)


@pytest.mark.parametrize("size", [0, 9_000])
def test_a_data_object_of_asf_that_tells_too_little(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == "wma"))
    path.write_bytes(_at(b"6&\xb2u\x8ef\xcf\x11\xa6\xd9", 16, "<Q", size)(path.read_bytes()))
    assert decode(path)[0].shape[1] / 16_000 == pytest.approx(SECONDS, abs=0.12)


@pytest.mark.parametrize("missing_bytes", [2, 400])
def test_a_promise_broken_by_a_blink_is_kept(tmp_path: Path, missing_bytes: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, melody(), 16_000)
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    assert decode(path)[0].shape[1] == SAMPLES - missing_bytes // 2


@pytest.mark.parametrize("rate_hz", [0, 1, 16, 3_999, 768_001, 4_000_000_000])
def test_rates_that_cannot_be(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, melody(), 16_000)
    path.write_bytes(_at(b"fmt ", 12, "<I", rate_hz)(path.read_bytes()))
    with pytest.raises(RecordingError):
        probe(str(path))


def test_tags_that_are_not_utf_8_do_not_matter(tmp_path: Path) -> None:
    need("ffmpeg")
    source = tmp_path / "source.wav"
    soundfile.write(source, melody(), 16_000)
    for suffix in ("m4a", "mp3", "flac", "ogg", "mka", "wma", "aiff"):
        path = tmp_path / f"tagged.{suffix}"
        ffmpeg("-i", source, "-metadata", "title=Zxzx", *(("-write_id3v2", "1") if suffix == "aiff" else ()), path)
        path.write_bytes(path.read_bytes().replace(b"Zxzx", b"\xff\xfe\x80\xe4"))
        if suffix == "ogg":  # its pages carry a checksum
            continue
        assert decode(path)[0].shape[1] / 16_000 == pytest.approx(SECONDS, abs=0.1), suffix

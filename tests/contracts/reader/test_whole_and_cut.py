"""Every container whole, and cut at ten places: a file that ends before its promise is never taken for whole."""

import struct
from pathlib import Path

import pytest

from fcaps_pipeline.audio.probe import probe
from fcaps_pipeline.errors import RecordingError
from tests.contracts.reader.making import (
    FORMATS,
    SECONDS,
    Format,
    decode,
    ffmpeg_seconds,
    likeness,
    melody,
    write,
)

NUM_CUTS = 10
SHORTEST_S = 0.13
"""A cut that takes less than this, a frame of the longest codec, is no truncation."""


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_whole(tmp_path: Path, one: Format) -> None:
    path = write(tmp_path, one)
    audio_CT, warnings = decode(path)
    found_s = audio_CT.shape[1] / 16_000
    assert found_s == pytest.approx(SECONDS, abs=one.delay_s)
    if one.name not in {"htk", "rifx"}:  # ffmpeg does not read the one, and takes the other for noise
        assert found_s == pytest.approx(ffmpeg_seconds(path), abs=one.delay_s)
    assert likeness(audio_CT[0], melody()[:, 0], 0.1) > one.likeness
    assert warnings == ()
    promised_s = probe(str(path)).duration_s
    assert promised_s is None or promised_s == pytest.approx(SECONDS, abs=one.delay_s)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_cut_at_ten_places(tmp_path: Path, one: Format) -> None:
    whole = write(tmp_path, one).read_bytes()
    cut = tmp_path / f"cut.{one.suffix}"
    for index in range(NUM_CUTS):
        share = (index + 0.5) / NUM_CUTS
        cut.write_bytes(whole[: int(share * len(whole))])
        try:
            found_s = decode(cut)[0].shape[1] / 16_000
        except RecordingError as error:
            assert str(cut) in str(error)  # noqa: PT017 - decoding may also succeed
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert not one.promises or found_s > SECONDS - SHORTEST_S
            assert found_s < SECONDS + one.delay_s


@pytest.mark.parametrize("name", ["avi-mp3", "wma"])
def test_heads_are_no_sound_when_what_is_missing_is_estimated(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, next(one for one in FORMATS if one.name == name))
    whole = path.read_bytes()
    head_bytes = whole.index(b"movi" if name == "avi-mp3" else b"6&\xb2u\x8ef\xcf\x11")
    path.write_bytes(whole[: head_bytes + (len(whole) - head_bytes) // 20])
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)


@pytest.mark.parametrize("suffix", ["dsf", "dff"])
def test_one_bit_recordings(tmp_path: Path, suffix: str) -> None:
    """DSF and DSDIFF, which no tool at hand writes: the idle pattern of a quiet second at 2.8 MHz."""
    samples, path = b"\x69" * 352_256, tmp_path / f"a.{suffix}"
    path.write_bytes(_dsf(samples) if suffix == "dsf" else _dsdiff(samples))
    assert decode(path)[0].shape[1] / 16_000 == pytest.approx(1.0, abs=0.01)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)


def _dsf(samples: bytes) -> bytes:
    rate_hz, block_bytes = 2_822_400, 4_096
    form = struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, rate_hz, 1, 8 * len(samples), block_bytes, 0)
    head = struct.pack("<QQQ", 28, 92 + len(samples), 0)
    return b"DSD " + head + b"fmt " + form + b"data" + struct.pack("<Q", 12 + len(samples)) + samples


def _dsdiff(samples: bytes) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack(">Q", len(content)) + content

    properties = b"SND " + chunk(b"FS  ", struct.pack(">I", 2_822_400)) + chunk(b"CHNL", b"\0\1C   ")
    properties += chunk(b"CMPR", b"DSD \x0enot compressed\0")
    version = chunk(b"FVER", struct.pack(">I", 0x0105_0000))
    return chunk(b"FRM8", b"DSD " + version + chunk(b"PROP", properties) + chunk(b"DSD ", samples))


@pytest.mark.parametrize(
    "one", [one for one in FORMATS if one.promises and one.name != "htk"], ids=lambda one: one.name
)
def test_half_a_file_is_called_truncated(tmp_path: Path, one: Format) -> None:
    path = write(tmp_path, one)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.audio.probe import probe, probe_duration_s
from fcaps_pipeline.audio.stream import AudioStream, ChannelChoice, decode_all
from fcaps_pipeline.errors import MissingFileError, RecordingError, StorageError
from tests.privileges import unprivileged

Audio = npt.NDArray[np.float32]
WriteFile = Callable[..., Path]


def _alike(actual_T: npt.NDArray[np.int16], expected_T: Audio) -> float:
    """Correlation at the best delay of up to 0.1 s: lossy formats may shift."""
    length = min(len(actual_T), len(expected_T)) - 3_200
    actual = actual_T[1_600 : 1_600 + length].astype(np.float64)
    products = [
        np.corrcoef(actual, expected_T[1_600 + delay : 1_600 + delay + length])[0, 1]
        for delay in range(-1_600, 1_600, 1)
        if delay % 64 == 0 or abs(delay) < 32
    ]
    return float(np.nanmax(products))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.wav", {}),
        ("b.wav", {"subtype": "FLOAT"}),
        ("c.wav", {"subtype": "PCM_24"}),
        ("d.flac", {}),
        ("e.sph", {"format": "NIST", "subtype": "PCM_16"}),
        ("f.aiff", {}),
        ("g.w64", {}),
    ],
)
def test_lossless_formats_keep_every_sample(write: WriteFile, melody_T: Audio, name: str, kind: dict[str, str]) -> None:
    pcm_T = np.rint(melody_T * 32768).clip(-32768, 32767)
    path = write(name, (pcm_T / 32768).astype(np.float32), **kind)
    assert np.array_equal(decode_all(str(path))[0], pcm_T.astype(np.int16))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mp3", {}), ("b.ogg", {}), ("c.opus", {"format": "OGG", "subtype": "OPUS"})],
)
def test_lossy_formats_of_libsndfile(write: WriteFile, melody_T: Audio, name: str, kind: dict[str, str]) -> None:
    pcm_T = decode_all(str(write(name, melody_T, **kind)))[0]
    assert abs(len(pcm_T) - len(melody_T)) <= 2 * 1152
    assert _alike(pcm_T, melody_T) > 0.95


@pytest.mark.parametrize(("name", "codec", "rate_hz"), [("a.m4a", "aac", 16_000), ("b.webm", "libopus", 48_000)])
def test_formats_of_ffmpeg(write_with_ffmpeg: WriteFile, melody_T: Audio, name: str, codec: str, rate_hz: int) -> None:
    path = write_with_ffmpeg(name, codec, np.repeat(melody_T, rate_hz // 16_000), rate_hz)
    pcm_T = decode_all(str(path))[0]
    assert abs(len(pcm_T) - len(melody_T)) <= 4_000
    assert probe_duration_s(str(path)) == pytest.approx(3.0, abs=0.2)


def test_real_recordings_decode_as_long_as_their_headers_say(shared_audio: Path) -> None:
    paths = [
        path for folder in ("formats", "clips", "multi_speaker", "fcaps") for path in (shared_audio / folder).iterdir()
    ]
    audio_paths = [path for path in paths if path.suffix != ".jsonl"]
    for path in audio_paths:
        promised_s = probe_duration_s(str(path))
        found_s = decode_all(str(path)).shape[1] / 16_000
        assert found_s == pytest.approx(found_s if promised_s is None else promised_s, abs=0.1), path
    assert len(audio_paths) > 20


def test_sphere_wave_and_mp3_of_one_recording_agree(shared_audio: Path) -> None:
    wave_T = decode_all(str(shared_audio / "formats" / "stereo.wav"))[0]
    assert np.array_equal(decode_all(str(shared_audio / "formats" / "stereo.sph"))[0], wave_T)
    assert _alike(decode_all(str(shared_audio / "formats" / "stereo.mp3"))[0], wave_T.astype(np.float32)) > 0.9


@pytest.mark.parametrize(
    ("choice", "channels", "expected"),
    [
        ("first", (0,), [[100]]),
        ("mix", ("mix",), [[200]]),
        ("each", (0, 1), [[100], [300]]),
        ((1, "mix"), (1, "mix"), [[300], [200]]),
    ],
)
def test_channel_choice(
    write: WriteFile, choice: ChannelChoice, channels: tuple[int], expected: list[list[int]]
) -> None:
    path = write("a.wav", np.tile(np.array([[100, 300]], np.float32) / 32768, (5_000, 1)))
    with AudioStream(str(path), choice) as stream:
        assert stream.channels == channels
        pcm_CT = np.concatenate(list(stream.blocks()), axis=1)
    assert np.array_equal(pcm_CT, np.tile(np.array(expected, np.int16), (1, 5_000)))


def test_a_missing_channel_is_named(write: WriteFile, melody_T: Audio) -> None:
    with pytest.raises(RecordingError, match=r"has 1 channels counted from 0, channel 1"):
        decode_all(str(write("a.wav", melody_T)), (1,))


def test_192_khz_with_8_channels(write: WriteFile, melody_T: Audio) -> None:
    path = write("a.wav", np.tile(np.repeat(melody_T, 12)[:, None], (1, 8)), 192_000, subtype="PCM_24")
    assert probe(str(path)).num_channels == 8
    pcm_CT = decode_all(str(path), "each")
    assert pcm_CT.shape == (8, len(melody_T))
    assert _alike(pcm_CT[7], melody_T) > 0.99


def test_samples_beyond_full_scale_are_clipped_not_wrapped(write: WriteFile) -> None:
    path = write("a.wav", np.tile(np.array([2.5, -2.5], np.float32), 100), subtype="FLOAT")
    assert set(decode_all(str(path))[0].tolist()) == {32767, -32768}


def test_blocks_are_bounded(write: WriteFile) -> None:
    path = write("a.wav", np.zeros((44_100 * 30, 2), np.float32), 44_100)
    with AudioStream(str(path)) as stream:
        assert max(block_CT.shape[1] for block_CT in stream.blocks()) <= 9 * 16_000


def _break(tmp_path: Path, melody_T: Audio, kind: str) -> Path:
    whole = tmp_path / f"whole.{kind}"
    soundfile.write(
        whole, melody_T, 16_000, format="NIST" if kind == "sph" else None, subtype=None if kind == "mp3" else "PCM_16"
    )
    path = tmp_path / f"broken.{kind}"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path


@pytest.mark.parametrize("kind", ["flac", "wav", "sph", "mp3", "aiff", "w64"])
def test_a_truncated_file_is_an_error(tmp_path: Path, melody_T: Audio, kind: str) -> None:
    path = _break(tmp_path, melody_T, kind)
    with pytest.raises(RecordingError, match="truncated") as caught:
        decode_all(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.m4a", "b.webm"])
def test_a_truncated_container_is_an_error(write_with_ffmpeg: WriteFile, melody_T: Audio, name: str) -> None:
    codec, rate_hz = ("aac", 16_000) if name.endswith("m4a") else ("libopus", 48_000)
    path = write_with_ffmpeg(name, codec, np.repeat(melody_T, rate_hz // 16_000), rate_hz)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordingError):
        decode_all(str(path))


def test_a_wave_file_that_was_piped_has_no_length_to_keep(write: WriteFile, melody_T: Audio) -> None:
    path = write("a.wav", melody_T)
    whole = path.read_bytes()
    at = whole.index(b"data") + 4
    for size in (b"\xff\xff\xff\xff", b"\0\0\0\0"):
        path.write_bytes(whole[:at] + size + whole[at + 4 :])
        assert decode_all(str(path)).shape[1] == len(melody_T)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_located(write: WriteFile, melody_T: Audio, bad: float) -> None:
    audio_TC = np.stack([melody_T, melody_T], axis=1)
    audio_TC[40_000, 1] = bad
    with pytest.raises(RecordingError, match=r"sample 40000 \(2\.50 s\) of channel 1 is -?(nan|inf)"):
        decode_all(str(write("a.wav", audio_TC, subtype="FLOAT")))


def test_text_under_an_audio_name(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("this is no sound\n" * 100)
    with pytest.raises(RecordingError, match=r"is not audio"):
        decode_all(str(path))
    assert probe_duration_s(str(path)) is None


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    for name, expected in (
        ("empty.wav", "is empty"),
        ("pipe.wav", "is a named pipe"),
        ("", "is a folder"),
        ("a\0b", "is not a path"),
        ("a" * 300, "File name too long"),
    ):
        with pytest.raises(RecordingError, match=expected):
            probe(str(tmp_path / name))
    with pytest.raises(MissingFileError, match="does not exist"):
        probe(str(tmp_path / "missing.wav"))


def test_a_file_without_permission(write: WriteFile, melody_T: Audio) -> None:
    path = write("a.wav", melody_T)
    path.chmod(0)
    with unprivileged(), pytest.raises(StorageError, match="Permission denied"):
        decode_all(str(path))


def test_a_file_without_samples(write: WriteFile) -> None:
    with pytest.raises(RecordingError):
        decode_all(str(write("a.wav", np.zeros(0, np.float32))))

"""The scale of samples, and clipping where it happened."""

from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.audio.clipping import ClippingTrack
from fcaps_pipeline.audio.stream import AudioStream, decode_all
from fcaps_pipeline.errors import RecordingError

Audio = npt.NDArray[np.float32]


def _voice(seconds: float = 2.0, rate_hz: int = 48_000) -> Audio:
    """A buzz with a slow swell: its peaks differ."""
    time_s_T = np.arange(round(seconds * rate_hz)) / rate_hz
    buzz_T = sum(np.sin(2 * np.pi * 130 * harmonic * time_s_T) / harmonic for harmonic in range(1, 9))
    return (0.3 * buzz_T * (1 + 0.4 * np.sin(2 * np.pi * time_s_T))).astype(np.float32)


def _clipped(path: Path, audio_T: Audio, rate_hz: int, **kind: str) -> float:
    soundfile.write(path, audio_T, rate_hz, **kind)
    with AudioStream(str(path)) as stream:
        num_samples = sum(block_CT.shape[1] for block_CT in stream.blocks())
        return stream.clipped_share(0, 0, num_samples)


@pytest.mark.parametrize("gain", [1.0, 0.89, 0.3, 0.05])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_clipping_is_found_at_every_rate_and_gain(tmp_path: Path, rate_hz: int, gain: float) -> None:
    loud_T = 4 * _voice(rate_hz=rate_hz)
    share = float(np.mean(np.abs(loud_T) >= 1.0))
    found = _clipped(tmp_path / "a.wav", loud_T.clip(-1, 32767 / 32768) * np.float32(gain), rate_hz)
    assert found == pytest.approx(share, rel=0.3)


@pytest.mark.parametrize(
    ("rate_hz", "subtype"),
    [*product((8_000, 16_000, 44_100, 48_000), ("PCM_16", "PCM_24", "FLOAT")), (8_000, "ULAW"), (16_000, "ULAW")],
)
def test_a_voice_that_is_not_clipped(tmp_path: Path, rate_hz: int, subtype: str) -> None:
    assert _clipped(tmp_path / "a.wav", 0.9 * _voice(rate_hz=rate_hz), rate_hz, subtype=subtype) < 0.002
    assert _clipped(tmp_path / "silence.wav", np.zeros(rate_hz, np.float32), rate_hz, subtype=subtype) == 0.0


def test_real_speech_is_not_clipped(shared_audio: Path) -> None:
    for path in sorted((shared_audio / "clips").glob("*.flac"))[:6]:
        with AudioStream(str(path)) as stream:
            num_samples = sum(block_CT.shape[1] for block_CT in stream.blocks())
            assert stream.clipped_share(0, 0, num_samples) < 0.002, path


def test_clipping_belongs_to_its_interval(tmp_path: Path) -> None:
    quiet_T, loud_T = _voice(), (4 * _voice()).clip(-0.9, 0.9)
    soundfile.write(tmp_path / "a.wav", np.concatenate([quiet_T, loud_T]), 48_000)
    with AudioStream(str(tmp_path / "a.wav")) as stream:
        list(stream.blocks())
        assert stream.clipped_share(0, 0, 31_000) < 0.002
        assert stream.clipped_share(0, 33_000, 64_000) > 0.2
        stream.forget_before(64_000)
        assert stream.clipped_share(0, 0, 31_000) == 0.0


def test_floats_beyond_full_scale_count_as_clipped(tmp_path: Path) -> None:
    assert _clipped(tmp_path / "a.wav", 2 * _voice(), 48_000, subtype="FLOAT") > 0.05


@pytest.mark.parametrize("scale", [32_768.0, 8_388_608.0, 100.0])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_on_the_scale_of_integers_are_refused(tmp_path: Path, scale: float, subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", scale * _voice(), 48_000, subtype=subtype)
    with pytest.raises(RecordingError, match=r"where 1.0 is full scale.*scale of integers"):
        decode_all(str(tmp_path / "a.wav"))


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("flac", "PCM_24")]
)
def test_samples_of_16_bits_in_wider_fields_are_refused_before_any_is_heard(
    tmp_path: Path, suffix: str, subtype: str
) -> None:
    divisor, path = 65_536 if subtype == "PCM_32" else 256, tmp_path / f"a.{suffix}"
    soundfile.write(path, np.tile(_voice(), 10) / divisor, 48_000, subtype=subtype)
    with AudioStream(str(path)) as stream, pytest.raises(RecordingError, match="wider fields"):
        next(stream.blocks())


@pytest.mark.parametrize(("subtype", "gain"), [("PCM_24", 0.05), ("PCM_16", 0.003), ("PCM_24", 0.0), ("FLOAT", 1e-7)])
def test_quiet_sound_and_silence_are_no_matter_of_scale(tmp_path: Path, subtype: str, gain: float) -> None:
    soundfile.write(tmp_path / "a.wav", gain * _voice(), 48_000, subtype=subtype)
    assert decode_all(str(tmp_path / "a.wav")).shape == (1, 32_000)


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_the_noise_of_a_muted_track_is_no_matter_of_scale(tmp_path: Path, subtype: str) -> None:
    noise_T = np.random.default_rng(0).normal(0, 10 ** (-112 / 20), 96_000)
    soundfile.write(tmp_path / "a.wav", noise_T, 48_000, subtype=subtype)
    assert decode_all(str(tmp_path / "a.wav")).shape == (1, 32_000)


def test_the_noise_of_a_muted_track_of_24_bits_may_stand_in_fields_of_32(tmp_path: Path) -> None:
    noise_T = np.rint(np.random.default_rng(0).normal(0, 2**23 * 10 ** (-112 / 20), 96_000)).astype(np.int32) * 256
    soundfile.write(tmp_path / "a.wav", noise_T, 48_000, subtype="PCM_32")
    assert decode_all(str(tmp_path / "a.wav")).shape == (1, 32_000)


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
def test_quiet_big_endian_wave_is_known_by_the_width_of_its_samples(tmp_path: Path, subtype: str) -> None:
    quiet_T = np.where(np.arange(16_000) % 80 < 40, 100, -100) / 32_768
    soundfile.write(tmp_path / "a.wav", quiet_T, 16_000, subtype=subtype, endian="BIG")
    assert (tmp_path / "a.wav").read_bytes().startswith(b"RIFX")
    pcm_T = decode_all(str(tmp_path / "a.wav"))[0]
    assert np.abs(pcm_T / 32_768 - quiet_T).max() < 2e-4


def test_a_start_by_rounding_under_a_boundary_keeps_its_first_sample() -> None:
    track = ClippingTrack()
    track.push(np.full((9_600, 1), 0.5, np.float32), 192_000, 0.05 - 5e-9)
    assert track.share(0, 800, 1_600) == 1.0

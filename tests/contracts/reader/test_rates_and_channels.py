"""All rates from 4 to 768 kHz, and mono to 7.1: a tone keeps its pitch, every channel its own sound."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.contracts.reader.making import FORMATS, Format, decode, likeness, melody, write

RATES_HZ = (4_000, 6_000, 8_000, 11_025, 11_127, 12_000, 22_050, 32_000, 37_800, 44_056, 44_100, 48_000, 88_200, 96_000)
HIGH_RATES_HZ = (176_400, 192_000, 352_800, 384_000, 655_350, 767_999, 768_000)
CHANNELS = [(one, num) for one in FORMATS for num in one.layouts if num > 1]


@pytest.mark.parametrize("rate_hz", RATES_HZ + HIGH_RATES_HZ)
def test_every_rate(tmp_path: Path, rate_hz: int) -> None:
    for name in ("a.wav", "a.flac") if rate_hz <= 655_350 else ("a.wav",):
        path = tmp_path / name
        soundfile.write(path, melody(1.0, rate_hz), rate_hz)
        audio_CT, warnings = decode(path)
        assert (audio_CT.shape[1], warnings) == (16_000, ())
        assert np.corrcoef(audio_CT[0, 500:-500], melody(1.0)[500:-500, 0])[0, 1] > 0.999


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("name", ["mp3", "vorbis", "opus", "m4a", "mka-aac", "wma", "speex"])
def test_rates_of_lossy_codecs(tmp_path: Path, name: str, rate_hz: int) -> None:
    if name == "speex" and rate_hz > 8_000:
        pytest.skip("Speex knows 8, 16 and 32 kHz")
    one = next(one for one in FORMATS if one.name == name)
    audio_CT, _ = decode(write(tmp_path, one, melody(2.0, rate_hz), rate_hz))
    assert audio_CT.shape[1] / 16_000 == pytest.approx(2.0, abs=0.25 if rate_hz == 8_000 else 0.12)
    assert likeness(audio_CT[0], melody(2.0)[:, 0], 0.2) > 0.8


@pytest.mark.parametrize(("one", "num_channels"), CHANNELS, ids=lambda one: getattr(one, "name", one))
def test_every_channel_is_its_own(tmp_path: Path, one: Format, num_channels: int) -> None:
    audio_TC = melody(1.0, one.rate_hz, num_channels)
    audio_CT, _ = decode(write(tmp_path, one, audio_TC))
    assert audio_CT.shape[0] == num_channels
    expected_TC = melody(1.0, num_channels=num_channels)
    for channel in range(num_channels):
        if num_channels == 6 and channel == 3 and not one.name.startswith(("wav", "aiff", "au", "caf", "flac")):
            continue  # the channel of low frequencies passes nothing else
        others = [likeness(audio_CT[row], expected_TC[:, channel], 0.1) for row in range(num_channels)]
        assert others[channel] == max(others)
        assert others[channel] > min(0.8, one.likeness - 0.15)


def test_eight_channels_of_planes_are_eight(tmp_path: Path) -> None:
    path = tmp_path / "surround.m4a"
    tones_TC = (melody(1.0, 48_000, 8) * 32_767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(tones_TC.reshape(1, -1), format="s16", layout="7.1")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    found_CT, _ = decode(path)
    assert found_CT.shape[0] == 8
    is_heard_C = np.abs(found_CT).max(axis=1) > 0.01 * np.abs(found_CT).max()
    assert is_heard_C.sum() >= 7, "AAC may leave nothing of the channel of low tones"

"""Recordings whose channels are told by their source: other rows, several files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.audio.stream import ChannelChoice
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import AudioFile, Channel, Recording

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes constant rows of the given values, at 16 kHz."""

    def rows(name: str, *values: int, num_samples: int = 16_000) -> str:
        path = tmp_path / name
        soundfile.write(path, np.tile(np.array(values, np.int16), (num_samples, 1)), 16_000)
        return str(path)

    return rows


def _read(files: tuple[AudioFile, ...], choice: ChannelChoice) -> tuple[tuple[Channel, ...], npt.NDArray[np.int16]]:
    recording = Recording(recording_id="a", location=files[0].location, source="a.wav", files=files)
    with open_recording(recording, choice) as stream:
        return stream.channels, np.concatenate(list(stream.blocks()), axis=1)


@pytest.mark.parametrize(
    ("choice", "channels", "values"),
    [
        ("first", (0,), [200]),
        ("each", (0, 1), [200, 100]),
        ("mix", ("mix",), [150]),
        ((1,), (1,), [100]),
        (("mix", 0), ("mix", 0), [150, 200]),
    ],
)
def test_rows_are_channels_as_the_source_counts_them(
    write: Write, choice: ChannelChoice, channels: tuple[Channel, ...], values: list[int]
) -> None:
    found, pcm_CT = _read((AudioFile(location=write("a.wav", 100, 200), channels=(1, 0)),), choice)
    assert (found, pcm_CT[:, 5].tolist(), pcm_CT.shape[1]) == (channels, values, 16_000)


def test_files_of_one_recording_run_side_by_side(write: Write) -> None:
    files = (
        AudioFile(location=write("a.wav", 100, num_samples=200_000), channels=(2,)),
        AudioFile(location=write("b.wav", 300, 400, num_samples=150_001), channels=(0, 7)),
    )
    channels, pcm_CT = _read(files, "each")
    assert (channels, pcm_CT.shape) == ((0, 2, 7), (3, 200_000))
    assert pcm_CT[:, 150_000].tolist() == [300, 100, 400]
    assert pcm_CT[:, 150_001].tolist() == [0, 100, 0]
    channels, pcm_CT = _read(files, (7,))
    assert (channels, pcm_CT.shape) == ((7,), (1, 150_001))
    assert _read(files, "mix")[1][0, 0] == 267


def test_a_channel_that_no_file_holds(write: Write) -> None:
    files = (AudioFile(location=write("a.wav", 100), channels=(1,)),)
    with pytest.raises(RecordingError, match=r"tells of channels \[1\], channel 0 was asked for"):
        _read(files, (0,))


def test_a_file_with_fewer_rows_than_its_source_says(write: Write) -> None:
    with pytest.raises(RecordingError, match="channel 1 was asked for"):
        _read((AudioFile(location=write("a.wav", 100), channels=(1, 0)),), "each")

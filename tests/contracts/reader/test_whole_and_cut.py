"""Every container whole, and cut at ten places: a file that ends before its promise is never taken for whole."""

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
    if one.name != "htk":  # ffmpeg does not read it
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


@pytest.mark.parametrize(
    "one", [one for one in FORMATS if one.promises and one.name != "htk"], ids=lambda one: one.name
)
def test_half_a_file_is_called_truncated(tmp_path: Path, one: Format) -> None:
    path = write(tmp_path, one)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordingError, match="truncated"):
        decode(path)

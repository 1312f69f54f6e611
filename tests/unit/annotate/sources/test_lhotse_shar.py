"""Shards as lhotse itself writes them, read where their sound lies."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.audio import Recording

_STARTS_S = (0.0, 1.0, 1.5, 2.25, 0.5)
_CUT_S = 1.5


@pytest.fixture
def shar(tmp_path: Path) -> Path:
    """Five cuts in three shards."""
    lhotse = pytest.importorskip("lhotse")
    from lhotse.shar import SharWriter

    samples_T = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples_T, 16_000)
    recording = lhotse.Recording.from_file(tmp_path / "a.flac")
    (tmp_path / "shar").mkdir()
    with SharWriter(str(tmp_path / "shar"), fields={"recording": "flac"}, shard_size=2) as writer:
        for number, start in enumerate(_STARTS_S):
            told = lhotse.SupervisionSegment(f"s{number}", recording.id, 0, _CUT_S, text=f"text {number}", speaker="s")
            cut = lhotse.MonoCut(f"part/{number}.x", start, _CUT_S, 0, recording=recording, supervisions=[told])
            writer.write(cut)
    return tmp_path / "shar"


def _all(path: Path) -> list[Recording]:
    return list(list_recordings(LhotseSource(kind="lhotse", path=str(path), license="CC0-1.0")))


def test_cuts_are_read_where_they_lie(shar: Path, tmp_path: Path) -> None:
    assert detect_source(shar).kind == "lhotse"
    found = _all(shar)
    whole_CT = decode_all(str(tmp_path / "a.flac"))
    for number, (recording, start) in enumerate(zip(found, _STARTS_S, strict=True)):
        first = round(start * 16_000)
        np.testing.assert_array_equal(decode_all(recording.location), whole_CT[:, first : first + 24_000])
        (cut,) = recording.cuts or ()
        assert (cut.start_samples, cut.end_samples, cut.transcript) == (0, 24_000, f"text {number}")
        assert (recording.source, recording.license) == (
            f"recording.{number // 2:06d}.tar/part/{number}.x.flac",
            "CC0-1.0",
        )


def test_a_cut_without_its_sound_fails_by_name(shar: Path) -> None:
    tar = shar / "recording.000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"part/1.x.flac", b"part/9.x.flac"))
    first, second, *_ = _all(shar)
    assert open_bytes(first.location).num_bytes > 0
    with pytest.raises(RecordingError, match=r"part/1\.x in .*000000\.tar is not there|damaged header"):
        open_bytes(second.location)
    tar.unlink()
    with pytest.raises(SourceError, match=r"000000\.tar does not exist .*a shard of cuts needs the tar"):
        _all(shar)

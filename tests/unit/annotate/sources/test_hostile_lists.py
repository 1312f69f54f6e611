"""What no list of recordings is, but a file may hold: refused with file and line, in bounded memory."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import LhotseSource, ManifestSource


def _mistake(path: Path, kind: str = "manifest") -> str:
    source = ManifestSource(kind="manifest", path=str(path))
    with pytest.raises(SourceError) as raised:
        list(list_recordings(source if kind == "manifest" else LhotseSource(kind="lhotse", path=str(path))))
    message = str(raised.value)
    assert len(message) < 600
    assert raised.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    "fields",
    [
        '"duration_s": 1e400',
        '"duration_s": NaN',
        '"duration_s": -1',
        '"duration_s": 1e300',
        '"segments": [{"start_s": 0, "end_s": 1e300}]',
        '"segments": [{"start_s": 0, "end_s": 1, "channel": -1}]',
        f'"segments": [{{"start_s": 0, "end_s": 1, "channel": {2**63}}}]',
        '"offset": 0, "duration": 1e12',
        '"path": "a\\u0000b.wav"',
        '"mood": ' + "[" * 100_000 + "]" * 100_000,
    ],
)
def test_a_value_that_is_out_of_range_is_refused_with_its_line(tmp_path: Path, fields: str) -> None:
    path = tmp_path / "m.jsonl"
    audio = "" if '"path"' in fields else '"path": "a.wav", '
    path.write_text(f'{{"path": "b.wav"}}\n{{{audio}{fields}}}\n')
    assert _mistake(path).startswith(f"{path}:2: ")


@pytest.mark.parametrize("changes", [{"duration": 1e300}, {"channel": 2**63}, {"channel": -1}, {"start": -1}])
def test_a_cut_out_of_range_is_refused_with_its_line(tmp_path: Path, changes: dict[str, float]) -> None:
    recording = {"id": "r", "sources": [{"type": "file", "source": "a.wav"}], "duration": 9.0}
    cut = {"id": "c", "start": 0.0, "duration": 2.0, "channel": 0, "recording": recording} | changes
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(cut) + "\n")
    assert _mistake(path, "lhotse").startswith(f"{path}:1: ")


def test_a_line_with_a_million_segments_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"path": "a.wav", "segments": [' + ",".join(['{"start_s":0,"end_s":1}'] * 1_000_000) + "]}\n")
    tracemalloc.start()
    message = _mistake(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "longer than 16,000,000 bytes" in message
    assert peak_bytes < 100_000_000


def test_more_segments_than_any_recording_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"path": "a.wav", "segments": [' + ",".join(['{"start_s":0,"end_s":1}'] * 100_001) + "]}\n")
    assert "segments: Tuple should have at most 100000 items" in _mistake(path)


@pytest.mark.parametrize("unit", [b"\0", b"\n"])
def test_gzip_that_unpacks_without_end_is_refused_in_bounded_memory(tmp_path: Path, unit: bytes) -> None:
    path = tmp_path / "m.jsonl.gz"
    path.write_bytes(gzip.compress(unit * 100_000_000, compresslevel=1))
    tracemalloc.start()
    message = _mistake(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith(f"{path}:")
    assert peak_bytes < 100_000_000


def test_a_device_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.symlink_to("/dev/zero")
    assert "neither a regular file nor a folder" in _mistake(path)
    with pytest.raises(SourceError, match="neither a regular file nor a folder"):
        detect_source(path)

"""A tar of mp3 and json with bad members, and Parquet of the same sound: every second of them is accounted for."""

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_commits, read_index, read_rows
from tests.integration.conftest import Fcaps

_JOB = "jobs/annotate_cascade_baseline_cpu.yaml"
_BAD = {
    "byte 0": "has a damaged header",
    "empty.mp3": "is empty",
    "link.mp3": "is a symbolic link",
    "noise.mp3": "is not audio",
    "page.mp3": "holds HTML",
    "short.flac": "is truncated",
    "../out.mp3": "leads out of the tar",
    "last.mp3": "breaks off",
}
_SPEECH = 4
"""Files of the demo that are taken."""


@pytest.fixture(scope="module")
def speech(demo_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The demo's speech as mp3, by names."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    folder = tmp_path_factory.mktemp("mp3")
    found = {}
    for path in demo_files[:_SPEECH]:
        mp3 = folder / f"{path.stem}.mp3"
        subprocess.run(["ffmpeg", "-v", "error", "-i", path, mp3], check=True)
        found[path.stem] = mp3.read_bytes()
    return found


def _members(speech: dict[str, bytes], flac: bytes) -> Iterator[tuple[str, bytes]]:
    yield "damaged.mp3", next(iter(speech.values()))
    for number, (stem, content) in enumerate(speech.items()):
        described = json.dumps(
            {"id": f"utt-{number}", "text": f"Text {number}.", "speaker": "s", "dnsmos": 3.5}
        ).encode()
        yield from ((f"{stem}.json", described), (f"{stem}.mp3", content))[:: 1 if number % 2 else -1]
    yield "empty.mp3", b""
    yield "noise.mp3", bytes(range(256)) * 40
    yield "page.mp3", b"<!DOCTYPE html><html>404</html>"
    yield "short.flac", flac[: len(flac) // 2]
    yield "../out.mp3", next(iter(speech.values()))
    yield "last.mp3", next(iter(speech.values()))


@pytest.fixture(scope="module")
def corpus(speech: dict[str, bytes], demo_files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tar, damaged at its beginning and broken off in its last member."""
    path = tmp_path_factory.mktemp("corpus") / "EN-0.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in _members(speech, demo_files[0].read_bytes()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
            if name == "empty.mp3":
                link = tarfile.TarInfo("link.mp3")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(link)
    damaged = bytearray(path.read_bytes()[: -tarfile.RECORDSIZE - 5_000])
    damaged[130] ^= 0xFF
    path.write_bytes(damaged)
    return path


@pytest.fixture(scope="module")
def layout(fcaps: Fcaps, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    run = tmp_path_factory.mktemp("runs") / "tar"
    source = json.dumps({"kind": "tar", "path": str(corpus.parent), "language": "en", "license": "CC0-1.0"})
    settings = ("--set", f"source={source}", "--set", "audio=reference", "--set", "shards.unit_recordings=4")
    done = fcaps("annotate", _JOB, "--out", run, *settings, "--set", "shards.deal_seed=1")
    assert done.returncode == 3, done.stderr
    assert "breaks off: its end is not marked as tars mark it" in done.stderr
    return RunLayout(run)


def _outcomes(layout: RunLayout) -> dict[str, RecordingOutcome]:
    return {
        one.source.partition("/")[2]: one for commit in read_commits(layout) for one in read_outcomes(layout, commit)
    }


def test_every_member_is_annotated_or_named(layout: RunLayout, speech: dict[str, bytes]) -> None:
    outcomes = _outcomes(layout)
    assert set(outcomes) == {f"{stem}.mp3" for stem in speech} | set(_BAD)
    assert {name for name, one in outcomes.items() if one.outcome == "failed"} == set(_BAD)
    messages = {row["source"].partition("/")[2]: row["message"] for row in read_rows(layout, "failures")}
    for name, expected in _BAD.items():
        assert re.search(rf"{re.escape(name)} in .*EN-0\.tar .*{expected}", messages[name]), messages[name]


def test_every_second_is_accounted_for(layout: RunLayout, demo_files: list[Path]) -> None:
    outcomes = _outcomes(layout)
    expected_s = {f"{path.stem}.mp3": soundfile.info(path).duration for path in demo_files[:_SPEECH]}
    for name, seconds in expected_s.items():
        assert outcomes[name].duration_s == pytest.approx(seconds, abs=0.1)
    begun = outcomes.pop("short.flac").duration_s
    assert {name: one.duration_s for name, one in outcomes.items() if name in _BAD} == dict.fromkeys(
        outcomes.keys() & _BAD.keys(), 0
    )
    totals = read_index(layout).totals
    assert totals.audio_hours * 3600 == pytest.approx(begun + sum(expected_s.values()), abs=0.5)
    assert totals.num_segments == totals.num_annotations + totals.num_rejections + totals.num_segment_failures > 0


def test_what_stands_beside_a_member_travels_to_its_rows(layout: RunLayout, speech: dict[str, bytes]) -> None:
    rows = [row for table in ("data", "rejections") for row in read_rows(layout, table)]
    assert {row["recording_id"] for row in rows} <= {f"utt-{number}" for number in range(len(speech))}
    for row in rows:
        number = row["recording_id"].partition("-")[2]
        assert (row["recording_transcript"], row["speaker"], row["language"]) == (f"Text {number}.", "s", "en")
        assert (row["license"], json.loads(row["extra"])) == ("CC0-1.0", {"dnsmos": 3.5})
        assert re.search(r"EN-0\.tar#name=.*\.mp3&offset=\d+&bytes=\d+$", row["location"])


def test_rows_find_their_samples_in_the_tar(fcaps: Fcaps, layout: RunLayout) -> None:
    assert fcaps("verify", layout.root).returncode == 0
    num_rows = read_index(layout).totals.num_annotations
    checked = fcaps("audio", "verify", layout.root)
    assert (checked.returncode, f"{num_rows} as recorded" in checked.stdout) == (0, True), checked.stderr
    assert fcaps("audio", "attach", layout.root).returncode == 0
    assert all(row["audio"]["bytes"] for row in read_rows(layout, "data", ["audio"]))


def test_parquet_of_the_same_sound_gives_the_same_samples(
    fcaps: Fcaps, layout: RunLayout, speech: dict[str, bytes], tmp_path: Path
) -> None:
    values = [{"bytes": content, "path": f"{stem}.mp3"} for stem, content in speech.items()]
    values.insert(1, {"bytes": b"no sound " * 99, "path": "bad.mp3"})
    table = pa.table(
        {
            "sound": pa.array(values, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "key": [f"row-{number}" for number in range(len(values))],
        }
    )
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=2)
    source = json.dumps({"kind": "parquet", "path": str(tmp_path), "fields": {"id": "key"}})
    done = fcaps("annotate", _JOB, "--out", tmp_path / "run", "--set", f"source={source}")
    assert done.returncode == 3, done.stderr
    again = RunLayout(tmp_path / "run")
    (failure,) = read_rows(again, "failures")
    assert (failure["recording_id"], "bad.mp3" in failure["message"]) == ("row-1", True)
    columns = ["audio_sha256"]
    assert {row["audio_sha256"] for row in read_rows(again, "data", columns)} == {
        row["audio_sha256"] for row in read_rows(layout, "data", columns)
    }

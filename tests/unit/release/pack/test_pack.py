"""A corpus with captions becomes a folder that every command reads as a run, each caption on its own clip."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.attachment import AudioState, attach_audio
from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.errors import JobError, SourceError, StorageError, UsageError
from fcaps_pipeline.learn.data.config import SeparateRuns
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.pack import pack as packing
from fcaps_pipeline.release.pack.pack import PackSettings, count_uncaptioned, pack
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter
from tests.unit.release.export.exported import captions, exported, rows_of, write_release

_RATE_HZ = 16_000


def _line(name: str, seconds: float, *, path: str = "", speaker: str = "zoe", **custom: Any) -> dict[str, Any]:
    """A line as FCaps publishes them."""
    told: dict[str, Any] = {"short_captions": [f"{name} global"], "long_captions": [f"{name} one", f"{name} two"]}
    told |= {"accent": "Scottish", "pitch": None, "speaking_rate": "slow", "intrinsic_tags": ["deep"]}
    source = {"type": "file", "channels": [0], "source": path or f"clips/{name}.wav"}
    recording = {"id": name, "sources": [source], "sampling_rate": _RATE_HZ, "duration": seconds}
    supervision = {
        "id": name,
        "recording_id": name,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "text": f"words of {name}",
        "speaker": speaker,
        "gender": "female",
        "custom": told | custom,
    }
    num_samples = round(seconds * _RATE_HZ)
    return {
        "id": name,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "type": "MonoCut",
        "supervisions": [supervision],
        "recording": {**recording, "num_samples": num_samples},
    }


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return str(path)


@pytest.fixture
def published(tmp_path: Path) -> str:
    """Five clips of 0.1 to 0.5 s whose paths start from another folder than that of the JSONL."""
    for number in range(5):
        path = tmp_path / "audio" / "clips" / f"c.{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise_T = np.random.default_rng(number).integers(-3000, 3000, 1600 * (number + 1), np.int16)
        soundfile.write(path, noise_T, _RATE_HZ)
    lines = [_line(f"c.{number}", (number + 1) / 10, speaker=f"s{number % 2}") for number in range(5)]
    return _write(tmp_path / "lists" / "cuts.jsonl.gz", lines)


def _settings(*sources: str, tmp_path: Path, **more: Any) -> PackSettings:
    return PackSettings(sources=sources, audio_root=str(tmp_path / "audio"), **more)


def test_published_cuts_become_rows_with_their_captions(published: str, tmp_path: Path) -> None:
    settings = _settings(published, tmp_path=tmp_path, license="CC BY-NC-SA 4.0", corpus="psc")
    totals = pack(settings, tmp_path / "out")
    assert (totals.num_annotations, totals.num_candidates, totals.num_recordings_failed) == (5, 15, 0)
    rows = list(read_rows(RunLayout(tmp_path / "out"), "data"))
    for number, row in enumerate(rows):
        name = f"c.{number}"
        assert row["global_captions"] == [f"{name} global"]
        assert row["fine_captions"] == [f"{name} one", f"{name} two"]
        assert [one["text"] for one in row["captions"]] == row["global_captions"] + row["fine_captions"]
        assert (row["transcript"], row["speaker"], row["speaker_gender"]) == (
            f"words of {name}",
            f"s{number % 2}",
            "female",
        )
        assert (row["license"], row["corpus"], row["source"]) == ("CC BY-NC-SA 4.0", "psc", f"clips/{name}.wav")
        assert row["tags"] == ["accent: Scottish", "speaking rate: slow", "deep"]
        assert "captions" not in row["extra"]
        assert row["duration_s"] == pytest.approx((number + 1) / 10)
    assert len(list(verify(RunLayout(tmp_path / "out")))) == 3
    assert count_uncaptioned(tmp_path / "out") == {"global": 0, "fine": 0}
    assert pack(settings, tmp_path / "out") == totals


def test_an_export_comes_back_with_every_caption_and_sample(
    make_audio: MakeAudio, annotate: Annotate, tmp_path: Path
) -> None:
    release = write_release(RunWriter(make_audio, annotate), tmp_path)
    exported(release, tmp_path / "fcaps", "fcaps")
    for split in ("train", "validation", "test"):
        pack(PackSettings(sources=(str(tmp_path / "fcaps" / f"{split}-00000.jsonl.gz"),)), tmp_path / split)
    expected = rows_of(open_dataset(release))
    found = {
        row["recording_id"]: row
        for split in ("train", "validation", "test")
        for row in rows_of(open_dataset(tmp_path / split)).values()
    }
    assert found.keys() == expected.keys()
    for name, row in found.items():
        assert row["global_captions"] == captions(name, "global")
        assert row["fine_captions"] == captions(name, "fine")
        assert row["audio_sha256"] == expected[name]["audio_sha256"]
        assert (row["speaker"], row["transcript"]) == (expected[name]["speaker"], expected[name]["transcript"])
    splits = read_splits(
        SeparateRuns(kind="runs", train=(str(tmp_path / "train"),), dev=(str(tmp_path / "validation"),))
    )
    assert (len(splits.train), len(splits.dev)) == tuple(
        sum(row["split"] == split for row in expected.values()) for split in ("train", "validation")
    )


def test_a_killed_pack_goes_on(published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_CUTS_OF_UNIT", 2)
    settings = _settings(published, tmp_path=tmp_path)
    whole = pack(settings, tmp_path / "whole")

    class Killed(BaseException):
        """Nothing that is handled."""

    def kill(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        pack(settings, tmp_path / "out", on_unit=kill)
    told: list[int] = []
    assert pack(settings, tmp_path / "out", on_unit=lambda commit: told.append(commit.unit_index)) == whole
    assert told == [1, 2]
    names = [sorted(path.name for path in (tmp_path / out / "data").iterdir()) for out in ("whole", "out")]
    assert names[0] == names[1]
    with pytest.raises(JobError, match=r"differs in pack\.by_reference"):
        pack(settings.model_copy(update={"by_reference": True}), tmp_path / "out")


def test_missing_audio_is_counted_named_and_bounded(published: str, tmp_path: Path, typed: Typed) -> None:
    (tmp_path / "audio" / "clips" / "c.3.wav").unlink()
    with pytest.raises(
        StorageError, match=r"recording c_3\S* cannot be read: .*c\.3\.wav does not exist.*--max-missing"
    ):
        pack(_settings(published, tmp_path=tmp_path), tmp_path / "out")
    arguments = ["pack", published, "--audio-root", tmp_path / "audio", "--out", tmp_path / "out"]
    code, said, told = typed(*arguments, "--max-missing", "1")
    assert code == 3
    assert "4 rows" in said
    assert "1 recordings failed" in said
    assert "missing: c_3" in told
    (failure,) = read_rows(RunLayout(tmp_path / "out"), "failures")
    assert "c.3.wav does not exist" in failure["message"]
    assert len(list(verify(RunLayout(tmp_path / "out")))) == 4


def test_captions_that_are_missing_at_a_granularity_are_counted(published: str, tmp_path: Path, typed: Typed) -> None:
    lines = [_line("c.0", 0.1, short_captions=[], long_captions="only one"), _line("c.1", 0.2, short_captions=None)]
    source = _write(tmp_path / "lists" / "some.jsonl.gz", lines)
    code, _, told = typed("pack", source, "--audio-root", tmp_path / "audio", "--out", tmp_path / "out")
    assert code == 0
    assert "2 of 2 rows have no global caption" in told
    assert [row["fine_captions"] for row in read_rows(RunLayout(tmp_path / "out"), "data")] == [
        ["only one"],
        ["c.1 one", "c.1 two"],
    ]


def test_rows_may_refer_to_audio_that_is_attached_later(published: str, tmp_path: Path) -> None:
    pack(_settings(published, tmp_path=tmp_path, by_reference=True), tmp_path / "out")
    layout = RunLayout(tmp_path / "out")
    assert [row["audio"] for row in read_rows(layout, "data")] == [None] * 5
    assert [one.state for one in attach_audio(layout, 1_000_000)] == [AudioState.SAME] * 5
    assert all(row["audio"] for row in read_rows(layout, "data"))


def test_clips_of_one_channel_of_several_may_be_referred_to(tmp_path: Path) -> None:
    path = tmp_path / "audio" / "clips" / "both.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.random.default_rng(0).integers(-3000, 3000, (1600, 2), np.int16), _RATE_HZ)
    line = _line("both", 0.1)
    line["recording"]["sources"][0]["channels"] = [1, 0]
    source = _write(tmp_path / "lists" / "both.jsonl.gz", [line])
    pack(_settings(source, tmp_path=tmp_path, by_reference=True), tmp_path / "out")
    assert [one.state for one in attach_audio(RunLayout(tmp_path / "out"), 1_000_000)] == [AudioState.SAME]


def test_what_is_packed_can_be_taken_back(published: str, tmp_path: Path, typed: Typed) -> None:
    pack(_settings(published, tmp_path=tmp_path), tmp_path / "out")
    code, _, told = typed("release", "remove", tmp_path / "out", "--speaker", "s0", "--reason", "asked")
    assert code == 0, told
    assert [row["speaker"] for row in read_rows(RunLayout(tmp_path / "out"), "data")] == ["s1", "s1"]
    assert list(verify(RunLayout(tmp_path / "out")))


def test_what_cannot_be_packed_is_one_line(published: str, tmp_path: Path) -> None:
    settings = _settings(published, published, tmp_path=tmp_path)
    with pytest.raises(SourceError, match="two recordings have the id"):
        pack(settings, tmp_path / "twice")
    plain = _write(tmp_path / "lists" / "plain.jsonl.gz", [_line("c.0", 0.1)["recording"]])
    with pytest.raises(SourceError, match=r"has no cuts, and so no captions; .*let `fcaps annotate` caption"):
        pack(_settings(plain, tmp_path=tmp_path), tmp_path / "plain")
    bad = _write(tmp_path / "lists" / "bad.jsonl.gz", [_line("c.0", 0.1, long_captions=[1, 2])])
    with pytest.raises(StorageError, match="long_captions is list, expected a list of texts"):
        pack(_settings(bad, tmp_path=tmp_path), tmp_path / "bad")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError, match=r"neither empty nor a run folder \(it holds notes\.txt\)"):
        pack(_settings(published, tmp_path=tmp_path), tmp_path / "mine")


def test_a_pack_may_lie_on_a_store(published: str, tmp_path: Path) -> None:
    where = f"memory://{tmp_path.name.replace('_', '-')}/packed"
    totals = pack(_settings(published, tmp_path=tmp_path), where)
    assert totals.num_annotations == 5
    assert [part.name for part in open_dataset(where).parts()] == ["unit-00000"]

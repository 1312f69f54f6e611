"""`fcaps annotate` on a folder with good and bad files, and what the other commands say of the run."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import soundfile
from datasets import Audio, load_dataset

from fcaps_pipeline.annotate.verification.opinions import probes_of
from fcaps_pipeline.annotate.verification.probe import margin_of
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.conftest import Typed
from tests.integration.conftest import Fcaps

PROBE = "{kind: probe, engine: embedded, prompt: embedded_probe.v1, min_margin: 1000}"
"""By the captioner itself, whose word decides nothing here: the path is walked, and no caption falls."""
SETTINGS = (
    *("--set", "shards.unit_hours=0.002"),
    *("--set", f"verification.verifiers=[{{kind: evidence}}, {PROBE}]"),
)

BAD_FILES = {
    "empty.wav": "empty",
    "renamed.wav": "audio",
    "truncated.flac": "truncated",
    "not_a_number.wav": "is nan",
    "blink.wav": "0.05",
}


@pytest.fixture(scope="module")
def run(fcaps: Fcaps, mixed_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "mixed"


@pytest.fixture(scope="module")
def finished(fcaps: Fcaps, mixed_corpus: Path, run: Path) -> CompletedProcess[str]:
    return fcaps("annotate", mixed_corpus, "--out", run, *SETTINGS)


def _report(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_text())  # type: ignore[no-any-return]


def test_it_finishes_and_says_that_some_files_failed(finished: CompletedProcess[str], run: Path) -> None:
    assert finished.returncode == 3, finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout
    assert _report(run)["state"] == "finished with failures"
    assert (run / "index.json").is_file()


def test_each_bad_file_gives_one_line_and_one_row(finished: CompletedProcess[str], run: Path) -> None:
    rows = {row["source"]: row for row in read_rows(RunLayout(run), "failures")}
    assert set(rows) == set(BAD_FILES)
    for name, word in BAD_FILES.items():
        message = str(rows[name]["message"])
        assert word in message
        assert name in message
        assert "\n" not in message
        assert [line for line in finished.stderr.splitlines() if line.startswith(f"failed: {name}")]


def test_silence_and_noise_are_reported_and_are_no_error(finished: CompletedProcess[str], run: Path) -> None:
    without = " ".join(_report(run)["recordings_without_segments"])
    rejected = " ".join(row["source"] for row in read_rows(RunLayout(run), "rejections"))
    assert "silence.wav: no speech found" in without
    assert "noise.wav" in without + rejected
    assert "ignored 1 files of kind .txt" in finished.stderr


def test_every_segment_is_accounted_for(finished: CompletedProcess[str], typed: Typed, run: Path) -> None:
    totals = _report(run)["totals"]
    assert totals["num_recordings"] == 11
    assert (
        totals["num_segments"] == totals["num_annotations"] + totals["num_rejections"] + totals["num_segment_failures"]
    )
    assert totals["num_annotations"] > 0
    code, printed, messages = typed("verify", run)
    assert code == 0, messages
    assert "every Segment is accounted for once" in printed


def test_every_clip_holds_the_samples_of_its_source(
    finished: CompletedProcess[str], run: Path, mixed_corpus: Path, tmp_path: Path
) -> None:
    files = [str(path) for path in (run / "data").glob("*.parquet")]
    dataset = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert dataset.features["audio"] == Audio(sampling_rate=16_000)
    for row in dataset.cast_column("audio", Audio(decode=False)):
        source_CT = decode_all(str(mixed_corpus / row["source"]), "first")
        clip_T = decode_flac(row["audio"]["bytes"])
        assert len(clip_T) == row["end_samples"] - row["start_samples"]
        source_T = source_CT[0, row["start_samples"] : row["end_samples"]]
        np.testing.assert_allclose(clip_T, source_T, atol=1)


def test_captions_are_validated_and_traceable(finished: CompletedProcess[str], run: Path) -> None:
    for row in read_rows(RunLayout(run), "data"):
        assert row["fine_captions"]
        assert row["global_captions"]
        for field in Profile.model_fields:
            assert (row[field] is None) == (field in {one["field"] for one in row["missing"]})
    for candidate in read_rows(RunLayout(run), "candidates"):
        assert candidate["kept"] == (candidate["reasons"] == [])
        assert re.fullmatch(r"[0-9a-f]{64}", candidate["request_key"])
        assert re.fullmatch(r"[0-9a-f]{64}", candidate["prompt_sha256"])
        assert candidate["model_revision"].startswith("sha256:")


def test_open_claims_were_probed_and_the_row_says_by_whom(finished: CompletedProcess[str], run: Path) -> None:
    candidates = list(read_rows(RunLayout(run), "candidates"))
    probed = [
        evidence
        for row in candidates
        for claim in row["claims"] or ()
        for evidence in claim["evidence"]
        if evidence["tool"] == "probe:embedded"
    ]
    assert probed
    assert all(one["tier"] == "listening" for one in probed)
    trajectories = [one for row in candidates for one in probes_of(row["trajectory"])]
    assert sum(len(one.probes) for one in trajectories) >= len(probed), "a caption that lost a sentence keeps its way"
    assert {one.prompt for one in trajectories} == {"embedded_probe.v1"}
    assert all(margin_of(probe) is not None for one in trajectories for probe in one.probes)


def test_a_second_run_redoes_nothing(
    finished: CompletedProcess[str], typed: Typed, mixed_corpus: Path, run: Path
) -> None:
    says_that_it_was_called = {".lease", "run.log.jsonl"}
    files = [path for path in run.rglob("*") if path.is_file() and says_that_it_was_called.isdisjoint(path.parts)]
    before = {path: path.stat().st_mtime_ns for path in files}
    code, _, messages = typed("annotate", mixed_corpus, "--out", run, *SETTINGS)
    assert (code, "nothing to do" in messages) == (3, True)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_job_is_refused(finished: CompletedProcess[str], typed: Typed, mixed_corpus: Path, run: Path) -> None:
    code, _, messages = typed("annotate", mixed_corpus, "--out", run, *SETTINGS, "--set", "captions.fine.keep=1")
    assert code == 2
    assert "captions.fine.keep (was 2, is 1)" in messages.replace("\n", " ")


def test_status_and_cards(
    finished: CompletedProcess[str], typed: Typed, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "the dataset is complete" in typed("status", run)[1]
    row = next(read_rows(RunLayout(run), "data"))
    card = typed("show", run, row["segment_id"])[1]
    assert str(row["fine_captions"][0])[:60] in card
    assert "f0_median_hz" in card
    assert row["segment_id"] in typed("show", run)[1]
    code, _, messages = typed("show", run, "nothing")
    assert (code, "has no Segment 'nothing'" in messages) == (2, True)


def test_a_damaged_shard_is_found(finished: CompletedProcess[str], typed: Typed, run: Path) -> None:
    shard = sorted((run / "data").glob("*.parquet"))[0]
    content = shard.read_bytes()
    try:
        shard.write_bytes(content[:200] + b"!" + content[201:])
        code, _, messages = typed("verify", run)
    finally:
        shard.write_bytes(content)
    assert code == 1
    assert shard.name in messages.replace("\n", "")


def test_real_speech_ends_with_everything_accounted_for(typed: Typed, shared_audio: Path, tmp_path: Path) -> None:
    cascade = ("--set", "engines={embedded: {kind: cascade}}")
    code, _, messages = typed("annotate", shared_audio / "clips", "--out", tmp_path / "run", *cascade)
    assert code == 0, messages
    totals = _report(tmp_path / "run")["totals"]
    assert totals["num_recordings"] == len(list((shared_audio / "clips").iterdir()))
    assert totals["num_annotations"] + totals["num_rejections"] == totals["num_segments"] > 0
    for row in read_rows(RunLayout(tmp_path / "run"), "data", ["source", "end_s"]):
        info = soundfile.info(shared_audio / "clips" / row["source"])
        assert float(str(row["end_s"])) <= info.duration + 0.001

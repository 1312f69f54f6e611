"""A run that takes over what an earlier one was answered, on Ray: what is asked anew, and what comes out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from fcaps_pipeline.shards.commits import commit_text
from fcaps_pipeline.shards.layout import RunLayout, Table
from fcaps_pipeline.shards.reader import read_commits, read_rows
from tests.conftest import Typed
from tests.integration.conftest import Fcaps

JOB = """
source: {kind: manifest, path: "package:demo_speech/manifest.jsonl"}
engines: {cascade: {kind: cascade}}
captions:
  fine: {engine: cascade, prompt: embedded_fine.v1, num_candidates: 2}
  global: {engine: cascade, prompt: embedded_global.v1}
verification: {fine_min_characters: 200}
shards: {unit_hours: 0.01}
resources: {num_segmenters: 1, ray_address: "ADDRESS"}
"""
RELAXED = ("--set", "verification.fine_min_characters=128")
NEW_PROMPT = ("--set", "captions.fine.prompt=instruct_fine.v1")


@pytest.fixture(scope="module")
def job_text() -> Iterator[str]:
    """The job on a Ray that all runs of this file share, since how Ray starts and ends is not their subject."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield JOB.replace("ADDRESS", cluster.address)
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def job(job_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("job") / "job.yaml"
    path.write_text(job_text)
    return path


@pytest.fixture(scope="module")
def earlier(fcaps: Fcaps, job: Path) -> Path:
    run = job.with_name("earlier")
    assert fcaps("annotate", job, "--out", run).returncode in (0, 3)
    return run


def _last_call(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "report.json").read_text())["last_call"]
    return content


def _rows(run: Path) -> dict[Table, list[dict[str, Any]]]:
    tables: tuple[Table, ...] = ("data", "rejections", "candidates")
    return {table: list(read_rows(RunLayout(run), table)) for table in tables}


def test_a_relaxed_bound_asks_nothing_and_ends_as_a_run_that_asks_everything(
    typed: Typed, job: Path, earlier: Path, tmp_path: Path
) -> None:
    assert typed("annotate", job, "--out", tmp_path / "reusing", "--reuse", earlier, *RELAXED)[0] in (0, 3)
    assert typed("annotate", job, "--out", tmp_path / "asking", *RELAXED)[0] in (0, 3)
    call = _last_call(tmp_path / "reusing")
    assert call["num_asked"] == 0
    assert call["num_reused"] > 0
    assert _rows(tmp_path / "reusing") == _rows(tmp_path / "asking")
    assert _rows(tmp_path / "reusing") != _rows(earlier)
    assert typed("verify", tmp_path / "reusing")[0] == 0


def test_a_new_prompt_of_one_granularity_asks_only_there_and_no_ask_names_what_it_lacks(
    typed: Typed, job: Path, earlier: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert typed("annotate", job, "--out", run, "--reuse", earlier, *NEW_PROMPT, "--no-ask")[0] == 3
    assert RunLayout(run).engines.on_disk().is_file(), "what was taken over has somebody who answered"
    no_ask = ("--no-ask", "--retry-failures")
    assert typed("annotate", job, "--out", run, "--reuse", earlier, *NEW_PROMPT, *no_ask)[0] == 3
    failures = list(read_rows(RunLayout(run), "failures"))
    assert {row["error"] for row in failures} == {"NotAskedError"}
    assert _last_call(run)["num_asked"] == 0
    code, _, messages = typed("annotate", job, "--out", run, "--reuse", earlier, *NEW_PROMPT)
    assert code in (0, 3), messages
    assert list(read_rows(RunLayout(run), "failures")) == []
    asked = {row["granularity"]: row for row in read_rows(RunLayout(run), "candidates")}
    assert asked["fine"]["prompt_name"] == "instruct_fine"
    assert _last_call(run)["num_asked"] == sum(
        row["granularity"] == "fine" for row in read_rows(RunLayout(run), "candidates")
    )
    assert typed("verify", run)[0] == 0


def test_a_run_is_the_corpus_of_another_with_its_segments_as_they_are(typed: Typed, job: Path, earlier: Path) -> None:
    run = job.with_name("over")
    code, _, messages = typed("annotate", job, "--set", f"source={{kind: run, path: {earlier}}}", "--out", run)
    assert code == 0, messages
    assert _rows(run)["data"] == _rows(earlier)["data"]
    assert len(_rows(run)["data"]) > 3


def test_new_recordings_are_named_then_taken_in_and_done(
    typed: Typed, job_text: str, demo_files: list[Path], tmp_path: Path
) -> None:
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    corpus.mkdir()
    speech = {path.name: path.read_bytes() for path in demo_files if path.stem in ("woman-soft", "man-loud-fast")}
    (corpus / "woman-soft.flac").write_bytes(speech["woman-soft.flac"])
    job = corpus.with_name("job.yaml")
    job.write_text(
        job_text.replace(
            '{kind: manifest, path: "package:demo_speech/manifest.jsonl"}', f"{{kind: folder, path: {corpus}}}"
        )
    )
    assert typed("annotate", job, "--out", run)[0] == 0
    (corpus / "man-loud-fast.flac").write_bytes(speech["man-loud-fast.flac"])
    (corpus / "woman-soft.flac").unlink()
    before = (run / "index.json").read_bytes()
    _, _, messages = typed("annotate", "--out", run)
    difference = "1 new (man-loud-fast.flac), 1 gone (woman-soft.flac); --extend takes the new ones in"
    assert difference in messages.replace("\n", " ")
    assert (run / "index.json").read_bytes() == before
    code, _, messages = typed("annotate", "--out", run, "--extend")
    assert code == 0, messages
    assert "woman-soft.flac: no longer in the source; what was made of it stays" in messages.replace("\n", " ")
    sources = {row["source"] for rows in _rows(run).values() for row in rows if "source" in row}
    assert sources == {"woman-soft.flac", "man-loud-fast.flac"}
    assert len(list(read_commits(RunLayout(run)))) == 2
    assert typed("verify", run)[0] == 0
    assert "--retry-failures does nothing besides" in typed("annotate", "--out", run, "--extend", "--retry-failures")[2]
    layout = RunLayout(run)
    commit = next(read_commits(layout)).model_copy(update={"fcaps_version": "0.0.1"})
    layout.commit(commit.unit_index).put(commit_text(commit))
    layout.report.on_disk().write_text('{"state": "who')
    _, _, messages = typed("annotate", "--out", run)
    assert "written by version 0.0.1 of this package" in messages.replace("\n", " ")
    assert json.loads(layout.report.read_text())["state"] == "whole", "a damaged report is made anew"

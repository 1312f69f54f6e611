"""Whole runs whose captions come from a server: its key stays in the environment, its outage fails no Segment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.contracts.hosting import VllmServer
from tests.faulty_server import FaultyServer
from tests.integration.conftest import Fcaps

JOB = """
source: {{kind: folder, path: {folder}}}
engines:
  server: {{kind: endpoint, base_url: "{url}", model: captioner, revision: r1, api_key_env: CAPTION_SERVER_KEY}}
captions:
  fine: {{engine: server, prompt: embedded_fine.v1, num_candidates: 2, sampling: {{max_tokens: 256}}}}
  global: {{engine: server, prompt: embedded_global.v1, sampling: {{max_tokens: 256}}}}
"""

KEY = "sesame"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VllmServer]:
    server = VllmServer(tmp_path / "server.txt")
    server.start()
    yield server
    server.kill()


def test_a_server_annotates_and_its_key_is_written_nowhere(
    fcaps: Fcaps, server: VllmServer, demo_files: list[Path], tmp_path: Path
) -> None:
    job, run = tmp_path / "job.yaml", tmp_path / "run"
    job.write_text(JOB.format(folder=demo_files[0], url=server.url))
    without_key = fcaps("annotate", job, "--out", run)
    assert without_key.returncode == 2
    assert "CAPTION_SERVER_KEY" in without_key.stderr
    done = fcaps("annotate", job, "--out", run, CAPTION_SERVER_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert list(read_rows(RunLayout(run), "data"))
    assert {one["model_revision"] for one in read_rows(RunLayout(run), "candidates")} == {"r1"}
    written = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert KEY.encode() not in written + done.stdout.encode() + done.stderr.encode()
    server.kill()
    again = fcaps("annotate", job, "--out", run, CAPTION_SERVER_KEY=KEY)
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stderr


def test_a_server_that_stays_busy_stops_the_run_with_its_reason(
    fcaps: Fcaps, demo_files: list[Path], tmp_path: Path
) -> None:
    job, run = tmp_path / "job.yaml", tmp_path / "run"
    with FaultyServer().serving() as server:
        server.busy = [(429, "60")] * 99
        content = JOB.format(folder=demo_files[0], url=server.url).replace("model: captioner", "model: m")
        job.write_text(content.replace("revision: r1", "patience_s: 30"))
        stopped = fcaps("annotate", job, "--out", run, CAPTION_SERVER_KEY=KEY)
    assert stopped.returncode == 1
    assert "HTTP 429" in stopped.stderr
    assert "patience_s (30 s)" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    for kind in ("data", "rejections", "failures"):
        assert not list(read_rows(RunLayout(run), kind))

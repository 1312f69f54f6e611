"""Whole runs whose captions come from a server: its key stays in the environment, its outage fails no Segment."""

from pathlib import Path

import pytest

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.conftest import Typed
from tests.faulty_server import FaultyServer
from tests.integration.conftest import Fcaps

JOB = """
source: {{kind: folder, path: {folder}}}
engines:
  server: {{kind: endpoint, base_url: "{url}", model: m, revision: r1, api_key_env: CAPTION_SERVER_KEY}}
captions:
  fine: {{engine: server, prompt: embedded_fine.v1, sampling: {{max_tokens: 256}}}}
"""

KEY = "sesame"
CAPTION = (
    "A voice speaks at a steady pace with an even, unhurried delivery. The words are clearly formed and the tone stays "
    "calm and matter-of-fact from beginning to end."
)


def _answer(text: str) -> dict[str, object]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


def test_a_server_annotates_and_its_key_is_written_nowhere(
    fcaps: Fcaps, typed: Typed, demo_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = tmp_path / "job.yaml", tmp_path / "run"
    with FaultyServer().serving() as server:
        server.body = _answer(CAPTION)
        job.write_text(JOB.format(folder=demo_files[0], url=server.url))
        code, _, messages = typed("annotate", job, "--out", run)
        assert (code, "CAPTION_SERVER_KEY" in messages) == (2, True)
        done = fcaps("annotate", job, "--out", run, CAPTION_SERVER_KEY=KEY)
        assert f"Bearer {KEY}" in server.keys
    assert done.returncode == 0, done.stderr
    assert [row["fine_captions"] for row in read_rows(RunLayout(run), "data")] == [[CAPTION]]
    assert {one["model_revision"] for one in read_rows(RunLayout(run), "candidates")} == {"r1"}
    written = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert KEY.encode() not in written + done.stdout.encode() + done.stderr.encode()
    monkeypatch.setenv("CAPTION_SERVER_KEY", KEY)
    code, _, messages = typed("annotate", job, "--out", run)
    assert (code, "nothing to do" in messages) == (0, True)


def test_a_server_that_stays_busy_stops_the_run_with_its_reason(
    fcaps: Fcaps, demo_files: list[Path], tmp_path: Path
) -> None:
    job, run = tmp_path / "job.yaml", tmp_path / "run"
    with FaultyServer().serving() as server:
        server.busy = [(429, "60")] * 99
        content = JOB.format(folder=demo_files[0], url=server.url)
        job.write_text(content.replace("revision: r1", "patience_s: 30"))
        stopped = fcaps("annotate", job, "--out", run, CAPTION_SERVER_KEY=KEY)
    assert stopped.returncode == 1
    assert "HTTP 429" in stopped.stderr
    assert "patience_s (30 s)" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    for kind in ("data", "rejections", "failures"):
        assert not list(read_rows(RunLayout(run), kind))

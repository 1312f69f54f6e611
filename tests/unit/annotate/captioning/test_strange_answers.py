"""Whatever text an engine answers is judged and can be stored: no unit is blocked by what a model writes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.endpoint_engine import EndpointEngine
from fcaps_pipeline.annotate.engines.patience import PatientEngine
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, Job, parse_job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from fcaps_pipeline.shards.writer import UnitWriter
from tests.faulty_server import FaultyServer
from tests.outcomes import segmented
from tests.unit.annotate.captioning.building import segment_audio
from tests.unit.annotate.engines.server_scenarios import SCENARIOS

_ANSWERED = [scenario for scenario in SCENARIOS if scenario.outcome == "answered"]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer().serving() as running:
        yield running


def _job(server: FaultyServer) -> Job:
    content = {
        "source": {"kind": "folder", "path": "x"},
        "engines": {"server": {"kind": "endpoint", "base_url": server.url, "model": "m"}},
        "captions": {
            "fine": {"engine": "server", "prompt": "captioner_fine.v1", "num_candidates": 2},
            "global": {"engine": "server", "prompt": "instruct_global.v1", "num_candidates": 2},
        },
        "verification": {"max_attempts": 1},
    }
    return parse_job(content, "the test")


def _ask_all(server: FaultyServer, job: Job) -> list[tuple[CaptionSet, ...]]:
    async def ask() -> list[tuple[CaptionSet, ...]]:
        config = job.engines["server"]
        assert isinstance(config, EndpointEngineConfig)
        # The server may hang up on a connection at rest, which is passing trouble.
        engine = PatientEngine(EndpointEngine(config), 60.0, sleep=lambda _: asyncio.sleep(0))
        annotator = SegmentAnnotator(
            engine, job.captions, job.verification, load_prompts(job.prompt_references()), shipped_bounds()
        )
        found = []
        for index, scenario in enumerate(_ANSWERED):
            server.reply = scenario.reply
            found.append(await annotator.caption(segment_audio(index)))
        await annotator.stop()
        return found

    return asyncio.run(ask())


def test_every_text_becomes_a_verdict_and_a_row(server: FaultyServer, tmp_path: Path) -> None:
    job, layout = _job(server), RunLayout(tmp_path)
    answers = _ask_all(server, job)
    errors = {s.name: one.error for s, found in zip(_ANSWERED, answers, strict=True) for one in found if one.error}
    assert errors == {}
    assert {len(one.candidates) for found in answers for one in found} == {2}
    with UnitWriter(layout, 0, row_group_bytes=1_000_000) as writer:
        for index, found in enumerate(answers):
            writer.add(decide(segment_audio(index), found, job), segment_audio(index))
        writer.commit((segmented(len(answers)),), len(answers), 1.0)
    assert sum(1 for _ in read_rows(layout, "candidates")) == 4 * len(answers)
    fine = {scenario.name: found[0].candidates[0] for scenario, found in zip(_ANSWERED, answers, strict=True)}
    for name in ("null_character", "terminal_escape", "bidirectional", "zero_width", "lone_surrogate", "private_use"):
        assert "leaked_tokens" in fine[name].verdict.reasons, name
    assert "truncation" in fine["huge_text"].verdict.reasons

"""A few seconds of HTTP 502 once failed every Segment that was in flight."""

import asyncio

import numpy as np

from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig
from fcaps_pipeline.records.annotations import Completion, Sampling
from tests.faulty_server import FaultyServer
from tests.unit.annotate.captioning.building import acoustics

_NUM_REQUESTS = 32
_ANSWER = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "A voice."}}]}


def _request(index: int) -> CaptionRequest:
    audio_T = np.full(1_600, index / 100, np.float32)
    return CaptionRequest(f"{index:064d}", f"{index:064d}", audio_T, acoustics(), "Describe.", Sampling(), index)


async def _ask(config: EndpointEngineConfig) -> list[tuple[Completion, ...]]:
    engine = build_engine(config)
    await engine.start()
    try:
        return list(await asyncio.gather(*(engine.complete(_request(index)) for index in range(_NUM_REQUESTS))))
    finally:
        await engine.stop()


def test_every_request_in_flight_outlives_a_short_outage() -> None:
    with FaultyServer().serving() as server:
        server.busy, server.body = [(502, None)] * _NUM_REQUESTS, _ANSWER
        answers = asyncio.run(_ask(EndpointEngineConfig(kind="endpoint", base_url=server.url, model="m")))
        assert [one.text for answer in answers for one in answer] == ["A voice."] * _NUM_REQUESTS
        assert len(server.questions) == 2 * _NUM_REQUESTS

"""An Engine that says what it is told to, a probe likewise, and a caption with claims."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.verification.agent.verifier import AgentVerifier
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject, Verifier
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.jobs.verification import AgentVerifierConfig
from fcaps_pipeline.records.annotations import Claim, Completion, Evidence, FinishReason
from tests.unit.annotate.captioning.building import GOOD_FINE, candidate, segment_audio

IDENTITY = EngineIdentity(engine="scripted", engine_version="1", model="m", model_revision="r")
HIGH = Evidence(tool="f0", tier="analytic", value="240", unit="Hz")
Says = str | tuple[str, FinishReason] | Exception


class ScriptedEngine:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, answers: Sequence[Says], tokens: int = 10) -> None:
        self.requests: list[CaptionRequest] = []
        self._answers = list(answers)
        self._tokens = tokens

    async def start(self) -> EngineIdentity:
        return IDENTITY

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        said = self._answers[min(len(self.requests), len(self._answers)) - 1]
        if isinstance(said, Exception):
            raise said
        text, finish_reason = (said, "stop") if isinstance(said, str) else said
        return (
            Completion(
                text=text,
                finish_reason=finish_reason,
                num_prompt_tokens=100,
                num_output_tokens=self._tokens,
                seed=None,
            ),
        )

    def statistics(self) -> EngineStatistics | None:
        return None

    async def stop(self) -> None: ...


class ScriptedProbe:
    """Finds the same of every claim."""

    def __init__(self, evidence: Evidence) -> None:
        self.asked: list[Subject] = []
        self._evidence = evidence

    async def verify(self, subject: Subject) -> Opinion:
        self.asked.append(subject)
        claims = tuple(one.model_copy(update={"evidence": (self._evidence,)}) for one in subject.candidate.claims or ())
        return Opinion(claims, num_tokens=7)


def claim(attribute: str = "pitch", value: str = "high", **changes: Any) -> Claim:
    return Claim.model_validate({"attribute": attribute, "value": value, "result": "unverifiable", **changes})


def subject(
    *claims: Claim, text: str = GOOD_FINE, tags: tuple[str, ...] = (), transcript: str | None = None
) -> Subject:
    stated = candidate(text).model_copy(update={"claims": claims})
    return Subject(segment_audio(tags=tags, transcript=transcript), stated)


def call(action: str, **arguments: Any) -> str:
    return json.dumps({"thought": "let me see", "step": {"action": action, **arguments}})


def verdict(*claims: tuple[int, str, list[str]], faults: Sequence[tuple[str, str]] = ()) -> str:
    judged = [{"claim": number, "why": "so it is", "evidence": names, "result": one} for number, one, names in claims]
    found = [{"fault": name, "words": words} for name, words in faults]
    return call("verdict", claims=judged, faults=found)


def check(
    about: Subject,
    *answers: Says,
    probe: Verifier | None = None,
    language: str | None = "en",
    tokens: int = 10,
    seen: Callable[[ScriptedEngine], None] = lambda _: None,
    **settings: Any,
) -> Opinion:
    """What an agent that answers so makes of a caption."""
    engine = ScriptedEngine(answers, tokens)
    config = AgentVerifierConfig(kind="agent", engine="judge", prompt="agent_verify.v1", **settings)
    agent = AgentVerifier(engine, IDENTITY, config, load_prompt(config.prompt), probe=probe, language=language)
    opinion = asyncio.run(agent.verify(about))
    seen(engine)
    return opinion

"""The `probe` verifier: an engine that hears is asked yes or no about one claim, on the clip and on silence.

A `Subject` enters, an `Opinion` leaves. The margin between yes and no on silence is what the model says without hearing
anything; only what the clip adds to it counts. The question holds one claim in the words of the lexicon and neither the
caption nor what others found, so that whoever listens again is not led. A claim stays open where the difference is
small, where `cannot tell` is likelier than both, and where the engine tells no log probabilities.

Source: a probe that needs no training, in the agent track of the Interspeech 2026 audio reasoning challenge.
"""

import asyncio
import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fcaps_pipeline.annotate.engines.answers import excerpt
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject
from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.attributes.statements import OTHER, statement
from fcaps_pipeline.errors import EngineRequestError, ModelError, NotAskedError
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.jobs.verification import ProbeVerifierConfig
from fcaps_pipeline.records.annotations import Candidate, Claim, Completion, Evidence, Sampling
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, SegmentAudio
from fcaps_pipeline.records.base import Record

ANSWERS = ("yes", "no", "cannot tell")
_SAMPLING = Sampling(temperature=0, top_p=1, top_k=0, max_tokens=1)
_IMPORTANCE = (
    *("gender", "pauses", "loudness_course", "pitch_course", "rate_course", "voice_quality", "pitch", "rate"),
    *("sound", "volume", "emotion", "age_group", "accent", "timbre"),
)
"""Attributes whose error is plainest to a listener first; those not named and sentences that nobody could read last."""
_REMEMBERED = 4_096
"""Answers that are not asked for again, those about silence above all: some hundred claims at 30 lengths."""


class Asked(Record):
    """One question with its answer."""

    request_key: str
    log_probabilities: tuple[float, ...] | None
    """Of `ANSWERS`, in nats; None where the engine tells none."""


class Probed(Record):
    """One claim with what was answered about it."""

    claim: str
    """As it was worded."""
    clip: Asked
    silence: Asked


class ProbeTrajectory(Record):
    """All that one probe asked about a caption."""

    tool: str
    model: str
    model_revision: str
    prompt: str
    probes: tuple[Probed, ...]


@dataclass(frozen=True)
class _Heard:
    """What one probe brought: why there is no margin, or the answers."""

    probed: Probed | None
    refusal: str = ""
    num_tokens: int = 0


def probe_tool(engine: str) -> str:
    """The name under which the word of a probe stands; `engine` is the key of the job."""
    return f"probe:{engine}"


def is_probe(step: dict[str, Any]) -> bool:
    """Whether a part of a trajectory is of a probe."""
    return str(step.get("tool", "")).startswith(probe_tool(""))


def to_probe(candidate: Candidate, config: ProbeVerifierConfig) -> tuple[int, ...]:
    """Places of the claims that are asked about next, most important first; empty where none is open or wanted."""
    claims = candidate.claims or ()
    tool = probe_tool(config.engine)
    asked = [any(evidence.tool == tool for evidence in claim.evidence) for claim in claims]
    is_open = [
        claim.result == "unverifiable" and not was_asked and not _is_whole(claim, candidate)
        for claim, was_asked in zip(claims, asked, strict=True)
    ]
    places = sorted((place for place, wanted in enumerate(is_open) if wanted), key=lambda place: _rank(claims[place]))
    return tuple(places[: max(0, config.max_probes - sum(asked))])


class ProbeVerifier:
    """One engine that is asked about single claims; see `Verifier`."""

    def __init__(self, engine: Engine, identity: EngineIdentity, config: ProbeVerifierConfig, prompt: Prompt) -> None:
        """Keeps what it is given.

        Args:
            engine: started.
            identity: what it said of itself then.
            config: of the job.
            prompt: the instruction that `config` names, with a place for the claim.
        """
        self._engine = engine
        self._identity = identity
        self._config = config
        self._prompt = prompt
        self._tool = probe_tool(config.engine)
        self._answers: OrderedDict[str, asyncio.Task[Completion]] = OrderedDict()

    async def verify(self, subject: Subject) -> Opinion:
        """Asks about the most important open claims; see `Verifier.verify`.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this caption.
            EngineRetryableError: it could not answer for a passing reason, and patience is over.
            NotAskedError: no earlier run was asked this, and nobody may be asked now.
        """
        claims = list(subject.candidate.claims or ())
        places = to_probe(subject.candidate, self._config)
        heard = await asyncio.gather(*(self._probe(claims[place], subject.segment) for place in places))
        for place, one in zip(places, heard, strict=True):
            claims[place] = self._decided(claims[place], one)
        trajectory = ProbeTrajectory(
            tool=self._tool,
            model=self._identity.model,
            model_revision=self._identity.model_revision,
            prompt=self._prompt.reference,
            probes=tuple(one.probed for one in heard if one.probed is not None),
        )
        return Opinion(
            claims=tuple(claims),
            trajectory=trajectory.model_dump_json() if trajectory.probes else None,
            num_tokens=sum(one.num_tokens for one in heard),
        )

    async def _probe(self, claim: Claim, segment: SegmentAudio) -> _Heard:
        sentence = statement(claim.attribute, claim.value, place_of(claim, segment.segment.num_samples))
        requests = (self._request(sentence, segment), self._request(sentence, _silent(segment)))
        try:
            clip, silence = await asyncio.gather(*map(self._answer, requests))
        except NotAskedError:
            raise
        except EngineRequestError as error:
            return _Heard(None, f"refused: {excerpt(error)}")
        asked = [
            Asked(request_key=request.request_key, log_probabilities=one.log_probabilities)
            for request, one in zip(requests, (clip, silence), strict=True)
        ]
        num_tokens = clip.num_prompt_tokens + clip.num_output_tokens
        return _Heard(Probed(claim=sentence, clip=asked[0], silence=asked[1]), num_tokens=num_tokens)

    async def _answer(self, request: CaptionRequest) -> Completion:
        """The answer; one that was given before, or is on its way, is not asked for again."""
        task = self._answers.get(request.request_key)
        if task is None:
            task = self._answers[request.request_key] = asyncio.create_task(self._complete(request))
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        self._answers.move_to_end(request.request_key)
        try:
            return await asyncio.shield(task)
        except BaseException:
            self._answers.pop(request.request_key, None)
            raise

    async def _complete(self, request: CaptionRequest) -> Completion:
        (completion,) = await self._engine.complete(request)
        return completion

    def _request(self, sentence: str, segment: SegmentAudio) -> CaptionRequest:
        question = self._prompt.about(sentence)
        content: dict[str, Any] = {
            "audio_sha256": segment.samples_sha256,
            "prompt": question,
            "model": self._identity.model,
            "model_revision": self._identity.model_revision,
            "engine_args": self._identity.engine_args,
            "sampling": _SAMPLING.model_dump(),
            "weighed": ANSWERS,
        }
        return CaptionRequest(
            request_key=hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest(),
            audio_sha256=segment.samples_sha256,
            audio_T=segment.float_T(),
            acoustics=segment.acoustics,
            prompt=question,
            sampling=_SAMPLING,
            seed=0,
            weighed=ANSWERS,
        )

    def _decided(self, claim: Claim, heard: _Heard) -> Claim:
        result, value, unit = claim.result, heard.refusal, None
        if heard.probed is not None:
            margin = margin_of(heard.probed)
            if margin is None:
                value = "no log probabilities"
            elif cannot_tell(heard.probed.clip):
                value = "cannot tell"
            else:
                value, unit = f"{margin:+.2f}", "nats"
                if abs(margin) > self._config.min_margin:
                    result = "supported" if margin > 0 else "contradicted"
        evidence = Evidence(tool=self._tool, tier="listening", value=value, unit=unit)
        return claim.model_copy(update={"result": result, "evidence": (*claim.evidence, evidence)})


async def check_log_probabilities(engine: Engine, prompt: Prompt, where: str) -> None:
    """Asks a started engine about a second of silence, as a probe would.

    Args:
        engine: one that answers from earlier runs alone is not asked.
        prompt: of the probe.
        where: names the engine in messages.

    Raises:
        ModelError: it tells no log probabilities, or refuses to be asked for them.
    """
    silence_T = np.zeros(SAMPLE_RATE_HZ, np.float32)
    request = CaptionRequest(
        request_key=hashlib.sha256(f"log probabilities {where}".encode()).hexdigest(),
        audio_sha256=hashlib.sha256(silence_T.tobytes()).hexdigest(),
        audio_T=silence_T,
        acoustics=None,
        prompt=prompt.about(statement("gender", "female")),
        sampling=_SAMPLING,
        seed=0,
        weighed=ANSWERS,
    )
    next_step = "serve it with them, as vLLM does, or probe by another engine"
    try:
        (answer,) = await engine.complete(request)
    except NotAskedError:
        return
    except EngineRequestError as error:
        raise ModelError(f"{where} refuses to tell log probabilities ({excerpt(error)}); {next_step}") from error
    if answer.log_probabilities is None:
        raise ModelError(f"{where} tells no log probabilities of yes and no, by which a probe decides; {next_step}")


def margin_of(probed: Probed) -> float | None:
    """Log odds of yes against no that the clip adds to those on silence, in nats; None where they are not told."""
    clip, silence = probed.clip.log_probabilities, probed.silence.log_probabilities
    if clip is None or silence is None:
        return None
    return (clip[0] - clip[1]) - (silence[0] - silence[1])


def cannot_tell(asked: Asked) -> bool:
    """Whether the engine would rather say that it cannot tell than yes or no."""
    return asked.log_probabilities is not None and asked.log_probabilities[2] > max(asked.log_probabilities[:2])


def place_of(claim: Claim, num_samples: int) -> Place | None:
    """Where in the delivery a claim is said to be so: which third the middle of its interval lies in."""
    if claim.interval is None:
        return None
    middle = (claim.interval.start_samples + claim.interval.end_samples) / 2 / max(1, num_samples)
    places: Sequence[Place] = ("beginning", "middle", "end")
    return places[min(2, int(3 * middle))]


def _is_whole(claim: Claim, candidate: Candidate) -> bool:
    """Whether to ask about it would be to ask about the whole caption."""
    return claim.attribute == OTHER and claim.value.strip() == candidate.text.strip()


def _rank(claim: Claim) -> int:
    if claim.attribute == OTHER:
        return len(_IMPORTANCE) + 1
    return _IMPORTANCE.index(claim.attribute) if claim.attribute in _IMPORTANCE else len(_IMPORTANCE)


def _silent(segment: SegmentAudio) -> SegmentAudio:
    """Silence of about its length: whole seconds, so that few silences are asked about."""
    duration_s = math.ceil(segment.segment.num_samples / SAMPLE_RATE_HZ)
    return SegmentAudio(
        segment.recording, segment.segment, segment.acoustics, np.zeros(duration_s * SAMPLE_RATE_HZ, np.int16)
    )

"""What is asked about one Segment at one granularity, and the keys and seeds that follow from it.

Everything here is a function of content: the same question gets the same key and the same seeds
in every run, on every machine and in every order.
"""

import hashlib
import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.verification.rules import REPETITION, TRUNCATION
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.records.annotations import Completion, Provenance, Sampling
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity, global_caption_schema

_NUM_SEEDS = 2**31 - 2**16
"""Seeds fit int32, with room for those of the further completions."""
_LONGER_ANSWER = 1.5
_MAX_ANSWER_TOKENS = 1024
_PENALTY_STEP = 0.05
_MAX_PENALTY = 1.15
_TEMPERATURE_STEP = 0.1
_MAX_TEMPERATURE = 1.0


@dataclass(frozen=True)
class Question:
    """One granularity of one Segment."""

    granularity: Granularity
    segment: SegmentAudio
    config: CaptionConfig
    prompt: Prompt
    tags: tuple[str, ...]
    """Human tags that the prompt tells the model; empty when it tells none."""
    identity: EngineIdentity
    """Who is asked."""

    def request(self, sampling: Sampling, num_completions: int, attempt: int) -> CaptionRequest:
        """The request of one attempt, counted from 1.

        How many answers are wanted is no part of the key: each has a seed of its own, so the first of many are the same
        as those of a request for few.
        """
        audio_sha256 = self.segment.samples_sha256
        schema = global_caption_schema() if self.granularity is Granularity.GLOBAL else None
        content = {
            "audio_sha256": audio_sha256,
            "prompt_sha256": self.prompt.sha256,
            "prompt": self.prompt.render(self.tags),
            "model": self.identity.model,
            "model_revision": self.identity.model_revision,
            "sampling": sampling.model_dump(),
            "seed": self.config.seed,
            "attempt": attempt,
            "schema": schema,
        }
        if not self.config.seeded:
            content["seeded"] = False
        if self.identity.engine_args is not None:
            content["engine_args"] = self.identity.engine_args
        key = _sha256(content)
        return CaptionRequest(
            request_key=key,
            audio_sha256=audio_sha256,
            audio_T=self.segment.float_T(),
            acoustics=self.segment.acoustics,
            prompt=self.prompt.render(self.tags),
            sampling=sampling,
            seed=int(_sha256([key, "seed"])[:16], 16) % _NUM_SEEDS,
            num_completions=num_completions,
            attempt=attempt,
            json_schema=schema,
            seeded=self.config.seeded,
        )

    def provenance(self, sampling: Sampling, completion: Completion) -> Provenance:
        """Where an answer drawn with this sampling comes from."""
        who = self.identity.model_dump()
        if completion.engine is not None:
            who |= {"engine": completion.engine, "engine_version": completion.engine_version}
        return Provenance(
            **who,
            prompt_name=self.prompt.name,
            prompt_version=self.prompt.version,
            prompt_sha256=self.prompt.sha256,
            sampling=sampling,
        )


def changed_sampling(sampling: Sampling, faults: AbstractSet[str]) -> Sampling:
    """Sampling for another attempt at answers that had these faults.

    An answer that ran in circles until its limit needs no higher limit, so repetition goes before
    truncation. Other faults change nothing but the seed, which changes with every attempt, unless the
    decoding is greedy and would give the same answer again.
    """
    if REPETITION in faults or (sampling.temperature == 0 and TRUNCATION not in faults):
        return _more_varied(sampling)
    if TRUNCATION in faults:
        longer = min(round(sampling.max_tokens * _LONGER_ANSWER), _MAX_ANSWER_TOKENS)
        return sampling.model_copy(update={"max_tokens": max(longer, sampling.max_tokens)})
    return sampling


def _more_varied(sampling: Sampling) -> Sampling:
    penalty = min(sampling.repetition_penalty + _PENALTY_STEP, _MAX_PENALTY)
    temperature = min(sampling.temperature + _TEMPERATURE_STEP, _MAX_TEMPERATURE)
    return sampling.model_copy(
        update={
            "repetition_penalty": round(max(penalty, sampling.repetition_penalty), 6),
            "temperature": round(max(temperature, sampling.temperature), 6),
        }
    )


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

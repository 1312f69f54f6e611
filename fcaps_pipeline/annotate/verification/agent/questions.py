"""One step of an agent as a request: instruction, case and the steps so far in one message.

Enters: a case and what was done. Leaves: a `CaptionRequest` whose key is a hash of all that decides the answer. The
beginning is the same at every step of a caption, so engines that cache prefixes read it once. What a model thought
before it answered is not told to it again.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.verification.agent.case import as_line
from fcaps_pipeline.annotate.verification.agent.steps import step_schema
from fcaps_pipeline.jobs.prompts import Prompt
from fcaps_pipeline.records.annotations import Sampling
from fcaps_pipeline.records.audio import SegmentAudio

_NUM_SEEDS = 2**31 - 2**16


def ask(
    prompt: Prompt,
    shown: str,
    history: Sequence[str],
    *,
    segment: SegmentAudio,
    identity: EngineIdentity,
    sampling: Sampling,
    hears: bool,
    num_left: int,
    has_probe: bool,
) -> CaptionRequest:
    """The request of the next step.

    Args:
        prompt: the instruction.
        shown: the case as it was at the start.
        history: calls, answers and corrections so far, as lines.
        segment: what the caption is about.
        identity: who is asked.
        sampling: as used, with the tokens that are left.
        hears: whether the samples go with it.
        num_left: steps left, this one included; with the last, nothing but the verdict is taken.
        has_probe: whether there is a probe to ask.
    """
    tail = [*history, as_line({"steps_left": num_left})]
    text = "\n".join([prompt.text, "", shown, *tail])
    schema = step_schema(is_last=num_left == 1, has_probe=has_probe)
    content: dict[str, Any] = {
        "audio_sha256": segment.samples_sha256 if hears else None,
        "prompt": text,
        "model": identity.model,
        "model_revision": identity.model_revision,
        "engine_args": identity.engine_args,
        "sampling": sampling.model_dump(),
        "schema": schema,
    }
    key = _sha256(content)
    return CaptionRequest(
        request_key=key,
        audio_sha256=segment.samples_sha256 if hears else "",
        audio_T=segment.float_T() if hears else None,
        acoustics=segment.acoustics,
        prompt=text,
        sampling=sampling,
        seed=int(_sha256([key, "seed"])[:16], 16) % _NUM_SEEDS,
        json_schema=schema,
    )


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

"""The Engine without a model: the cascaded baseline, measured acoustics turned into text by templates.

A request's `Acoustics` enter, Completions leave: prose, or the JSON of a global caption where the
request has that schema. The seed chooses among paraphrases, so one request can have many different
answers. Nothing is listened to, so what no measurement tells (age, timbre, emotion, accent, events)
stays unsaid, and gender is guessed from the pitch: female from a median F0 of 165 Hz on.

Source: the baseline that FCaps is compared with (arXiv 2601.03065), in which ParaSpeechCaps tags
(arXiv 2503.04713) are measured and put into words afterwards; there by a language model, here by rules.
"""

import numpy as np

from fcaps_pipeline.annotate.engines import cascade_wording
from fcaps_pipeline.annotate.engines.cascade_profile import Profile, make_profile
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.request_check import check_request
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import EngineRequestError
from fcaps_pipeline.records.annotations import Completion
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.captions import global_caption_schema

_VERSION = "1"
"""Of the way from acoustics to classes; the templates count by their hash."""


class CascadeEngine:
    """Templates behind the protocol of the models; stateless."""

    async def start(self) -> EngineIdentity:
        """Says who answers; there is nothing to load."""
        return EngineIdentity(
            engine="cascade",
            engine_version=_VERSION,
            model="package:cascade_templates",
            model_revision=f"sha256:{cascade_wording.templates_sha256()}",
        )

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request; see `Engine.complete`. Words count as tokens; templates know no probabilities."""
        check_request(request)
        where = f"request {request.request_key[:12]}"
        if request.audio_T is None or request.acoustics is None:
            raise EngineRequestError(f"{where}: the cascade words what was measured in a sound, and there is none")
        profile = make_profile(request.acoustics, len(request.audio_T) / SAMPLE_RATE_HZ)
        if request.json_schema not in (None, global_caption_schema()):
            raise EngineRequestError(f"{where}: the cascade fills the schema of global captions and no other")
        return tuple(_completion(request, profile, request.seed + index) for index in range(request.num_completions))

    def statistics(self) -> EngineStatistics | None:
        """None: there is nothing to fill."""
        return None

    async def stop(self) -> None:
        """Does nothing: there is nothing to free."""


def _completion(request: CaptionRequest, profile: Profile, seed: int) -> Completion:
    """The paraphrase of a seed; temperature 0 means the same one for all seeds."""
    rng = np.random.default_rng(seed if request.sampling.temperature else 0)
    text = (
        cascade_wording.fine_caption(profile, rng)
        if request.json_schema is None
        else cascade_wording.global_caption(profile, rng).model_dump_json()
    )
    words = text.split(" ")
    kept = words[: request.sampling.max_tokens]
    return Completion(
        text=" ".join(kept),
        finish_reason="stop" if kept == words else "length",
        num_prompt_tokens=0,
        num_output_tokens=len(kept),
        seed=seed,
    )

"""The protocol behind which every engine stands: one prompt in, with a Segment's sound or without, Completions out.

An Engine knows nothing of granularities and rules; `segment_annotator` does. Its errors say what to
do: `EngineRequestError` never ask again, `EngineRetryableError` ask again (`patience` does),
`EngineDeadError` replace the process.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.records.annotations import Completion, Sampling
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.base import Record


class EngineIdentity(Record):
    """Who answers, for the provenance of every caption."""

    engine: str
    engine_version: str
    model: str
    model_revision: str
    """Hub commit, or `sha256:` and a hash over the files of a local folder."""
    engine_args: str | None = None
    """JSON of the arguments of the engine that decide what it answers; None where there are none but its own."""


@dataclass(frozen=True)
class CaptionRequest:
    """One question, about the sound of one Segment or about nothing but its own text."""

    request_key: str
    """Content hash of the whole question; engines may use it as request id."""
    audio_sha256: str
    """Content hash of the samples, so that engines may reuse the encoded audio; empty where there are none."""
    audio_T: npt.NDArray[np.float32] | None
    """Mono samples at 16 kHz in [-1, 1); None asks about the prompt alone."""
    acoustics: Acoustics | None
    """What was measured in the Segment; models listen for themselves and leave it aside. None where nothing was."""
    prompt: str
    """The instruction; the engine puts it after the audio in one user message."""
    sampling: Sampling
    seed: int
    """Seed of the first Completion; the others use the following integers."""
    num_completions: int = 1
    json_schema: dict[str, Any] | None = None
    """Grammar of the answer; None for free text."""
    seeded: bool = True
    """Whether a model is told the seeds; the baseline always draws by them."""

    attempt: int = 1
    """How often the Segment is asked at this granularity, this time included."""
    weighed: tuple[str, ...] = ()
    """Answers whose log probabilities are wanted beside the text, such as `yes` and `no`; their first tokens differ."""

    def seed_of(self, index: int) -> int | None:
        """Seed of one of the Completions, None where a model draws without."""
        return self.seed + index if self.seeded else None


class Engine(Protocol):
    """Whatever captions: an audio LLM, or the baseline without one."""

    async def start(self) -> EngineIdentity:
        """Loads the model or reaches the server.

        Raises:
            ModelError: the model is missing or cannot be served.
            EngineDeadError: the engine does not come up.
        """
        ...

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request with exactly `num_completions` Completions, in seed order.

        Raises:
            EngineRequestError: this request is refused for good.
            EngineRetryableError: this request failed for a passing reason.
            EngineDeadError: no request will ever be answered again.
        """
        ...

    def statistics(self) -> EngineStatistics | None:
        """Its load; None where it does not count it."""
        ...

    async def stop(self) -> None:
        """Frees the model; safe to call twice and before `start`."""
        ...

"""From an answer to a row: Completion, Verdict, Candidate, CaptionSet, Annotation, Rejection, Failure.

Every planned Segment ends as exactly one of Annotation, Rejection and Failure.
"""

from typing import Annotated, Literal

from pydantic import Field

from fcaps_pipeline.records.audio import Acoustics, Recording, Segment
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import GlobalCaption, Granularity

FinishReason = Literal["stop", "length", "repetition"]


class Sampling(Record):
    """How tokens are drawn. Part of the provenance of every caption."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.6
    """0 means greedy decoding."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Share of probability that nucleus sampling keeps."""
    top_k: Annotated[int, Field(ge=0)] = 20
    """Number of tokens to draw from; 0 means all."""
    max_tokens: Annotated[int, Field(gt=0)] = 512
    """Output tokens after which an answer counts as truncated."""
    repetition_penalty: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    """1 means none."""


class Completion(Record):
    """Raw output of an engine."""

    text: str
    finish_reason: FinishReason
    num_prompt_tokens: int
    num_output_tokens: int
    seed: int


class Verdict(Record):
    """Whether a Candidate is kept, with every reason against it by rule name."""

    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    """For each reason, what in the text gave rise to it."""

    @property
    def kept(self) -> bool:
        """True when nothing speaks against the Candidate."""
        return not self.reasons


class Provenance(Record):
    """Everything needed to ask the same question again."""

    engine: str
    engine_version: str
    model: str
    model_revision: str
    prompt_name: str
    prompt_version: int
    prompt_sha256: str
    sampling: Sampling
    """As used, after the changes of a retry."""


class Candidate(Record):
    """One Completion after parsing, with its Verdict."""

    granularity: Granularity
    text: str
    """The caption; for a global answer that could not be parsed, the raw answer."""
    attributes: GlobalCaption | None = None
    """The whole answer of a global caption; None for fine captions and answers that could not be parsed."""
    completion: Completion
    attempt: Annotated[int, Field(ge=1)]
    request_key: str
    """sha256 over audio samples, prompt, model, revision, sampling, seed, attempt and the JSON Schema of the answer."""
    provenance: Provenance
    verdict: Verdict


class CaptionSet(Record):
    """All that was asked about one Segment at one granularity."""

    granularity: Granularity
    candidates: tuple[Candidate, ...]
    attempts: int
    reject_segment: str | None = None
    """Name of a rule that condemns the Segment itself, such as more than one speaker."""
    error: str | None = None
    """Why the engine could not be asked; None when it answered."""

    @property
    def kept(self) -> tuple[Candidate, ...]:
        """Candidates that passed, best first."""
        return tuple(candidate for candidate in self.candidates if candidate.verdict.kept)


class Annotation(Record):
    """A Segment with at least one kept caption at every granularity of the job: one row of a Shard."""

    recording: Recording
    segment: Segment
    acoustics: Acoustics
    caption_sets: tuple[CaptionSet, ...]


class Rejection(Record):
    """The model answered and nothing acceptable was left."""

    recording: Recording
    segment: Segment
    acoustics: Acoustics
    reason: str
    """Granularity and rule names, most frequent first."""
    caption_sets: tuple[CaptionSet, ...]


class Failure(Record):
    """We could not ask: the Recording could not be read, or the engine could not answer."""

    recording: Recording
    segment: Segment | None
    """None when the whole Recording failed."""
    stage: Literal["decode", "segment", "caption"]
    error: str
    """Class of the error."""
    message: str
    attempts: int = 1
    caption_sets: tuple[CaptionSet, ...] = ()
    """What was answered before, or about other granularities."""


SegmentOutcome = Annotation | Rejection | Failure


class WorkUnit(Record):
    """The Recordings whose Segments become one Shard: unit of commit, resume and retry."""

    unit_index: Annotated[int, Field(ge=0)]
    recordings: tuple[Recording, ...]

    @property
    def duration_s(self) -> float:
        """Length of the audio as far as headers tell."""
        return sum(recording.duration_s or 0.0 for recording in self.recordings)

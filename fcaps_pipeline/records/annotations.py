"""From an answer to a row: Completion, Verdict, Claim, Candidate, CaptionSet, Annotation, Rejection, Failure.

Every planned Segment ends as exactly one of Annotation, Rejection and Failure.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from fcaps_pipeline.records.audio import Acoustics, Event, Recording, Segment
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import GlobalCaption, Granularity, Profile

MAX_ANSWER_CHARACTERS = 16_384
"""Far beyond any caption, and little enough for any rule to read."""

TokenCount = Annotated[int, Field(ge=0, le=2**31 - 1)]

FinishReason = Literal["stop", "length", "repetition"]

SELECTION_REASONS = frozenset({"duplicate", "surplus"})
"""Why a Candidate with nothing against it is not kept: others were."""


_ID_DIGITS = 24


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
    """Raw output of an engine, such as every table can store: engines make it by `make_completion`."""

    text: Annotated[str, StringConstraints(max_length=MAX_ANSWER_CHARACTERS)]
    finish_reason: FinishReason
    num_prompt_tokens: TokenCount
    num_output_tokens: TokenCount
    seed: int | None
    """None where the engine was told none."""
    engine: str | None = None
    """Kind of the engine that answered in an earlier run; None for the engine at hand."""
    engine_version: str | None = None
    """Its version."""
    log_probabilities: tuple[float, ...] | None = None
    """Of each answer that the request weighed, in nats, at the first token. None where nothing was weighed, or where
    the engine tells none."""


class EvidenceScore(Record):
    """How far one statement of a caption lies from what was measured, so that a bound can be moved later."""

    attribute: str
    value: str
    """As the caption states it."""
    measure: str
    """Name of the measurement it was held against."""
    measured: float
    score: float
    """1 where the measurement is usual for the statement, 0 at the bound, negative beyond it: then it is false."""


class Verdict(Record):
    """Whether a Candidate is kept, with every reason against it by rule name."""

    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    """For each reason, what in the text gave rise to it."""
    scores: tuple[EvidenceScore, ...] = ()
    """Of each statement that a measurement bears on."""

    @property
    def kept(self) -> bool:
        """True when nothing speaks against the Candidate."""
        return not self.reasons

    @property
    def passed(self) -> bool:
        """True when nothing speaks against the Candidate, whether or not others were preferred to it."""
        return SELECTION_REASONS.issuperset(self.reasons)


class TextSpan(Record):
    """Characters of a caption: start included, end excluded."""

    start: int
    end: int


class SampleSpan(Record):
    """Samples of a Segment at 16 kHz: start included, end excluded."""

    start_samples: int
    end_samples: int


class Evidence(Record):
    """One measurement or answer that bears on a Claim."""

    tool: str
    tier: Literal["analytic", "probabilistic", "heuristic", "listening"]
    value: str
    """What was measured or answered; where that was impossible, why."""
    unit: str | None = None
    expected: str | None = None
    """What would have been measured were the claim, or another value in its place, true: `low: at most 128.1`."""
    interval: SampleSpan | None = None
    """What was measured; None for the whole Segment."""
    confidence: float | None = None


class Claim(Record):
    """One thing that a caption states of the voice."""

    attribute: str
    value: str
    span: TextSpan | None = None
    interval: SampleSpan | None = None
    """When it is said to be so; None for the whole Segment."""
    result: Literal["supported", "contradicted", "unverifiable"]
    evidence: tuple[Evidence, ...] = ()


class Provenance(Record):
    """Everything needed to ask the same question again."""

    engine: str
    engine_version: str
    model: str
    model_revision: str
    engine_args: str | None = None
    """JSON of the arguments of the engine that decide what it answers, such as its quantization; None where none were
    given."""
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
    completion_index: Annotated[int, Field(ge=0)]
    """Place of the Completion among those of its request."""
    provenance: Provenance
    verdict: Verdict
    claims: tuple[Claim, ...] | None = None
    """None where the caption was not taken apart."""
    repairs: tuple[str, ...] = ()
    """Sentences that were deleted from the answer, each with what spoke against it."""
    trajectory: str | None = None
    """Steps of a verifier as JSON; None where none was asked."""

    @property
    def candidate_id(self) -> str:
        """Follows from what was asked: the same answer to the same question has one id in every run."""
        return f"{self.request_key[:_ID_DIGITS]}-{self.completion_index}"


class CaptionSet(Record):
    """All that was asked about one Segment at one granularity."""

    granularity: Granularity
    candidates: tuple[Candidate, ...]
    attempts: int
    error: str | None = None
    """Why the engine could not be asked; None when it answered."""
    is_unasked: bool = False
    """Whether it could have said more, but nobody was to be asked."""
    unverified: str | None = None
    """Why a verifier could not be asked about its captions, of which nothing is known then; None where none failed."""

    @property
    def kept(self) -> tuple[Candidate, ...]:
        """Candidates that passed, best first."""
        return tuple(candidate for candidate in self.candidates if candidate.verdict.kept)


class Missing(Record):
    """A field of a row that was asked for and stayed empty."""

    field: str
    reason: str


class Annotation(Record):
    """A Segment with the captions that were kept: one row of a Shard."""

    recording: Recording
    segment: Segment
    acoustics: Acoustics
    caption_sets: tuple[CaptionSet, ...]
    profile: Profile = Profile()
    missing: tuple[Missing, ...] = ()
    events: tuple[Event, ...] | None = None
    """None where nobody looked for any."""


class Rejection(Record):
    """The model answered and nothing acceptable was left."""

    recording: Recording
    segment: Segment
    acoustics: Acoustics
    reason: str
    """Granularity and rule names, most frequent first."""
    caption_sets: tuple[CaptionSet, ...]


class Failure(Record):
    """We could not ask: the Recording could not be read, or an engine could not answer."""

    recording: Recording
    segment: Segment | None
    """None when the whole Recording failed."""
    acoustics: Acoustics | None = None
    """None when the whole Recording failed."""
    stage: Literal["decode", "segment", "caption", "verify"]
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

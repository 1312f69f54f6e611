"""Section `verification` of an annotation job: the rules, and the verifiers that check what a caption claims.

Each kind of verifier is a section of its own; they are told apart by `kind`.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from fcaps_pipeline.jobs.job_file import Section
from fcaps_pipeline.records.annotations import Sampling

Remedy = Literal["delete", "ask_again", "drop"]


class EvidenceVerifierConfig(Section):
    """Code alone holds each claim against what was measured and what the source tells."""

    kind: Literal["evidence"] = "evidence"


class EngineVerifierConfig(Section):
    """What verifiers that ask an engine have in common."""

    engine: str
    """Key of the section `engines`; best another model than the captioner."""
    prompt: str
    """Name and version of a shipped prompt, or the path of a text file of yours called NAME.vN.txt."""


class ProbeVerifierConfig(EngineVerifierConfig):
    """An engine that hears is asked yes or no about single claims that are still open, on the clip and on silence."""

    kind: Literal["probe"]
    max_probes: Annotated[int, Field(gt=0, le=20)] = 2
    """Claims of one caption that are asked about, at most."""
    min_margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Difference of the log odds of yes and no between clip and silence, in nats, from which a claim counts as true or
    false. A first guess, not calibrated."""


class AgentVerifierConfig(EngineVerifierConfig):
    """An LLM checks each open claim step by step, with tools, and goes through the checklist of FCaps."""

    kind: Literal["agent"]
    hears: bool = False
    """Whether it is given the sound of the Segment. What a model says that does not hear counts only with evidence."""
    max_steps: Annotated[int, Field(gt=0, le=12)] = 6
    """Answers of the model for one caption, calls of tools and the verdict together."""
    max_tokens: Annotated[int, Field(ge=64)] = 4096
    """Tokens of all its answers for one caption, thinking included."""
    sampling: Sampling = Sampling(max_tokens=2048)
    """How the tokens of one step are drawn; by default as the makers of Qwen3 advise for thinking models."""


VerifierConfig = Annotated[
    EvidenceVerifierConfig | ProbeVerifierConfig | AgentVerifierConfig, Field(discriminator="kind")
]
"""Any verifier; `kind` tells them apart."""


class VerificationConfig(Section):
    """How candidates are judged: bounds of the rules, and what is asked of every claim of a caption."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = "en"
    """Language of the captions, whatever is spoken, as ISO 639 names it; others are dropped. None takes any language
    and, like every language but `en`, leaves out the rules that know English words."""

    fine_min_characters: Annotated[int, Field(gt=0)] = 128
    """Shorter fine captions are dropped. Source: the rule filter released with FCaps."""
    fine_max_characters: Annotated[int, Field(gt=0)] = 768
    """Longer fine captions are dropped. Source: as above."""
    global_min_characters: Annotated[int, Field(gt=0)] = 32
    """Shorter global captions are dropped."""
    global_max_characters: Annotated[int, Field(gt=0)] = 512
    """Longer global captions are dropped."""
    max_similarity: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of common words (Jaccard) from which two captions count as the same."""
    max_attempts: Annotated[int, Field(gt=0, le=3)] = 3
    """Requests per Segment and granularity while too few candidates pass, whatever rule dropped the others."""

    max_clipped_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of clipped samples above which a Segment is rejected unasked. Speech driven 6 dB into the limit has .002
    to .027, 9 dB .01 to .09; whole speech has none."""
    multi_speaker: Literal["drop", "keep"] = "drop"
    """What becomes of Segments marked `multi_speaker`, where two are heard at once for more than a tenth of the speech,
    or others than the first for more than 0.5 s: rejected unasked, or captioned like others, with the warning."""

    verifiers: tuple[VerifierConfig, ...] = (EvidenceVerifierConfig(),)
    """Who checks the claims of a caption, in this order. Without any, claims are read and none is checked."""
    contradicted: tuple[Remedy, ...] = get_args(Remedy)
    """What is tried with a caption that says something false, in this order: `delete` the sentence and judge the rest
    again, `ask_again` for another caption, `drop` it. Without `drop`, what nothing helped stays and says so."""
    unverifiable: Literal["keep", "drop"] = "keep"
    """Whether a caption stays of which a claim could not be checked; its claims say so."""
    bounds: str | None = None
    """Path of bounds of your own for the evidence, as `fcaps bench rules --calibrate` writes them; None for those that
    ship with the package."""

    @field_validator("contradicted")
    @classmethod
    def _check_remedies(cls, remedies: tuple[Remedy, ...]) -> tuple[Remedy, ...]:
        if len(set(remedies)) < len(remedies):
            raise ValueError("each remedy stands once")
        if "drop" in remedies[:-1]:
            raise ValueError("drop stands last: nothing is left to be done after it")
        return remedies

    @field_validator("verifiers")
    @classmethod
    def _check_verifiers(cls, verifiers: tuple[VerifierConfig, ...]) -> tuple[VerifierConfig, ...]:
        if twice := [one.kind for index, one in enumerate(verifiers) if one in verifiers[:index]]:
            raise ValueError(f"the same verifier of kind {twice[0]} stands twice")
        return verifiers

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        for name, low, high in (
            ("fine", self.fine_min_characters, self.fine_max_characters),
            ("global", self.global_min_characters, self.global_max_characters),
        ):
            if low > high:
                raise ValueError(f"{name}_min_characters {low} must not exceed {name}_max_characters {high}")
        return self

"""The rules that judge a candidate caption, each with a name, in one registry.

An `Answer` enters, a `Verdict` with every reason leaves. Nothing is repaired. Which caption of
several good ones is kept is decided in `selection`; whether to ask again, in `segment_annotator`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fcaps_pipeline.annotate.verification import wording
from fcaps_pipeline.annotate.verification.evidence import find_contradiction, find_self_contradiction
from fcaps_pipeline.annotate.verification.parsing import ParsedAnswer
from fcaps_pipeline.jobs.annotate_job import VerificationConfig
from fcaps_pipeline.records.annotations import Completion, Verdict
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.captions import Granularity

TRUNCATION = "truncation"
REPETITION = "repetition"
INVALID_JSON = "invalid_json"
RETRIED_RULES = frozenset({TRUNCATION, REPETITION, INVALID_JSON})
"""Faults of one draw, which another draw may not have."""

_TRANSCRIPT_NGRAM_WORDS = 4
_TAG_STEM_CHARACTERS = 5
_GLUE_WORDS = ("a", "an", "and", "in", "of", "or", "the")
_CATEGORY_WORDS = ("tone", "voice", "speed", "pitch", "style", "accent", "speech", "speaker")
_EMPTY_TAG_WORDS = frozenset((*_GLUE_WORDS, *_CATEGORY_WORDS))
"""Words that do not make out what a tag says."""


@dataclass(frozen=True)
class Answer:
    """All that a rule may look at."""

    granularity: Granularity
    parsed: ParsedAnswer
    completion: Completion
    bounds: VerificationConfig
    acoustics: Acoustics
    transcript: str | None = None
    """Words spoken in the Segment, where the source says so."""
    tags: tuple[str, ...] = ()
    """Human tags that the prompt told the model; empty when it told none."""

    @property
    def text(self) -> str:
        """The caption."""
        return self.parsed.text


@dataclass(frozen=True)
class Rule:
    """One reason to drop a candidate."""

    name: str
    check: Callable[[Answer], str | None]
    """Gives what in the answer is at fault, or None."""
    granularities: frozenset[Granularity] = frozenset(Granularity)
    reads_caption: bool = True
    """Whether it needs a caption; False for rules on the raw answer."""
    condemns_segment: bool = False
    """Whether one hit condemns the Segment, not only the candidate."""


def judge(answer: Answer) -> Verdict:
    """Applies every rule that concerns the answer.

    A global answer that could not be parsed has no caption; only rules on the raw answer apply.
    """
    has_caption = answer.parsed.fault is None
    findings = [
        (rule.name, detail)
        for rule in RULES
        if answer.granularity in rule.granularities and (has_caption or not rule.reads_caption)
        if (detail := rule.check(answer)) is not None
    ]
    return Verdict(reasons=tuple(name for name, _ in findings), details=tuple(detail for _, detail in findings))


def condemning_rule(verdict: Verdict) -> str | None:
    """Name of the rule in a verdict that condemns the whole Segment."""
    return next((name for name in verdict.reasons if name in _CONDEMNING), None)


def _truncation(answer: Answer) -> str | None:
    if answer.completion.finish_reason != "length":
        return None
    return f"stopped at the limit of {answer.completion.num_output_tokens} tokens"


def _repetition(answer: Answer) -> str | None:
    if answer.completion.finish_reason == "repetition":
        return "stopped by the engine in a loop"
    return wording.find_repetition(answer.text)


def _invalid_json(answer: Answer) -> str | None:
    """What follows from truncation or a loop is not counted again."""
    return answer.parsed.fault if answer.completion.finish_reason == "stop" else None


def _length(answer: Answer) -> str | None:
    bounds = answer.bounds
    low, high = (
        (bounds.fine_min_characters, bounds.fine_max_characters)
        if answer.granularity is Granularity.FINE
        else (bounds.global_min_characters, bounds.global_max_characters)
    )
    found = len(answer.text)
    return None if low <= found <= high else f"{found} characters, expected {low} to {high}"


def _newline(answer: Answer) -> str | None:
    return "line break" if len(answer.text.splitlines()) > 1 else None


def _transcript_content(answer: Answer) -> str | None:
    if answer.transcript and (
        shared := wording.find_shared_ngram(answer.text, answer.transcript, length=_TRANSCRIPT_NGRAM_WORDS)
    ):
        return f"in the transcript: {shared}"
    return wording.find_reported_content(answer.text)


def _tags_not_honoured(answer: Answer) -> str | None:
    stems = {word[:_TAG_STEM_CHARACTERS] for word in wording.split_words(answer.text)}
    missing = [tag for tag in answer.tags if not _tag_stems(tag) <= stems]
    return ", ".join(missing) or None


def _tag_stems(tag: str) -> set[str]:
    words = wording.split_words(tag.split(": ")[-1].replace("_", " "))
    return {word[:_TAG_STEM_CHARACTERS] for word in words if word not in _EMPTY_TAG_WORDS}


def _on_text(find: Callable[[str], str | None]) -> Callable[[Answer], str | None]:
    return lambda answer: find(answer.text)


RULES: tuple[Rule, ...] = (
    Rule(TRUNCATION, _truncation, reads_caption=False),
    Rule(REPETITION, _repetition, reads_caption=False),
    Rule(INVALID_JSON, _invalid_json, granularities=frozenset({Granularity.GLOBAL}), reads_caption=False),
    Rule("leaked_tokens", _on_text(wording.find_leaked_token)),
    Rule("no_speech", _on_text(wording.find_no_speech)),
    Rule("multiple_speakers", _on_text(wording.find_multiple_speakers), condemns_segment=True),
    Rule("length", _length),
    Rule("newline", _newline),
    Rule("meta_phrase", _on_text(wording.find_meta_phrase)),
    Rule("quoted_content", _on_text(wording.find_quotation)),
    Rule("transcript_content", _transcript_content),
    Rule("background_or_quality", _on_text(wording.find_background)),
    Rule("absence", _on_text(wording.find_absence)),
    Rule("tags_not_honoured", _tags_not_honoured),
    Rule(
        "contradicts_evidence",
        lambda answer: find_contradiction(answer.text, answer.parsed.attributes, answer.acoustics),
    ),
    Rule("contradicts_itself", lambda answer: find_self_contradiction(answer.text, answer.parsed.attributes)),
)
"""In the order in which reasons are listed."""

_CONDEMNING = frozenset(rule.name for rule in RULES if rule.condemns_segment)

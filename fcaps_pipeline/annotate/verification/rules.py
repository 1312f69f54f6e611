"""The rules that judge a candidate caption, each with a name, in one registry.

An `Answer` enters, a `Verdict` with every reason leaves. Nothing is repaired. Whether what it claims is true is asked
in `evidence`, which caption of several good ones is kept in `selection`, whether to ask again in `segment_annotator`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from fcaps_pipeline.annotate.verification import wording
from fcaps_pipeline.annotate.verification.background import find_background
from fcaps_pipeline.annotate.verification.claims import READ_CHARACTERS
from fcaps_pipeline.annotate.verification.language import find_other_language
from fcaps_pipeline.annotate.verification.parsing import ParsedAnswer
from fcaps_pipeline.annotate.verification.self_contradiction import find_self_contradiction
from fcaps_pipeline.attributes.reading import Reading, read_caption
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, Completion, Verdict
from fcaps_pipeline.records.captions import Granularity

ENGLISH = "en"
TRUNCATION = "truncation"
REPETITION = "repetition"
INVALID_JSON = "invalid_json"
_CONDEMNING_CANDIDATES = 2
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
    transcript: str | None = None
    """Words spoken in the Segment, where the source says so."""
    tags: tuple[str, ...] = ()
    """Human tags that the prompt told the model; empty when it told none."""

    @property
    def text(self) -> str:
        """The caption."""
        return self.parsed.text

    @property
    def has_caption(self) -> bool:
        """Whether the answer could be parsed."""
        return self.parsed.fault is None

    @cached_property
    def reading(self) -> Reading:
        """What the caption says, as far as it is read."""
        return read_caption(self.text[:READ_CHARACTERS])


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
    """Whether hits condemn the Segment, not only the candidate; see `condemned_by`."""
    language: str | None = ENGLISH
    """Of the captions whose words it knows; None for rules that read no words."""


def judge(answer: Answer) -> Verdict:
    """Applies every rule that concerns the answer and knows its language.

    A global answer that could not be parsed has no caption; only rules on the raw answer apply.
    """
    language = answer.bounds.language
    findings = [
        (rule.name, detail)
        for rule in RULES
        if answer.granularity in rule.granularities and (answer.has_caption or not rule.reads_caption)
        if rule.language in {None, language} and (detail := rule.check(answer)) is not None
    ]
    return Verdict(
        reasons=tuple(name for name, _ in findings),
        details=tuple(detail for _, detail in findings),
    )


def condemned_by(candidates: Sequence[Candidate]) -> str | None:
    """The rule that condemns the Segment of these candidates; None where nothing does.

    It takes two candidates that say so, or most of them: one may have misheard.
    """
    hits = [name for one in candidates for name in one.verdict.reasons if name in _CONDEMNING]
    return hits[0] if len(hits) >= _CONDEMNING_CANDIDATES or 2 * len(hits) > len(candidates) else None


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


def _other_language(answer: Answer) -> str | None:
    return find_other_language(answer.text, answer.bounds.language) if answer.bounds.language else None


def _transcript_words(answer: Answer) -> str | None:
    if not answer.transcript:
        return None
    shared = wording.find_shared_ngram(answer.text, answer.transcript, length=_TRANSCRIPT_NGRAM_WORDS)
    return f"in the transcript: {shared}" if shared else None


def missing_tags(text: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags that an English caption has no words of."""
    stems = {word[:_TAG_STEM_CHARACTERS] for word in wording.split_words(text)}
    return tuple(tag for tag in tags if not _tag_stems(tag) <= stems)


def _tags_not_honoured(answer: Answer) -> str | None:
    return ", ".join(missing_tags(answer.text, answer.tags)) or None


def _tag_stems(tag: str) -> set[str]:
    words = wording.split_words(tag.split(": ")[-1].replace("_", " "))
    return {word[:_TAG_STEM_CHARACTERS] for word in words if word not in _EMPTY_TAG_WORDS}


def _on_text(find: Callable[[str], str | None]) -> Callable[[Answer], str | None]:
    return lambda answer: find(answer.text)


RULES: tuple[Rule, ...] = (
    Rule(TRUNCATION, _truncation, reads_caption=False, language=None),
    Rule(REPETITION, _repetition, reads_caption=False, language=None),
    Rule(INVALID_JSON, _invalid_json, frozenset({Granularity.GLOBAL}), reads_caption=False, language=None),
    Rule("leaked_tokens", _on_text(wording.find_leaked_token), language=None),
    Rule("other_language", _other_language, language=None),
    Rule("no_speech", _on_text(wording.find_no_speech)),
    Rule("multiple_speakers", _on_text(wording.find_multiple_speakers), condemns_segment=True),
    Rule("length", _length, language=None),
    Rule("newline", _newline, language=None),
    Rule("meta_phrase", _on_text(wording.find_meta_phrase)),
    Rule("quoted_content", _on_text(wording.find_quotation)),
    Rule("transcript_words", _transcript_words, language=None),
    Rule("reported_content", _on_text(wording.find_reported_content)),
    Rule("background_or_quality", _on_text(find_background)),
    Rule("absence", _on_text(wording.find_absence)),
    Rule("tool_values", _on_text(wording.find_tool_value)),
    Rule("tags_not_honoured", _tags_not_honoured),
    Rule("contradicts_itself", lambda answer: find_self_contradiction(answer.reading, answer.parsed.attributes)),
)
"""In the order in which reasons are listed."""

_CONDEMNING = frozenset(rule.name for rule in RULES if rule.condemns_segment)

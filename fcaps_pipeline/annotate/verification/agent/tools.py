"""The tools of an agent: each call gives structured evidence, or one line why there is none.

Enters: a `Call`. Leaves: `Answer`. A stretch is measured from its own samples, so that evidence tells of what it
measured and of nothing else; what cannot be measured there is said, not guessed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from fcaps_pipeline.annotate.verification.agent.case import Case, Found
from fcaps_pipeline.annotate.verification.agent.search import PatternError, search
from fcaps_pipeline.annotate.verification.agent.steps import Attribute, Call, Measure, Probe, Search, Tags
from fcaps_pipeline.annotate.verification.facts import Facts, transcript_of
from fcaps_pipeline.annotate.verification.measured import why_unmeasured
from fcaps_pipeline.annotate.verification.rules import missing_tags
from fcaps_pipeline.annotate.verification.tools import as_evidence, attribute_of, meets
from fcaps_pipeline.annotate.verification.verifier import Subject, Verifier
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan
from fcaps_pipeline.records.audio import SegmentAudio, seconds_to_samples

Tier = Literal["analytic", "heuristic"]
MAX_PROBES = 2
"""Of one caption, those before the agent among them."""
_PROBE = "probe:"
_MAX_TAGS = 16
_MAX_EVENTS = 4
_MEASURES: Mapping[Attribute, Mapping[str, str | None]] = {
    "gender": {"f0_median_hz": "Hz"},
    "pitch": {"f0_median_hz": "Hz", "f0_p5_hz": "Hz", "f0_p95_hz": "Hz"},
    "pitch_course": {"f0_change_semitones": "semitones"},
    "rate": {"tempo_hz": "Hz"},
    "rate_course": {"rate_change_ratio": "second half over first"},
    "loudness_course": {"level_change_db": "dB, last third against first"},
    "pauses": {"num_pauses": None, "pause_longest_s": "s"},
    "voice_quality": {"voiced_share": "share of frames"},
}
"""Fields of `Acoustics` and of `PartMeasures` that bear on an attribute, with their units; changes are measured over
the whole alone."""


@dataclass(frozen=True)
class Answer:
    """What a tool gives."""

    found: tuple[Found, ...] = ()
    note: str | None = None
    """Why there is nothing, or no more; None where there is nothing to say."""
    num_tokens: int = 0
    """Of an engine that was asked."""


async def use(call: Call, case: Case, probe: Verifier | None, language: str | None) -> Answer:
    """What a tool answers.

    Args:
        call: what the agent wants to know.
        case: what it is about.
        probe: asks a model that hears; None where the job has none.
        language: of the captions; whether tags are honoured is known of English ones.

    Raises:
        EngineDeadError: the engine of the probe is gone.
        EngineRetryableError: it could not answer for a passing reason.
    """
    subject = case.subject
    match call:
        case Measure():
            return _measure(call, subject.segment)
        case Search():
            return _search(call, subject)
        case Tags():
            return _tags(subject, language)
        case Probe():
            return await _probe(call.claim, case, probe)


def _measure(call: Measure, segment: SegmentAudio) -> Answer:
    facts = Facts.of(segment)
    if call.attribute != "voice_quality" and (fault := why_unmeasured(call.attribute, facts.acoustics)) is not None:
        return Answer(note=fault)
    start, end = seconds_to_samples(call.from_s), min(seconds_to_samples(call.to_s), facts.num_samples)
    if end <= start:
        return Answer(note=f"nothing is from {call.from_s} to {call.to_s} s of {segment.segment.duration_s:.1f} s")
    is_whole = start == 0 and end == facts.num_samples
    span = None if is_whole else SampleSpan(start_samples=start, end_samples=end)
    measures = facts.acoustics if span is None else facts.part(span)
    found = (*_values(call.attribute, measures, span), *_events(call.attribute, facts, span))
    return Answer(found, None if found else f"{call.attribute} cannot be measured there")


def _values(attribute: Attribute, measures: object | None, span: SampleSpan | None) -> Iterator[Found]:
    for name, unit in _MEASURES[attribute].items():
        value = getattr(measures, name, None)
        if value is not None:
            tier: Tier = "heuristic" if attribute == "voice_quality" else "analytic"
            yield Found(Evidence(tool=name, tier=tier, value=f"{value:.4g}", unit=unit, interval=span), attribute)


def _events(attribute: Attribute, facts: Facts, span: SampleSpan | None) -> Iterator[Found]:
    placed = (one for one in facts.events if attribute_of(one.phrase) == attribute and meets(one, span))
    return (Found(as_evidence(one), attribute) for one in islice(placed, _MAX_EVENTS))


def _search(call: Search, subject: Subject) -> Answer:
    text = subject.candidate.text if call.where == "caption" else transcript_of(subject.segment)
    if text is None:
        return Answer(note="there is no transcript")
    try:
        hits = search(call.pattern, text)
    except PatternError as error:
        return Answer(note=f"no pattern: {error}")
    value = " | ".join(hits) or "no match"
    return Answer((Found(Evidence(tool=f"search_{call.where}", tier="analytic", value=value)),))


def _tags(subject: Subject, language: str | None) -> Answer:
    tags = subject.segment.recording.tags[:_MAX_TAGS]
    missing = set(missing_tags(subject.candidate.text, tags))
    found = tuple(
        Found(
            Evidence(
                tool="tags",
                tier="probabilistic",
                value=f"{tag}: {'not in' if tag in missing else 'in'} the caption" if language == "en" else tag,
            )
        )
        for tag in tags
    )
    return Answer(found, None if found else "there are no tags")


async def _probe(number: int, case: Case, probe: Verifier | None) -> Answer:
    claim = case.claim(number)
    if claim is None:
        return Answer(note=f"there is no claim {number}")
    assert probe is not None
    if _num_probed(case) >= MAX_PROBES:
        return Answer(note=f"{MAX_PROBES} probes of this caption are spent")
    opinion = await probe.verify(_about(claim, case.subject))
    found = tuple(Found(one, claim.attribute, number) for judged in opinion.claims for one in judged.evidence)
    return Answer(found, None if found else "the probe knows nothing", opinion.num_tokens)


def _num_probed(case: Case) -> int:
    before = (one for claim in case.subject.candidate.claims or () for one in claim.evidence)
    since = (one.evidence for one in case.exhibits if one.is_new)
    return sum(one.tool.startswith(_PROBE) for one in (*before, *since))


def _about(claim: Claim, subject: Subject) -> Subject:
    """The caption as though it said one thing alone, of which nothing is known."""
    asked = claim.model_copy(update={"result": "unverifiable", "evidence": ()})
    return Subject(subject.segment, subject.candidate.model_copy(update={"claims": (asked,)}), subject.others)

"""Measures what a captioner answers when it is asked whether claims are true.

Enters: its margins, the logarithm of the odds of yes against no, on clips of known truth and on silence. Leaves:
`Score`s. A false statement counts as found where its margin lies below all but 2 % of those of true ones about the
same attribute. What a clip has above silence counts alone: a preference that needs no listening is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.lab.embedded.claims import (
    CANNOT_TELL,
    COURSES,
    YES,
    JudgedClaim,
    judged_claims,
    untold_claims,
)
from fcaps_pipeline.lab.embedded.inference import ClaimAnswer
from fcaps_pipeline.lab.embedded.scores import Item, Score, estimate, share
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

FALSE_ALARMS = 0.02
_UNTOLD_PER_CLIP = 3
ClipMargins = tuple[tuple[float, ...], tuple[float, ...]]
"""Of the true statements about a clip, and of the false ones."""
_NAMES = {
    "gender": "gender",
    "pitch": "pitch",
    "rate": "rate",
    "volume": "volume",
    "voice_quality": "whisper",
    "loudness_course": "louder / softer",
    "pitch_course": "higher / lower",
    "rate_course": "faster / slower",
    "pauses": "pause",
}


@dataclass(frozen=True)
class ProbedClip:
    """A clip with speech, and the answers about it."""

    speech: SpeechTruth
    answers: tuple[tuple[JudgedClaim, ClaimAnswer], ...]


def claims_to_probe(truth: ClipTruth, rng: np.random.Generator) -> list[JudgedClaim]:
    """All that can be asked of a clip with speech, and some of what it does not tell."""
    if truth.speech is None:
        return []
    decided = judged_claims(truth.speech, truth.num_samples / SAMPLE_RATE_HZ)
    untold = untold_claims()
    return [*decided, *(untold[index] for index in rng.integers(len(untold), size=_UNTOLD_PER_CLIP))]


def score_probe(clips: Sequence[ProbedClip], silence: dict[str, ClaimAnswer], about: str = "") -> list[Score]:
    """Share of false statements found, by attribute, and what is said where nothing can be told.

    Args:
        clips: with speech.
        silence: the answers on silence, by sentence.
        about: begins the name of every line.
    """
    scores: list[Score | None] = []
    for attribute, name in _NAMES.items():
        margins = [_margins(clip, attribute, silence, placed=False) for clip in clips]
        if attribute in COURSES:
            changed = [getattr(clip.speech, COURSES[attribute]) != "steady" for clip in clips]
            flipped = [one for one, has_changed in zip(margins, changed, strict=True) if has_changed]
            scores.append(_found(f"probe, {name}: flipped found", flipped))
            scores.append(_found(f"probe, {name}: flipped or invented found", margins))
        else:
            scores.append(_found(f"probe, {name}: flipped found", margins))
    places = [_margins(clip, "pauses", silence, placed=True) for clip in clips]
    scores.append(_found("probe, place of a pause: moved found", places))
    untold = [
        answer.is_cannot_tell
        for clip in clips
        for claim, answer in clip.answers
        if claim.answer == CANNOT_TELL and claim.attribute not in ("pitch", "pitch_course")
    ]
    nobody = [answer.is_cannot_tell for answer in silence.values()]
    scores += [
        _score("probe: what no clip tells is called so", "share", share, untold, None),
        _score("probe on silence: nothing can be told", "share", share, nobody, None),
        _score(
            "probe on silence: preference for yes or no",
            "median nats",
            lambda sizes: float(np.median(sizes)),
            [abs(answer.margin) for answer in silence.values()],
            None,
        ),
    ]
    return [score.model_copy(update={"name": about + score.name}) for score in scores if score is not None]


def found_at(clips: Sequence[ClipMargins], false_alarms: float = FALSE_ALARMS) -> float:
    """Share of the false statements below the margin that at most a share of the true ones falls below.

    Args:
        clips: margins of the true and of the false statements about each.
        false_alarms: share of true statements that may be taken for false.
    """
    true = sorted(margin for some, _ in clips for margin in some)
    false = [margin for _, some in clips for margin in some]
    if not true or not false:
        return 0.0
    bound = true[int(false_alarms * len(true))]
    return sum(margin < bound for margin in false) / len(false)


def _margins(clip: ProbedClip, attribute: str, silence: dict[str, ClaimAnswer], *, placed: bool) -> ClipMargins:
    """How much more the clip speaks for each decided claim about an attribute than silence does."""
    true: list[float] = []
    false: list[float] = []
    for claim, answer in clip.answers:
        if claim.attribute == attribute and claim.answer != CANNOT_TELL and (claim.place is not None) == placed:
            kind = true if claim.answer == YES else false
            kind.append(answer.margin - silence[claim.sentence].margin)
    return tuple(true), tuple(false)


def _found(name: str, clips: list[ClipMargins]) -> Score | None:
    """A line; None where nothing is true, or nothing false."""
    if not any(true for true, _ in clips) or not any(false for _, false in clips):
        return None
    return _score(name, f"share at {FALSE_ALARMS:.0%} false alarms", found_at, clips, FALSE_ALARMS)


def _score(
    name: str,
    measure: str,
    metric: Callable[[Sequence[Item]], float],
    items: Sequence[Item],
    constant: float | None,
) -> Score | None:
    """One line of the card; None where there is nothing to measure on."""
    if not items:
        return None
    return Score(name=name, measure=measure, value=estimate(metric, items), constant=constant, rule=None)

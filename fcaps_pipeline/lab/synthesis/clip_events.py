"""When what is true of a clip is true of it: the timed events that follow from its plan and its measured courses.

Enters: the plan, where its phrases lie, and the words that measurements gave. Leaves: events in seconds of the clip.
A change lasts from where it begins to the end of the speech, as those of `turn` do.
"""

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.attributes.statements import COURSE_PHRASES
from fcaps_pipeline.lab.synthesis.classes import Direction
from fcaps_pipeline.lab.synthesis.plan import SpeechPlan
from fcaps_pipeline.lab.synthesis.truth import Pause, TimedEvent


def clip_events(
    plan: SpeechPlan,
    starts_s: list[float],
    end_s: float,
    courses: dict[str, Direction],
    pauses: tuple[Pause, ...],
) -> tuple[TimedEvent, ...]:
    """All of them, in the order of start, end and phrase.

    Args:
        plan: of the clip.
        starts_s: of every phrase.
        end_s: of the last phrase.
        courses: loudness_course, pitch_course and rate_course, as measured.
        pauses: those that are heard.
    """
    found = [_event("pauses", pause.start_s, pause.end_s) for pause in pauses]
    if plan.whispered:
        found.append(_event("whispers", starts_s[0], end_s))
    for attribute, direction in courses.items():
        if direction != "steady":
            first = _first_louder(plan) if attribute == "loudness_course" else 1
            found.append(_event(COURSE_PHRASES[attribute, direction], starts_s[first], end_s))
    return tuple(sorted(found, key=lambda event: (event.start_s, event.end_s, event.phrase)))


def _first_louder(plan: SpeechPlan) -> int:
    """The phrase with which the level begins to change; pitch and pace keep to one in every phrase."""
    return len(plan.phrases) // 2 if plan.stepwise else 0


def _event(phrase: EventPhrase, start_s: float, end_s: float) -> TimedEvent:
    return TimedEvent(phrase=phrase, start_s=round(start_s, 3), end_s=round(end_s, 3))

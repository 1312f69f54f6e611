"""When what is true of a clip is true of it."""

import numpy as np
import pytest

from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.classes import Direction
from fcaps_pipeline.lab.synthesis.clip import make_clip
from fcaps_pipeline.lab.synthesis.clip_events import clip_events
from fcaps_pipeline.lab.synthesis.plan import PhrasePlan, SpeechPlan, draw_plan
from fcaps_pipeline.lab.synthesis.truth import Pause
from tests.unit.lab.conftest import needs_synthesizers

_STARTS_S, _END_S = [0.2, 1.5, 3.0], 4.4
_PAUSE = Pause(start_s=1.0, end_s=1.5, place="beginning")
_STEADY: dict[str, Direction] = dict.fromkeys(("loudness_course", "pitch_course", "rate_course"), "steady")


def _plan(*, stepwise: bool = False, whispered: bool = False) -> SpeechPlan:
    plan = draw_plan(np.random.default_rng(0), "train", Cast())
    phrase = PhrasePlan(text="Well.", pitch_offset=0.0, tempo_factor=1.0, jitter_db=0.0, gap_s=0.0)
    return plan.model_copy(update={"phrases": (phrase,) * 3, "stepwise": stepwise, "whispered": whispered})


def _told(
    plan: SpeechPlan, courses: dict[str, Direction], pauses: tuple[Pause, ...] = ()
) -> list[tuple[str, float, float]]:
    events = clip_events(plan, _STARTS_S, _END_S, _STEADY | courses, pauses)
    return [(event.phrase, event.start_s, event.end_s) for event in events]


@pytest.mark.parametrize(
    ("stepwise", "course", "expected"),
    [
        (False, {"loudness_course": "rising"}, ("grows louder", 0.2, 4.4)),
        (True, {"loudness_course": "falling"}, ("grows softer", 1.5, 4.4)),
        (False, {"pitch_course": "falling"}, ("lowers the pitch", 1.5, 4.4)),
        (True, {"rate_course": "rising"}, ("speaks faster", 1.5, 4.4)),
    ],
)
def test_a_change_lasts_from_its_first_phrase_to_the_end_of_the_speech(
    course: dict[str, Direction], expected: tuple[str, float, float], *, stepwise: bool
) -> None:
    assert _told(_plan(stepwise=stepwise), course) == [expected]


def test_a_whisper_lasts_as_long_as_the_speech_and_events_are_in_order() -> None:
    told = _told(_plan(whispered=True), {"rate_course": "falling"}, (_PAUSE,))
    assert told == [("whispers", 0.2, 4.4), ("pauses", 1.0, 1.5), ("speaks slower", 1.5, 4.4)]


def test_steady_speech_has_no_event() -> None:
    assert _told(_plan(), {}) == []


@needs_synthesizers
def test_the_events_of_a_clip_lie_within_it_and_tell_all_that_changes() -> None:
    rng = np.random.default_rng(11)
    for number in range(8):
        audio_T, truth = make_clip(f"clip-{number}", "test", rng, Cast())
        if truth.speech is None:
            continue
        speech = truth.speech
        phrases = [event.phrase for event in speech.events]
        changes = [speech.loudness, speech.pitch_course, speech.rate_course]
        expected = len(speech.pauses) + (speech.voice_quality == "whisper") + sum(one != "steady" for one in changes)
        assert len(phrases) == expected
        assert phrases.count("pauses") == len(speech.pauses)
        assert all(0 < event.start_s < event.end_s <= len(audio_T) / 16_000 for event in speech.events)

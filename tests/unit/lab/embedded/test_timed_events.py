"""Events are told in the JSON of their schema, and read back; the heads see them where they are."""

import re

import numpy as np
import pytest

from fcaps_pipeline.lab.embedded.event_scores import ToldEvent, match_events, score_events
from fcaps_pipeline.lab.embedded.timed_events import PHRASES, events_answer, happening, position_times_s, read_events
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, TimedEvent
from fcaps_pipeline.records.captions import EventProposals
from tests.unit.lab.embedded.test_captions import make_truths

_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")
_TRUTHS = [*make_truths()[::11], _SILENT]


def _with_events(*events: TimedEvent) -> ClipTruth:
    truth = make_truths()[0]
    assert truth.speech is not None
    return truth.model_copy(update={"speech": truth.speech.model_copy(update={"events": events})})


def test_events_are_compact_json_of_the_schema() -> None:
    for truth in _TRUTHS:
        text = events_answer(truth).text
        proposals = read_events(text)
        assert proposals is not None
        assert EventProposals.model_validate_json(text).model_dump_json() == text
        events = () if truth.speech is None else truth.speech.events
        assert [(one.phrase, one.start_s) for one in proposals.events] == [
            (event.phrase, round(event.start_s, 1)) for event in events
        ]
    assert events_answer(_SILENT).text == '{"events":[]}'
    assert read_events("nothing happens") is None


def test_all_but_the_keys_carries_a_decision() -> None:
    pause = TimedEvent(phrase="pauses", start_s=1.23, end_s=2.0)
    answer = events_answer(_with_events(pause, pause))
    facts = [answer.text[start:end] for start, end in answer.fact_spans]
    assert facts == ['{"phrase":"pauses', "1.2", '2.0},{"phrase":"pauses', "1.2", "2.0}]}"]
    assert [_text(events_answer(_SILENT).text, span) for span in events_answer(_SILENT).fact_spans] == ["]}"]


def _text(text: str, span: tuple[int, int]) -> str:
    return text[span[0] : span[1]]


def test_the_heads_see_an_event_at_the_positions_of_its_interval() -> None:
    truth = _with_events(TimedEvent(phrase="pauses", start_s=1.0, end_s=1.5))
    labels_BAP = happening([truth, _SILENT], 39)
    times_A = position_times_s(39)
    pauses_A = labels_BAP[0, :, PHRASES.index("pauses")]
    assert labels_BAP.sum() == pauses_A.sum()
    assert times_A[pauses_A > 0].min() == pytest.approx(1.0, abs=0.05)
    assert times_A[pauses_A > 0].max() == pytest.approx(1.5, abs=0.06)
    assert np.all(np.diff(times_A.numpy()) > 0)
    assert times_A[13] == pytest.approx(1.04)


def test_true_answers_find_every_event() -> None:
    scores = score_events(_TRUTHS, [events_answer(truth).text for truth in _TRUTHS], "here: ")
    assert {score.value.value for score in scores} == {1.0}
    assert scores[0].name == "here: events found, both times within 0.3 s"


def test_an_event_elsewhere_or_of_another_kind_is_not_found() -> None:
    pause = TimedEvent(phrase="pauses", start_s=1.0, end_s=1.5)
    truth = _with_events(pause)
    late = _with_events(pause.model_copy(update={"end_s": 1.9}))
    other = _with_events(pause.model_copy(update={"phrase": "whispers"}))
    answers = [events_answer(truth).text, events_answer(late).text, events_answer(other).text, "nonsense"]
    scores = {score.name: score.value.value for score in score_events([truth] * 4, answers)}
    assert scores["events found, both times within 0.3 s"] == 0.25
    assert scores["events told that are true, both times within 0.3 s"] == pytest.approx(1 / 3)
    assert scores["events are JSON of the schema without a grammar"] == 0.75
    assert not any(re.search("whispering|changes", name) for name in scores)


def test_each_told_event_finds_one() -> None:
    near = TimedEvent(phrase="pauses", start_s=1.0, end_s=1.5)
    nearer = near.model_copy(update={"start_s": 1.1})
    assert match_events([near, nearer], [ToldEvent("pauses", 1.1, 1.5)]) == [None, 0]

"""Faults are false, and the captions they were put into are true; what is found and lost is counted right."""

import pytest

from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.lab.bench.verification.faults import (
    BACKGROUND,
    FOREIGN,
    MOVED,
    NONE,
    QUOTED,
    Trial,
    make_trials,
    says_nothing_false,
)
from fcaps_pipeline.lab.bench.verification.measure import Checked, fault_table, sum_up
from fcaps_pipeline.lab.bench.verification.ways import WAYS, check
from fcaps_pipeline.lab.caption_scores import count
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, Pause, SpeechTruth
from tests.truths import STEADY_MAN
from tests.unit.annotate.captioning.building import acoustics

WORDS = "the boat left before anyone had woken up"
WOMAN = STEADY_MAN.model_copy(
    update={
        "speaker": "another",
        "gender": "female",
        "pitch": "high",
        "rate": "fast",
        "volume": "loud",
        "loudness": "rising",
        "pauses": (Pause(start_s=0.5, end_s=1.0, place="beginning"),),
        "transcript": WORDS,
    }
)


def _clip(speech: SpeechTruth | None) -> ClipTruth:
    return ClipTruth(clip_id="clip", split="test", num_samples=48_000, speech=speech, sound=None if speech else "rain")


TRUTHS = [_clip(STEADY_MAN), _clip(None), _clip(WOMAN)]
TRIALS = list(make_trials(TRUTHS, seed=1))


def _speech(trial: Trial) -> SpeechTruth:
    speech = TRUTHS[trial.clip].speech
    assert speech is not None
    return speech


def test_every_fault_that_a_clip_can_have_is_tried_once() -> None:
    assert [one.fault for one in TRIALS if one.clip == 2] == [
        NONE,
        "gender",
        "pitch",
        "rate",
        "volume",
        "louder or softer",
        "pause",
        "whisper",
        MOVED,
        FOREIGN,
        BACKGROUND,
        QUOTED,
    ]
    assert {one.clip for one in TRIALS} == {0, 2}, "nobody speaks in the other clip"
    assert list(make_trials(TRUTHS, seed=1)) == TRIALS


@pytest.mark.parametrize("trial", TRIALS, ids=lambda one: f"{one.clip} {one.fault}")
def test_a_faulty_caption_is_false_and_a_true_one_is_not(trial: Trial) -> None:
    counts = count(_speech(trial), read_attributes(trial.planted or trial.text))
    if trial.fault == NONE:
        assert counts.num_correct == counts.num_stated > 0
    elif trial.fault not in {BACKGROUND, QUOTED}:
        assert counts.num_correct < counts.num_stated
    assert says_nothing_false(trial, trial.text, _speech(trial)) == (trial.fault == NONE)


def _checked(trial: Trial, text: str | None) -> Checked:
    return Checked(trial, text, num_claims=4, num_called_false=0 if text else 1, seconds=0.5, num_tokens=3)


def test_what_is_dropped_counts_as_found_and_as_lost() -> None:
    row = sum_up("all dropped", [_checked(one, None) for one in TRIALS], TRUTHS)
    assert {one.found.value for one in row.faults} == {1.0}
    assert (row.lost.value, row.dropped.value, row.called_false.value, row.seconds, row.tokens) == (1, 1, 0.25, 0.5, 3)
    row = sum_up("all kept", [_checked(one, one.text) for one in TRIALS], TRUTHS)
    assert {one.found.value for one in row.faults} == {0.0}
    assert (row.lost.value, row.dropped.value, row.called_false.value) == (0, 0, 0)
    assert next(one for one in row.faults if one.fault == "gender").found.num_items == 2, "speakers are drawn"


def test_rules_find_what_is_no_style_and_evidence_what_is_measured() -> None:
    measured = acoustics(f0_p5_hz=85.0, f0_median_hz=100.0, f0_p95_hz=120.0)
    facts = {clip: Facts(acoustics=measured, num_samples=48_000, transcript=WORDS) for clip in (0, 2)}
    rows = []
    for way, config in WAYS.items():
        checked = list(check([one for one in TRIALS if one.clip == 0], facts, config))
        rows.append(sum_up(way, checked, TRUTHS))
    rules, evidence = ({one.fault: one.found.value for one in row.faults} for row in rows)
    assert (rules[BACKGROUND], evidence[BACKGROUND]) == (1.0, 1.0)
    assert (rules["gender"], evidence["gender"]) == (0.0, 1.0)
    header, lines = fault_table(rows)
    assert header == ("fault", "trials", "rules", "evidence")
    assert ("gender", "1", "0.0 [0.0, 0.0]", "100.0 [100.0, 100.0]") in lines

"""Claims follow from the truth, and whoever does not listen has no reason to prefer an answer."""

from collections import defaultdict

import numpy as np
import pytest

from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.attributes.statements import statement
from fcaps_pipeline.lab.embedded.claims import ClaimDraw, judged_claims, untold_claims
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from tests.unit.lab.embedded.test_captions import make_truths

_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")


def _speech(**wanted: str) -> SpeechTruth:
    speeches = [truth.speech for truth in make_truths() if truth.speech is not None]
    return next(one for one in speeches if all(getattr(one, name) == value for name, value in wanted.items()))


def _answers(speech: SpeechTruth) -> dict[str, str]:
    return {claim.sentence: claim.answer for claim in judged_claims(speech, 5.0)}


def test_what_is_true_is_yes_and_every_other_value_no() -> None:
    answers = _answers(_speech(gender="female", pitch="low", rate="fast", volume="loud"))
    for attribute, values in {
        "gender": {"female": "yes", "male": "no"},
        "pitch": {"low": "yes", "medium": "no", "high": "no"},
        "rate": {"slow": "no", "measured": "no", "fast": "yes"},
        "volume": {"soft": "no", "moderate": "no", "loud": "yes"},
        "voice_quality": {"whisper": "no"},
    }.items():
        for value, answer in values.items():
            assert answers[statement(attribute, value)] == answer


@pytest.mark.parametrize(
    ("attribute", "place", "answer"),
    [
        ("loudness_course", None, "yes"),
        ("loudness_course", "end", "yes"),
        ("loudness_course", "beginning", None),
        ("pitch_course", "middle", "yes"),
        ("pitch_course", "beginning", "no"),
        ("rate_course", "end", "yes"),
        ("rate_course", "middle", None),
    ],
)
def test_a_change_has_a_place_only_where_nobody_would_doubt_it(
    attribute: str, place: Place | None, answer: str | None
) -> None:
    """In these clips loudness changes from the first word on, pitch in the middle third, rate in the last."""
    speech = _speech(loudness="rising", pitch_course="rising", rate_course="rising")
    assert _answers(speech).get(statement(attribute, "rising", place)) == answer
    assert _answers(speech)[statement(attribute, "falling", place)] == "no"


def test_pauses_are_claimed_by_number_and_place() -> None:
    one, none = (next(s for t in make_truths() if (s := t.speech) is not None and len(s.pauses) == n) for n in (1, 0))
    assert one.pauses[0].place == "beginning"
    answers = _answers(one)
    assert answers[statement("pauses", "one")] == answers[statement("pauses", "one", "beginning")] == "yes"
    assert {answers[statement("pauses", value)] for value in ("none", "several")} == {"no"}
    assert answers[statement("pauses", "one", "end")] == "no"
    assert _answers(none)[statement("pauses", "none")] == "yes"


def test_nobody_can_tell_the_pitch_of_a_whisper() -> None:
    whisper = _speech().model_copy(update={"voice_quality": "whisper", "pitch": None, "pitch_course": "steady"})
    answers = _answers(whisper)
    assert answers[statement("voice_quality", "whisper")] == "yes"
    unheard = {answers[statement("pitch", "low")], answers[statement("pitch_course", "rising")]}
    assert unheard == {"cannot tell"}


def test_what_no_truth_knows_cannot_be_told() -> None:
    said = {claim.sentence for claim in untold_claims()}
    assert {claim.answer for claim in untold_claims()} == {"cannot tell"}
    assert {"The speaker sounds happy.", "The speaker laughs at the end.", "The speaker has a British accent."} <= said
    assert not said & _answers(_speech()).keys()


def test_every_sentence_is_as_often_true_as_false() -> None:
    """Also where the truth is rare, as a whisper is: its clips weigh more."""
    truths = make_truths()
    rng = np.random.default_rng(0)
    for index in rng.choice(len(truths), size=len(truths) // 12, replace=False):
        speech = truths[index].speech
        assert speech is not None
        whisper = speech.model_copy(update={"voice_quality": "whisper", "pitch": None, "pitch_course": "steady"})
        truths[index] = truths[index].model_copy(update={"speech": whisper})
    draw = ClaimDraw(truths)
    weights: dict[str, dict[str, float]] = defaultdict(lambda: {"yes": 0.0, "no": 0.0, "cannot tell": 0.0})
    for truth in truths:
        for drawn in draw.draw(truth, 300, rng):
            weights[drawn.claim.attribute][drawn.claim.answer] += drawn.weight
    for attribute in ("gender", "pitch", "rate", "volume", "voice_quality", "pauses"):
        yes, no = weights[attribute]["yes"], weights[attribute]["no"]
        assert yes / (yes + no) == pytest.approx(0.5, abs=0.04), attribute
    decided = {name: sum(found.values()) for name, found in weights.items() if found["yes"] > 0}
    assert max(decided.values()) < 1.6 * min(decided.values())


def test_of_a_clip_without_speech_nothing_can_be_told() -> None:
    draw = ClaimDraw([*make_truths()[::50], _SILENT])
    drawn = draw.draw(_SILENT, 400, np.random.default_rng(0))
    assert {(one.claim.answer, one.weight) for one in drawn} == {("cannot tell", 1.0)}
    asked = {one.claim.sentence for one in drawn}
    assert _answers(_speech(loudness="rising")).keys() <= asked

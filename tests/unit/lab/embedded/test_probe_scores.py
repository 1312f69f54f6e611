"""What a probe is worth, from margins whose worth is known."""

import numpy as np
import pytest

from fcaps_pipeline.lab.embedded.claims import YES, JudgedClaim
from fcaps_pipeline.lab.embedded.inference import ClaimAnswer
from fcaps_pipeline.lab.embedded.probe_scores import ProbedClip, claims_to_probe, found_at, score_probe
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from tests.unit.lab.embedded.test_captions import make_truths

_BIASED = ClaimAnswer(yes=9.0, no=0.0, cannot_tell=10.0)
"""On silence: a preference that no listening gave."""
_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")


def _probed(truth: ClipTruth, *, knows: bool) -> ProbedClip:
    def answer(claim: JudgedClaim) -> ClaimAnswer:
        if claim.answer not in ("yes", "no"):
            return ClaimAnswer(yes=9.0, no=0.0, cannot_tell=20.0 if knows else 0.0)
        return ClaimAnswer(yes=10.0 if knows and claim.answer == YES else 8.0, no=0.0, cannot_tell=-5.0)

    assert truth.speech is not None
    claims = claims_to_probe(truth, np.random.default_rng(0))
    return ProbedClip(truth.speech, tuple((claim, answer(claim)) for claim in claims))


def _scores(*, knows: bool) -> dict[str, float]:
    clips = [_probed(truth, knows=knows) for truth in make_truths()[::3]]
    silence = {claim.sentence: _BIASED for clip in clips for claim, _ in clip.answers}
    return {score.name: score.value.value for score in score_probe(clips, silence)}


def test_who_knows_finds_everything_and_who_does_not_finds_nothing() -> None:
    knowing, guessing = _scores(knows=True), _scores(knows=False)
    found = {name for name in knowing if name.endswith("found")}
    assert {name.split(":")[0] for name in found} >= {
        "probe, gender",
        "probe, rate",
        "probe, louder / softer",
        "probe, pause",
        "probe, place of a pause",
    }
    assert {knowing[name] for name in found} == {1.0}
    assert {guessing[name] for name in found} == {0.0}
    assert (knowing["probe: what no clip tells is called so"], guessing["probe: what no clip tells is called so"]) == (
        1,
        0,
    )


def test_silence_is_scored_by_what_it_says() -> None:
    scores = _scores(knows=True)
    assert scores["probe on silence: nothing can be told"] == 1.0
    assert scores["probe on silence: preference for yes or no"] == 9.0


def test_what_no_clip_decides_has_no_line() -> None:
    """No clip whispers, so nothing true is ever said of whispering."""
    assert "probe, whisper: flipped found" not in _scores(knows=True)
    assert claims_to_probe(_SILENT, np.random.default_rng(0)) == []


def test_the_bound_lets_two_of_a_hundred_true_statements_go() -> None:
    true = tuple(float(number) for number in range(100))
    false = tuple(number - 50.0 for number in true)
    assert found_at([(true, false)]) == pytest.approx(0.52)
    assert found_at([(true[:50], ()), (true[50:], false)]) == pytest.approx(0.52)
    assert found_at([((), false)]) == 0.0

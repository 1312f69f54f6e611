"""The figures of the card, from captions whose errors are known."""

import numpy as np
import pytest

from fcaps_pipeline.embedded.evaluation import Reading, score_synthetic
from fcaps_pipeline.embedded.features import Clip
from fcaps_pipeline.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.embedded.reading import read_fine, read_global
from fcaps_pipeline.synthesis.truth import ClipTruth
from tests.unit.embedded.test_captions import make_truths

_NO_MEL = np.zeros((1, 128), np.float16)
_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")
_TRUTHS = [*make_truths()[::37], _SILENT]


def _clips(truths: list[ClipTruth]) -> list[Clip]:
    return [Clip(truth=truth, mel_FM=_NO_MEL) for truth in truths]


def _readings(truths: list[ClipTruth]) -> list[Reading]:
    rng = np.random.default_rng(0)
    captions = [(fine_caption(truth, rng).text, global_caption(truth, rng).text) for truth in truths]
    return [Reading(fine, global_, read_fine(fine), read_global(global_)) for fine, global_ in captions]


def test_true_captions_reach_everything() -> None:
    scores = {score.name: score.value.value for score in score_synthetic(_clips(_TRUTHS), _readings(_TRUTHS))}
    assert scores.pop("change invented on steady clips") == 0.0
    assert set(scores.values()) == {1.0}


def test_captions_of_other_clips_reach_little() -> None:
    swapped = [*_TRUTHS[11:], *_TRUTHS[:11]]
    scores = {score.name: score for score in score_synthetic(_clips(_TRUTHS), _readings(swapped))}
    assert scores["no speech called so, fine"].value.value == 0.0
    # The captions are those of the other half, where every speaker has the other gender.
    assert scores["gender, fine"].value.value == 0.0
    rate, pitch = scores["rate, fine"], scores["pitch, fine"]
    assert rate.value.low < rate.value.value < rate.value.high < 0.9
    assert rate.value.num_items == len(_TRUTHS) - 1
    assert rate.constant == pytest.approx(1 / 3)
    assert rate.rule is None
    # The rule hears 120 Hz everywhere: a man's medium pitch, a woman's taken for it.
    assert pitch.rule == pytest.approx(1 / 3)


def test_what_no_clip_tells_has_no_line() -> None:
    names = {score.name for score in score_synthetic(_clips(_TRUTHS[:-1]), _readings(_TRUTHS[:-1]))}
    assert "no speech called so, fine" not in names
    assert "gender, fine" in names

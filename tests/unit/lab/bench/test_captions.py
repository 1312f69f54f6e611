"""Which candidate counts for a clip, and what its caption is held against."""

from typing import Any

import pytest

from fcaps_pipeline.lab.bench.captions import Candidates, first_answer, gain_of, kept_answer, score_way
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.records.captions import GlobalCaption, Granularity
from tests.truths import STEADY_MAN

_MAN = ClipTruth(clip_id="man", split="test", num_samples=32_000, speech=STEADY_MAN, sound=None)
_HUM = ClipTruth(clip_id="hum", split="test", num_samples=32_000, speech=None, sound="hum")
_PROFILE = GlobalCaption(
    gender="male",
    age_group="unknown",
    pitch="low",
    rate="slow",
    volume="soft",
    timbre="unknown",
    emotion="unknown",
    accent="unknown",
    caption="A man speaks softly.",
)
_FIRST = {"attempt": 1, "completion_index": 0}
_TRUE = "A man speaks in a low pitch, at a slow pace and at a soft volume."
_WRONG = "A woman speaks in a high pitch and grows louder."


def _fine(text: str, *, kept: bool = False, index: int = 0) -> dict[str, Any]:
    place = {"attempt": 1, "completion_index": index}
    return {"granularity": "fine", "text": text, "gender": None, "kept": kept, **place}


def _global(caption: GlobalCaption | None) -> dict[str, Any]:
    if caption is None:
        return {"granularity": "global", "text": "{", "gender": None, "kept": False, **_FIRST}
    fields = caption.model_dump(exclude={"caption"})
    return {"granularity": "global", "text": caption.caption, **fields, "kept": True, **_FIRST}


def test_the_first_answer_counts_whatever_verification_says_and_the_kept_one_where_it_chooses() -> None:
    candidates: Candidates = [_fine(_TRUE, kept=True, index=1), _fine(_WRONG)]  # as in the shards, kept ones first
    clip = {"man": _MAN}
    first = score_way("first", Granularity.FINE, clip, {"man": candidates}, first_answer)
    kept = score_way("kept", Granularity.FINE, clip, {"man": candidates}, kept_answer)
    assert (first.scores.correctness.value, first.scores.coverage.value, first.scores.invention.value) == (0, 0, 1)
    assert (kept.scores.correctness.value, kept.scores.coverage.value, kept.scores.invention.value) == (1, 1, 0)
    assert (kept.scores.num_clips, kept.scores.num_without_caption) == (1, 0)


def test_a_clip_without_a_kept_candidate_covers_nothing_and_is_counted() -> None:
    truths = {"man": _MAN, "twin": _MAN.model_copy(update={"clip_id": "twin"})}
    candidates = {"man": [_fine(_TRUE, kept=True)], "twin": [_fine(_WRONG)]}
    row = score_way("kept", Granularity.FINE, truths, candidates, kept_answer)
    assert (row.scores.correctness.value, row.scores.coverage.value) == (1, 0.5)
    assert (row.scores.num_clips, row.scores.num_without_caption) == (2, 1)


@pytest.mark.parametrize(("text", "invented"), [("Nobody speaks.", 0), (_TRUE, 1)])
def test_a_speaker_in_a_sound_is_an_invention_of_its_own(text: str, invented: int) -> None:
    candidates = {"man": [_fine(_TRUE)], "hum": [_fine(text)]}
    row = score_way("first", Granularity.FINE, {"man": _MAN, "hum": _HUM}, candidates, first_answer)
    assert (row.num_sounds, row.num_speakers_invented, row.scores.num_clips) == (1, invented, 1)


def test_a_global_caption_states_its_fields_and_other_granularities_do_not_count() -> None:
    caption = _PROFILE.model_copy(update={"pitch": "high", "rate": "unknown"})
    candidates = {"man": [_fine(_WRONG, kept=True), _global(caption)]}
    row = score_way("kept", Granularity.GLOBAL, {"man": _MAN}, candidates, kept_answer)
    assert row.scores.correctness.value == pytest.approx(2 / 3)
    assert row.scores.coverage.value == pytest.approx(2 / 4)


def test_an_answer_that_is_no_global_caption_counts_as_none() -> None:
    truths = {"man": _MAN, "twin": _MAN.model_copy(update={"clip_id": "twin"})}
    candidates = {"man": [_global(None)], "twin": [_global(_PROFILE)]}
    row = score_way("first", Granularity.GLOBAL, truths, candidates, first_answer)
    assert (row.scores.num_without_caption, row.scores.coverage.value) == (1, 0.5)


def test_a_gain_is_that_of_the_kept_over_the_first_on_clips_that_have_both() -> None:
    truths = {name: _MAN.model_copy(update={"clip_id": name}) for name in ("mended", "same", "without")} | {"hum": _HUM}
    candidates = {
        "mended": [_fine(_TRUE, kept=True, index=1), _fine(_WRONG)],
        "same": [_fine(_TRUE, kept=True)],
        "without": [_fine(_WRONG)],
        "hum": [_fine(_TRUE, kept=True)],
    }
    gain = gain_of("best", Granularity.FINE, truths, candidates)
    assert (gain.num_clips, gain.num_without) == (2, 1)
    assert gain.correctness.value == pytest.approx(1 - 4 / 7)
    assert gain.correctness.low >= 0

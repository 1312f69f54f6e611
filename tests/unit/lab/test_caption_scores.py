"""What captions state is counted against the truth, by hand for every case."""

import numpy as np
import pytest

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import StatedAttributes
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.caption_scores import CaptionCounts, count, stated_by_fields, summarize
from fcaps_pipeline.lab.synthesis.truth import Pause
from fcaps_pipeline.records.captions import GlobalCaption
from tests.truths import STEADY_MAN

_PAUSE = Pause(start_s=1.0, end_s=1.6, place="middle")


@pytest.mark.parametrize(
    ("changes", "caption", "expected"),
    [
        (
            {},
            "A man speaks in a low pitch, at a slow pace and at a soft volume.",
            CaptionCounts(num_stated=4, num_correct=4, num_true=4, num_covered=4),
        ),
        (
            {},
            "A woman speaks in a low pitch and grows louder.",
            CaptionCounts(num_stated=3, num_correct=1, num_true=4, num_covered=1, num_invented=1),
        ),
        (
            {"voice_quality": "whisper", "f0_median_hz": None, "pitch": None, "pitch_change_semitones": None},
            "A man whispers at a slow pace.",
            CaptionCounts(num_stated=3, num_correct=3, num_true=4, num_covered=3),
        ),
        (
            {"voice_quality": "whisper", "f0_median_hz": None, "pitch": None, "pitch_change_semitones": None},
            "A man speaks in a low pitch.",
            CaptionCounts(num_stated=2, num_correct=1, num_true=4, num_covered=1),
        ),
        (
            {},
            "A man whispers.",
            CaptionCounts(num_stated=2, num_correct=1, num_true=4, num_covered=1),
        ),
        (
            {"loudness": "rising"},
            "A man speaks and grows louder.",
            CaptionCounts(num_stated=2, num_correct=2, num_true=5, num_covered=2),
        ),
        (
            {"loudness": "rising"},
            "A man speaks and grows softer.",
            CaptionCounts(num_stated=2, num_correct=1, num_true=5, num_covered=1, num_invented=1),
        ),
        (
            {},
            "A man with a British accent pauses midway.",
            CaptionCounts(num_stated=2, num_correct=1, num_true=4, num_covered=1, num_invented=1, num_unjudged=1),
        ),
        (
            {"pauses": (_PAUSE,)},
            "A man pauses midway.",
            CaptionCounts(num_stated=3, num_correct=3, num_true=5, num_covered=2),
        ),
        (
            {"pauses": (_PAUSE,)},
            "A man pauses early on.",
            CaptionCounts(num_stated=3, num_correct=2, num_true=5, num_covered=2),
        ),
        ({}, "There is no speech here.", CaptionCounts(num_stated=1, num_true=4)),
    ],
)
def test_statements_are_counted_against_the_truth(
    changes: dict[str, object], caption: str, expected: CaptionCounts
) -> None:
    assert count(STEADY_MAN.model_copy(update=changes), read_attributes(caption)) == expected


def test_no_caption_covers_nothing() -> None:
    assert count(STEADY_MAN, None) == CaptionCounts(num_true=4)


def test_unknown_fields_state_nothing() -> None:
    caption = GlobalCaption(
        gender="male",
        age_group="unknown",
        pitch="unknown",
        rate="fast",
        volume="unknown",
        timbre="unknown",
        emotion="unknown",
        accent="unknown",
        caption="A man.",
    )
    assert stated_by_fields(caption) == StatedAttributes(gender="male", rate="fast")


def test_shares_are_of_statements_of_truths_and_of_clips() -> None:
    counts = [
        CaptionCounts(num_stated=4, num_correct=3, num_true=5, num_covered=3, num_invented=1),
        CaptionCounts(num_true=5),
        CaptionCounts(num_stated=2, num_correct=2, num_true=4, num_covered=2, num_unjudged=3),
    ]
    scores = summarize(counts, 1, np.random.default_rng(0))
    assert scores.correctness.value == pytest.approx(5 / 6)
    assert scores.coverage.value == pytest.approx(5 / 14)
    assert scores.invention.value == pytest.approx(1 / 3)
    assert (scores.num_clips, scores.num_without_caption, scores.num_unjudged) == (3, 1, 3)
    assert scores.correctness.low <= scores.correctness.value <= scores.correctness.high


def test_without_clips_there_is_nothing_to_measure() -> None:
    with pytest.raises(UsageError, match="no item"):
        summarize([], 0, np.random.default_rng(0))

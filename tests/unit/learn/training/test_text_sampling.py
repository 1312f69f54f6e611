"""What rows bring depends on the row, the epoch and the seed alone."""

import pytest

from fcaps_pipeline.learn.data.batches import Event, TrainingRow
from fcaps_pipeline.learn.training.objective_config import OneEach, TwoTexts
from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank
from fcaps_pipeline.learn.training.text_sampling import StepContext, draw_captions, draw_flips, draw_phrases
from fcaps_pipeline.records.captions import Granularity


def _row(number: int, *events: Event) -> TrainingRow:
    return TrainingRow(
        row=number,
        segment_id=f"s{number}",
        recording_id="r",
        speaker=None,
        tags=(),
        global_captions=tuple(f"global {number}.{index}" for index in range(3)),
        fine_captions=tuple(f"fine {number}.{index}" for index in range(4)),
        events=events,
        audio_id=f"a{number}",
    )


def _context(epoch: int = 0, step: int = 0) -> StepContext:
    return StepContext(seed=1, epoch=epoch, step=step, num_steps=100)


_ROWS = [_row(number) for number in range(20)]
_BOTH = OneEach(granularities=(Granularity.GLOBAL, Granularity.FINE))


def test_one_of_each_stands_in_the_slot_of_its_granularity() -> None:
    drawn = draw_captions(_ROWS, _BOTH, _context())
    assert drawn.weights == (0.5, 0.5)
    for row, profile, telling in zip(_ROWS, *drawn.slots, strict=True):
        assert profile in row.global_captions
        assert telling in row.fine_captions


@pytest.mark.parametrize("captions", [_BOTH, TwoTexts(kind="two_texts")], ids=["one_each", "two_texts"])
def test_the_batch_around_a_row_changes_nothing(captions: OneEach | TwoTexts) -> None:
    whole = draw_captions(_ROWS, captions, _context())
    part = draw_captions(_ROWS[::3], captions, _context())
    assert part.slots == tuple(slot[::3] for slot in whole.slots)
    assert draw_captions(_ROWS, captions, _context(epoch=1)).slots != whole.slots


def test_two_texts_follow_the_falling_share_and_their_weights() -> None:
    captions = TwoTexts(kind="two_texts", first_share=1.0, last_share=0.0, first_weight=0.3)
    first, last = (draw_captions(_ROWS, captions, _context(step=step)) for step in (0, 99))
    assert first.weights == (0.3, 0.7)
    assert all(text.startswith("global") for text in first.slots[0])
    assert all(text.startswith("fine") for text in (*first.slots[1], *last.slots[0], *last.slots[1]))
    assert all(one != other for one, other in zip(*last.slots, strict=True))


def test_changed_captions_differ_and_are_left_out_where_nothing_is_certain() -> None:
    texts = ["A man speaks softly and slowly.", "Nothing stated."]
    changed, none = draw_flips(_ROWS[:2], texts, 3, _context())
    assert 1 <= len(changed) <= 3
    assert texts[0] not in changed
    assert none == ()


def test_rows_are_asked_their_own_phrases_and_others_of_the_corpus() -> None:
    laugh, sigh = (Event(phrase=phrase, start_s=0.1, end_s=0.2) for phrase in ("a laugh", "a sigh"))
    rows = [_row(0, laugh, laugh), _row(1), _row(2, sigh)]
    first, silent, third = draw_phrases(rows, PhraseBank(["a laugh", "a sigh"]), 20, _context())
    assert [(one.phrase, len(one.spans_s)) for one in first] == [("a laugh", 2), ("a sigh", 0)]
    assert silent == ()
    assert [(one.phrase, len(one.spans_s)) for one in third] == [("a sigh", 1), ("a laugh", 0)]


def test_phrases_of_one_cluster_are_one_phrase_of_a_row_and_no_negatives_of_each_other() -> None:
    names = ("laughs", "A laugh.", "a door slams", "A door slams!")
    events = [Event(phrase=name, start_s=0.1 * place, end_s=0.1 * place + 0.05) for place, name in enumerate(names)]
    first, second = draw_phrases([_row(0, *events), _row(1, events[1])], PhraseBank(names), 20, _context())
    assert [(one.phrase, len(one.spans_s)) for one in first] == [("laughs", 2), ("a door slams", 2)]
    own, other = second
    assert (own.phrase, len(own.spans_s), other.spans_s) == ("A laugh.", 1, ())
    assert other.phrase in {"a door slams", "A door slams!"}

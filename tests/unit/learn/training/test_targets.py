"""Targets against pairwise loops, and the rules of drawing."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.training.phrase_clusters import normalised
from fcaps_pipeline.learn.training.targets import (
    frame_labels,
    inverse_frequency,
    positive_weights,
    row_weights,
    stack_slots,
    text_keys,
)
from tests.unit.learn.training.text_targets import text_targets

_TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "woman", "speaks,", "Slowly", "then", "slowly."]), max_size=6).map(" ".join),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(texts=_TEXTS)
def test_texts_with_the_same_words_have_the_same_key(texts: list[str]) -> None:
    expected = [[normalised(first) == normalised(second) for second in texts] for first in texts]
    key_N = text_keys(texts)
    assert (key_N[:, None] == key_N).tolist() == expected


def test_layout_and_punctuation_do_not_make_a_text_another_and_order_does() -> None:
    assert normalised("A  woman\nspeaks;  SLOWLY!") == "a woman speaks slowly"
    first, second, third = text_keys(["slow, then fast", "Slow then  fast.", "fast, then slow"]).tolist()
    assert first == second != third


def test_by_claims_texts_are_the_same_that_state_the_same() -> None:
    texts = ["A woman speaks softly.", "A female speaker with a soft voice.", "A woman speaks loudly.", "x", "X!", "y"]
    keys = text_keys(texts, by_claims=True).tolist()
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4] != keys[5]
    assert len(set(text_keys(texts).tolist())) == 5


@settings(deadline=None)
@given(data=st.data(), num_slots=st.integers(1, 3), num_rows=st.integers(1, 5))
def test_pairs_are_ignored_where_another_row_has_a_text_like_mine_or_my_audio(
    data: st.DataObject, num_slots: int, num_rows: int
) -> None:
    words = st.sampled_from(["low voice", "high voice", "a low voice", "she pauses", "She pauses."])
    slots = [[data.draw(words) for _ in range(num_rows)] for _ in range(num_slots)]
    audio_ids = [data.draw(st.sampled_from("abcd")) for _ in range(num_rows)]
    targets = text_targets(slots, audio_ids, [1 / num_slots] * num_slots)
    stacked = list(itertools.chain(*slots))
    for row, column in itertools.product(range(num_rows), range(len(stacked))):
        mine = [normalised(slots[slot][row]) for slot in range(num_slots)]
        same_audio = audio_ids[row] == audio_ids[column % num_rows]
        own = column % num_rows == row
        ignored = (normalised(stacked[column]) in mine or same_audio) and not own
        assert bool(targets.ignored_BN[row, column]) == ignored
        assert bool(targets.positive_BN[row, column]) == own
    assert targets.weight_N.reshape(num_slots, num_rows).sum(0).tolist() == pytest.approx([1] * num_rows)


def test_two_slots_carry_lambda_and_its_rest() -> None:
    targets = text_targets([["a", "b"], ["c", "d"]], ["x", "y"], [0.3, 0.7])
    assert targets.owner_N.tolist() == [0, 1, 0, 1]
    assert targets.weight_N.tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7])


@pytest.mark.parametrize("weights", [[1.0], [0.0, 1.0], [0.6, 0.6], [-0.5, 1.5]])
def test_weights_that_are_no_shares_are_refused(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="expected 2 positive numbers that add up to 1"):
        text_targets([["a"], ["b"]], ["x"], weights)


def test_texts_for_other_rows_are_refused() -> None:
    with pytest.raises(UsageError, match=r"1 texts a slot for 2 audios"):
        text_targets([["a"]], ["x", "y"], [1.0])


def test_embeddings_are_stacked_in_the_order_of_the_targets() -> None:
    text_BKD = torch.arange(3 * 2 * 1).reshape(3, 2, 1)
    assert stack_slots(text_BKD)[:, 0].tolist() == [0, 2, 4, 1, 3, 5]


def test_a_frame_belongs_to_the_span_its_middle_lies_in() -> None:
    label_T = frame_labels([(0.0, 0.05), (0.15, 0.35)], num_frames=5, frames_per_s=10.0)
    assert label_T.tolist() == [0, 1, 1, 0, 0]
    assert frame_labels([], num_frames=2, frames_per_s=10.0).tolist() == [0, 0]
    assert frame_labels([(0.0, 9.0)], num_frames=2, frames_per_s=10.0).tolist() == [1, 1]


_LABELS = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)


def test_rare_tags_weigh_more_and_absent_ones_nothing() -> None:
    assert inverse_frequency(_LABELS).tolist() == pytest.approx([0.5, 1.5, 0])
    assert inverse_frequency(np.zeros((2, 3), dtype=bool)).tolist() == [0, 0, 0]


def test_a_tag_that_holds_weighs_as_much_as_the_rows_that_lack_it_up_to_a_cap() -> None:
    assert positive_weights(_LABELS, 2.0).tolist() == [1, 2, 1]
    assert positive_weights(_LABELS, 9.0).tolist() == [1, 3, 1]


def test_rows_are_drawn_by_the_mean_weight_of_their_tags() -> None:
    assert row_weights(_LABELS).tolist() == pytest.approx([0.5, 1.0, 0.5, 0.5])
    assert row_weights(np.zeros((2, 3), dtype=bool)).tolist() == [1, 1]


def test_rows_with_one_tag_each_are_drawn_equally_often_by_tag() -> None:
    label_RG = np.eye(3, dtype=bool)[[0] * 6 + [1] * 3 + [2]]
    weight_G = row_weights(label_RG) @ label_RG
    assert weight_G.tolist() == pytest.approx([weight_G[0]] * 3)

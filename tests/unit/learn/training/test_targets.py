"""Targets against pairwise loops, and the rules of drawing."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.selection import similarity
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.training.phrase_clusters import normalised
from fcaps_pipeline.learn.training.targets import (
    alike,
    draw_negative_phrases,
    frame_labels,
    inverse_frequency,
    pair_targets,
    row_weights,
    stack_slots,
)

_TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "woman", "speaks,", "Slowly", "then", "slowly."]), max_size=6).map(" ".join),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(texts=_TEXTS, min_similarity=st.sampled_from([0.25, 0.5, 2 / 3, 1.0]))
def test_alike_is_the_jaccard_index_of_each_pair(texts: list[str], min_similarity: float) -> None:
    expected = [[similarity(first, second) >= min_similarity for second in texts] for first in texts]
    assert alike(texts, min_similarity).tolist() == expected


@settings(deadline=None)
@given(texts=_TEXTS)
def test_without_a_threshold_only_equal_texts_are_alike(texts: list[str]) -> None:
    expected = [[normalised(first) == normalised(second) for second in texts] for first in texts]
    assert alike(texts, None).tolist() == expected


def test_layout_and_punctuation_do_not_make_a_text_another() -> None:
    assert normalised("A  woman\nspeaks;  SLOWLY!") == "a woman speaks slowly"
    assert not alike(["slow, then fast", "fast, then slow"], None)[0, 1]
    assert alike(["slow, then fast", "fast, then slow"], 1.0)[0, 1]


@settings(deadline=None)
@given(data=st.data(), num_slots=st.integers(1, 3), num_rows=st.integers(1, 5))
def test_pairs_are_ignored_where_another_row_has_a_text_like_mine_or_my_audio(
    data: st.DataObject, num_slots: int, num_rows: int
) -> None:
    words = st.sampled_from(["low voice", "high voice", "a low voice", "she pauses", "she pauses, twice"])
    slots = [[data.draw(words) for _ in range(num_rows)] for _ in range(num_slots)]
    audio_ids = [data.draw(st.sampled_from("abcd")) for _ in range(num_rows)]
    targets = pair_targets(slots, audio_ids=audio_ids, weights=[1 / num_slots] * num_slots, min_similarity=0.6)
    stacked = list(itertools.chain(*slots))
    for row, column in itertools.product(range(num_rows), range(len(stacked))):
        mine = [slots[slot][row] for slot in range(num_slots)]
        resembles = any(similarity(stacked[column], text) >= 0.6 for text in mine)
        same_audio = audio_ids[row] == audio_ids[column % num_rows]
        own = column % num_rows == row
        assert bool(targets.ignored_BN[row, column]) == ((resembles or same_audio) and not own)
        assert bool(targets.positive_BN[row, column]) == own
    assert targets.to("cpu").weight_N.reshape(num_slots, num_rows).sum(0).tolist() == pytest.approx([1] * num_rows)


def test_two_slots_carry_lambda_and_its_rest() -> None:
    targets = pair_targets([["a", "b"], ["c", "d"]], audio_ids=["x", "y"], weights=[0.3, 0.7], min_similarity=None)
    assert targets.owner_N.tolist() == [0, 1, 0, 1]
    assert targets.weight_N.tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7])


@pytest.mark.parametrize("weights", [[1.0], [0.0, 1.0], [0.6, 0.6], [-0.5, 1.5]])
def test_weights_that_are_no_shares_are_refused(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="expected 2 positive numbers that add up to 1"):
        pair_targets([["a"], ["b"]], audio_ids=["x"], weights=weights, min_similarity=None)


def test_slots_of_different_length_are_refused() -> None:
    with pytest.raises(UsageError, match=r"slots with \[2, 1\] texts for 2 audios"):
        pair_targets([["a", "b"], ["c"]], audio_ids=["x", "y"], weights=[0.5, 0.5], min_similarity=None)
    with pytest.raises(UsageError, match=r"slots with \[1\] texts for 2 audios"):
        pair_targets([["a"]], audio_ids=["x", "y"], weights=[1.0], min_similarity=None)


def test_embeddings_are_stacked_in_the_order_of_the_targets() -> None:
    text_BKD = torch.arange(3 * 2 * 1).reshape(3, 2, 1)
    assert stack_slots(text_BKD)[:, 0].tolist() == [0, 2, 4, 1, 3, 5]


def test_negative_phrases_come_one_each_from_other_clusters() -> None:
    pool = ["laughs", "Laughs.", "pauses", "speaks louder", "speaks  louder", "whispers"]
    for seed in range(20):
        drawn = draw_negative_phrases(["LAUGHS"], pool, count=2, generator=np.random.default_rng(seed))
        assert len({normalised(phrase) for phrase in drawn}) == 2
        assert "laughs" not in {normalised(phrase) for phrase in drawn}
        assert drawn == draw_negative_phrases(["LAUGHS"], pool, count=2, generator=np.random.default_rng(seed))
    everything = draw_negative_phrases([], pool, count=9, generator=np.random.default_rng(0))
    assert {normalised(phrase) for phrase in everything} == {"laughs", "pauses", "speaks louder", "whispers"}
    assert draw_negative_phrases(["laughs"], pool[:2], count=9, generator=np.random.default_rng(0)) == ()


def test_each_cluster_is_as_likely_as_the_next() -> None:
    pool, generator = ["laughs"] * 9 + ["pauses"], np.random.default_rng(0)
    drawn = [draw_negative_phrases([], pool, count=1, generator=generator)[0] for _ in range(400)]
    assert 160 < drawn.count("pauses") < 240


def test_a_frame_belongs_to_the_span_its_middle_lies_in() -> None:
    label_T = frame_labels([(0.0, 0.05), (0.15, 0.35)], num_frames=5, frames_per_s=10.0)
    assert label_T.tolist() == [0, 1, 1, 0, 0]
    assert frame_labels([], num_frames=2, frames_per_s=10.0).tolist() == [0, 0]
    assert frame_labels([(0.0, 9.0)], num_frames=2, frames_per_s=10.0).tolist() == [1, 1]


_LABELS = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)


def test_rare_tags_weigh_more_and_absent_ones_nothing() -> None:
    assert inverse_frequency(_LABELS).tolist() == pytest.approx([0.5, 1.5, 0])
    assert inverse_frequency(np.zeros((2, 3), dtype=bool)).tolist() == [0, 0, 0]


def test_rows_are_drawn_by_the_mean_weight_of_their_tags() -> None:
    assert row_weights(_LABELS).tolist() == pytest.approx([0.5, 1.0, 0.5, 0.5])
    assert row_weights(np.zeros((2, 3), dtype=bool)).tolist() == [1, 1]


def test_rows_with_one_tag_each_are_drawn_equally_often_by_tag() -> None:
    label_RG = np.eye(3, dtype=bool)[[0] * 6 + [1] * 3 + [2]]
    weight_G = row_weights(label_RG) @ label_RG
    assert weight_G.tolist() == pytest.approx([weight_G[0]] * 3)

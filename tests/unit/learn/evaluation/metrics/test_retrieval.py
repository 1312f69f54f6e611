"""Ranks equal those of a slow obvious version; equal captions, ties, blocks and memory behave as documented."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.retrieval import Captions, QueryRanks, rank_queries, score_retrieval
from fcaps_pipeline.records.captions import Granularity

_AXES = np.eye(4, dtype=np.float32)


def _slow(queries: np.ndarray, gallery: np.ndarray, right: list[set[int]]) -> list[tuple[int, float]]:
    """Rank and AP@10 of each query, straight from the definitions."""
    outcomes = []
    for query, answers in zip(queries.astype(float), right, strict=True):
        lengths = np.linalg.norm(gallery.astype(float), axis=1) * np.linalg.norm(query)
        cosines = gallery.astype(float) @ query / lengths
        order = sorted(range(len(gallery)), key=lambda item: (-round(cosines[item], 6), item in answers))
        relevant = [item in answers for item in order]
        precisions = [
            sum(relevant[: place + 1]) / (place + 1) for place in range(min(10, len(order))) if relevant[place]
        ]
        outcomes.append((relevant.index(True) + 1, sum(precisions) / min(10, len(answers))))
    return outcomes


def _check(outcomes: QueryRanks, expected: list[tuple[int, float]]) -> None:
    assert outcomes.ranks_Q.tolist() == [rank for rank, _ in expected]
    assert outcomes.average_precisions_Q.tolist() == pytest.approx([precision for _, precision in expected])


_VECTORS = st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any)


@st.composite
def _problems(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[str, int]], dict[str, list[int]]]:
    clips = draw(st.lists(_VECTORS, min_size=1, max_size=14))
    names = [f"t{number}" for number in range(draw(st.integers(1, 14)))]
    texts = {name: draw(_VECTORS) for name in names}
    captions = draw(
        st.lists(st.tuples(st.sampled_from(names), st.integers(0, len(clips) - 1)), min_size=1, max_size=30)
    )
    return np.array(clips, dtype=np.float32), captions, texts


@given(_problems(), st.sampled_from([1, 100, 1 << 20]))
def test_ranks_and_precisions_equal_the_definitions(
    problem: tuple[np.ndarray, list[tuple[str, int]], dict[str, list[int]]],
    block_bytes: int,
) -> None:
    clips, captions, vectors = problem
    embeddings = np.array([vectors[text] for text, _ in captions], dtype=np.float32)
    given_captions = Captions(embeddings, [text for text, _ in captions], [clip for _, clip in captions])
    to_text, to_speech = rank_queries(clips, given_captions, block_bytes=block_bytes)
    texts = list(dict.fromkeys(text for text, _ in captions))
    gallery = np.array([vectors[text] for text in texts])
    asked = sorted({clip for _, clip in captions})
    text_answers = [{texts.index(text) for text, clip in captions if clip == query} for query in asked]
    clip_answers = [{clip for text, clip in captions if text == query} for query in texts]
    _check(to_text, _slow(clips[asked], gallery, text_answers))
    _check(to_speech, _slow(gallery, clips, clip_answers))


def test_a_small_example_counted_by_hand() -> None:
    clips = _AXES[:3]
    texts = np.array([[0.9, 0.1, 0, 0], [0, 1, 0, 0], [0, 0.9, 0.5, 0]], dtype=np.float32)
    whole, _ = score_retrieval(
        clips, {Granularity.FINE: Captions(texts, ["a", "b", "c"], [0, 1, 2])}, np.random.default_rng(0)
    )
    scores = whole.granularities[Granularity.FINE]
    assert scores.speech_to_text.recall_at_1.value == 1.0
    assert scores.text_to_speech.recall_at_1.value == pytest.approx(2 / 3)
    assert scores.text_to_speech.map_at_10.value == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert scores.text_to_speech.median_rank.value == 1.0


def test_equal_captions_count_once_and_every_clip_that_has_the_text_is_right() -> None:
    clips = np.array([[1, 0, 0, 0], [1, 0.1, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    texts = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    to_text, to_speech = rank_queries(clips, Captions(texts, ["same", "same", "other"], [0, 1, 2]))
    assert to_text.ranks_Q.tolist() == [1, 1, 1]
    assert (to_text.num_gallery, len(to_speech.ranks_Q)) == (2, 2)
    assert to_speech.average_precisions_Q.tolist() == [1.0, 1.0]
    assert to_speech.clips_Q.tolist() == [0, 2]


def test_a_model_that_maps_everything_to_one_point_ranks_last() -> None:
    noise = np.random.default_rng(0).normal(scale=1e-8, size=(2, 40, 4)).astype(np.float32)
    captions = Captions(_AXES[:1].repeat(40, axis=0) + noise[0], [f"{number}" for number in range(40)], range(40))
    for outcomes in rank_queries(_AXES[:1].repeat(40, axis=0) + noise[1], captions):
        assert set(outcomes.ranks_Q.tolist()) == {40}
        assert not outcomes.average_precisions_Q.any()


def test_torch_and_numpy_and_any_order_give_the_same() -> None:
    rng = np.random.default_rng(1)
    clips, texts = rng.normal(size=(2, 50, 8)).astype(np.float32)
    order = rng.permutation(50)
    names = [f"{number}" for number in range(50)]
    first, _ = rank_queries(clips, Captions(texts, names, range(50)))
    second, _ = rank_queries(
        torch.from_numpy(clips), Captions(torch.from_numpy(texts[order]), [names[i] for i in order], order.tolist())
    )
    assert first.ranks_Q.tolist() == second.ranks_Q.tolist()


def test_more_captions_of_the_same_clips_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(2)
    clips = rng.normal(size=(60, 8)).astype(np.float32)
    texts = clips + rng.normal(scale=1.2, size=clips.shape).astype(np.float32)
    eight = Captions(np.repeat(texts, 8, axis=0), [f"{n}" for n in range(480)], np.repeat(np.arange(60), 8).tolist())
    one = Captions(texts, [f"{n}" for n in range(60)], range(60))
    widths = []
    for captions in (one, eight):
        scores, _ = score_retrieval(clips, {Granularity.GLOBAL: captions}, np.random.default_rng(3))
        recall = scores.granularities[Granularity.GLOBAL].text_to_speech.recall_at_10
        widths.append(recall.high - recall.low)
        assert recall.num_items == 60
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_mean_precision_averages_granularities_and_directions() -> None:
    rng = np.random.default_rng(4)
    clips, coarse, fine = rng.normal(size=(3, 30, 8)).astype(np.float32)
    names = [f"{number}" for number in range(30)]
    captions = {
        Granularity.GLOBAL: Captions(clips + coarse, names, range(30)),
        Granularity.FINE: Captions(clips + 0.1 * fine, names, range(30)),
    }
    scores, _ = score_retrieval(clips, captions, rng)
    parts = [
        direction.map_at_10.value
        for one in scores.granularities.values()
        for direction in (one.speech_to_text, one.text_to_speech)
    ]
    assert scores.mean_map_at_10.value == pytest.approx(np.mean(parts))
    assert scores.mean_map_at_10.low < scores.mean_map_at_10.value < scores.mean_map_at_10.high


def test_clips_without_a_caption_are_in_the_gallery_but_ask_nothing() -> None:
    captions = Captions(_AXES[1:2], ["b"], [1])
    to_text, to_speech = rank_queries(np.concatenate([_AXES[:2], _AXES[1:2]]), captions)
    assert (len(to_text.ranks_Q), to_speech.num_gallery) == (1, 3)
    assert to_speech.ranks_Q.tolist() == [2]


@pytest.mark.parametrize(
    ("clips", "captions", "message"),
    [
        (_AXES, Captions(_AXES, ["a"], [0]), "4 caption embeddings, 1 texts and 1 clip numbers"),
        (_AXES, Captions(_AXES[:1], ["a"], [4]), "one of the 4 clips"),
        (_AXES, Captions(_AXES[:0], [], []), "there must be a caption"),
        (_AXES * np.nan, Captions(_AXES[:1], ["a"], [0]), "clip 0 is zero or not finite, with 4 of 4"),
        (_AXES, Captions(_AXES[:1] * 0, ["a"], [0]), "caption 0 is zero or not finite"),
        (_AXES, Captions(_AXES[:1, :3], ["a"], [0]), "clips have 4 values, those of captions 3"),
        (_AXES[0], Captions(_AXES[:1], ["a"], [0]), r"clip embeddings have shape|one of the"),
    ],
)
def test_what_cannot_be_ranked_is_one_clear_line(clips: np.ndarray, captions: Captions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rank_queries(clips, captions)


def test_no_captions_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="no captions to retrieve with"):
        score_retrieval(_AXES, {}, np.random.default_rng(0))


_MEMORY = """
import resource, numpy as np
from fcaps_pipeline.learn.evaluation.metrics.retrieval import Captions, rank_queries
rng = np.random.default_rng(0)
clips = rng.normal(size=({n}, 16)).astype(np.float32)
captions = Captions(clips + 0.5, [str(i) for i in range({n})], range({n}))
small = Captions(captions.embeddings_MD[:64], captions.texts[:64], range(64))
rank_queries(clips[:64], small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rank_queries(clips, captions, block_bytes=1 << 25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_follows_the_block_and_not_the_number_of_pairs() -> None:
    num_clips = 12_000
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY.format(n=num_clips)], capture_output=True, text=True, check=True
    )
    matrix_kib = 4 * num_clips**2 / 1024
    assert int(done.stdout) < 0.3 * matrix_kib


def test_clips_of_one_speaker_are_drawn_together_which_widens_the_interval() -> None:
    """Twelve speakers of twenty clips each, who are found always or never."""
    clips = np.concatenate([np.repeat(_AXES[:1], 120, axis=0), np.repeat(_AXES[1:2], 120, axis=0)])
    captions = Captions(np.repeat(_AXES[:1], 240, axis=0), ["one"] * 240, range(240))
    by_clip, _ = score_retrieval(clips, {Granularity.FINE: captions}, np.random.default_rng(0))
    speakers_N = np.arange(240) // 20
    by_speaker, ranked = score_retrieval(
        clips, {Granularity.FINE: captions}, np.random.default_rng(0), units_N=speakers_N
    )
    alone, together = (one.granularities[Granularity.FINE].speech_to_text.map_at_10 for one in (by_clip, by_speaker))
    assert (alone.num_items, together.num_items) == (240, 12)
    assert alone.value == together.value == pytest.approx(np.mean(ranked[Granularity.FINE][0].average_precisions_Q))

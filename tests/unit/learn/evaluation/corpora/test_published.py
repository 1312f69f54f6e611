"""A published figure stands beside ours only where protocol and data are the same."""

import pytest

from fcaps_pipeline.learn.evaluation.corpora.crema_d import CREMA_D_EMOTIONS
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import AGE_GROUPS
from fcaps_pipeline.learn.evaluation.corpora.published import (
    CLSP_TEST,
    CREMA_D_6,
    CREMA_D_AGE,
    IEMOCAP_4,
    RAVDESS_8,
    RAVDESS_GENDER,
    Protocol,
    compare,
    published_figures,
    retrieval_protocol,
    zero_shot_protocol,
)
from fcaps_pipeline.learn.evaluation.corpora.ravdess import RAVDESS_EMOTIONS
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate
from fcaps_pipeline.learn.evaluation.metrics.retrieval import DirectionScores, GranularityScores
from fcaps_pipeline.learn.evaluation.metrics.zero_shot import load_label_sentences
from fcaps_pipeline.records.captions import Granularity

_OURS = Estimate(value=0.5, low=0.44, high=0.56, num_items=241)
_DIRECTION = DirectionScores(
    recall_at_1=_OURS,
    recall_at_5=_OURS,
    recall_at_10=_OURS,
    median_rank=_OURS,
    map_at_10=_OURS,
    num_queries=241,
    num_gallery=241,
)


def _retrieval(data: str, num_clips: int = 241, num_captions: int = 241, num_texts: int = 241) -> Protocol:
    scores = GranularityScores(
        speech_to_text=_DIRECTION,
        text_to_speech=_DIRECTION,
        num_clips=num_clips,
        num_captions=num_captions,
        num_texts=num_texts,
    )
    return retrieval_protocol(data, Granularity.GLOBAL, "speech to text", scores)


def test_there_are_as_many_figures_as_were_published() -> None:
    figures = published_figures()
    tasks = [figure.protocol.task for figure in figures]
    assert [tasks.count(task) for task in ("retrieval", "zero-shot", "similarity")] == [16 + 3, 10, 3]
    assert all(0 < figure.value <= 1 for figure in figures)


def test_the_same_data_and_protocol_may_be_compared_and_the_flaw_is_said() -> None:
    (comparison,) = compare("R@1", _OURS, _retrieval(CLSP_TEST))
    assert comparison.admissible
    assert comparison.published.value == 0.456
    assert comparison.published.caveat is not None
    assert "chosen on these very clips" in comparison.published.caveat


@pytest.mark.parametrize(
    ("ours", "differences"),
    [
        (_retrieval("demo"), ("data: CLSP retrieval test set there, demo here",)),
        (
            _retrieval(CLSP_TEST, num_clips=100),
            ("clips: 241 there, 100 here", "captions per clip: 1 there, unknown here"),
        ),
        (_retrieval(CLSP_TEST, num_texts=200), ("equal captions: apart there, merged here",)),
        (_retrieval(CLSP_TEST, num_captions=482, num_texts=482), ("captions per clip: 1 there, 2 here",)),
    ],
)
def test_every_difference_is_named(ours: Protocol, differences: tuple[str, ...]) -> None:
    (comparison,) = compare("R@1", _OURS, ours)
    assert not comparison.admissible
    assert comparison.differences == differences


def test_zero_shot_figures_need_the_published_sentences() -> None:
    labels = ("angry", "happy", "excited", "sad", "neutral")
    same = zero_shot_protocol(IEMOCAP_4, 5531, load_label_sentences("zero_shot_emotion.v1", labels))
    other = zero_shot_protocol(IEMOCAP_4, 5531, load_label_sentences("zero_shot_emotion.v2", labels))
    (comparison,) = compare("UA", _OURS, same)
    assert comparison.admissible
    assert comparison.published.value == 0.561
    (comparison,) = compare("UA", _OURS, other)
    assert comparison.differences == ("sentences: the published there, others here",)


@pytest.mark.parametrize(
    ("data", "num_clips", "prompt", "labels"),
    [
        (RAVDESS_8, 1440, "zero_shot_emotion.v1", RAVDESS_EMOTIONS),
        (CREMA_D_6, 7442, "zero_shot_emotion.v1", CREMA_D_EMOTIONS),
        (RAVDESS_GENDER, 1440, "zero_shot_gender.v1", ("male", "female")),
        (CREMA_D_AGE, 7442, "zero_shot_age.v1", AGE_GROUPS),
    ],
)
def test_zero_shot_figures_need_the_whole_corpus(
    data: str, num_clips: int, prompt: str, labels: tuple[str, ...]
) -> None:
    sentences = load_label_sentences(prompt, labels)
    (comparison,) = compare("WA", _OURS, zero_shot_protocol(data, num_clips, sentences))
    assert comparison.admissible
    (comparison,) = compare("WA", _OURS, zero_shot_protocol(data, 3, sentences))
    assert comparison.differences == (f"clips: {num_clips} there, 3 here",)


def test_unlike_things_do_not_meet() -> None:
    assert compare("median rank", _OURS, _retrieval(CLSP_TEST)) == ()
    assert compare("UA", _OURS, Protocol(task="zero-shot", data="RAVDESS-4")) == ()
    ablation = compare("mean mAP@10", _OURS, Protocol(task="retrieval", data="demo", num_clips=9))
    assert [item.published.system for item in ablation] == ["CLSP, stage 1 only", "CLSP, stage 2 only", "CLSP"]
    ratings = compare("Pearson", _OURS, Protocol(task="similarity", data="ours", num_raters=3))
    assert ratings[0].differences == (
        "data: CLSP style ratings, intrinsic there, ours here",
        "raters: 20 there, 3 here",
    )

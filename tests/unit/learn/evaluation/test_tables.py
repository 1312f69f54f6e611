"""Results become Markdown tables with intervals."""

import numpy as np

from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledClip, LabelledCorpus, PassedOver
from fcaps_pipeline.learn.evaluation.corpora.published import CLSP_TEST, Protocol, compare
from fcaps_pipeline.learn.evaluation.metrics.classification import score_classification
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate
from fcaps_pipeline.learn.evaluation.metrics.detection import ClipFrames, Event, score_detection
from fcaps_pipeline.learn.evaluation.metrics.grounding import PhraseFrames, Span, score_grounding
from fcaps_pipeline.learn.evaluation.metrics.ratings import Rating, mean_ratings, rater_agreement
from fcaps_pipeline.learn.evaluation.metrics.retrieval import Captions, score_retrieval
from fcaps_pipeline.learn.evaluation.metrics.similarity import score_similarity
from fcaps_pipeline.learn.evaluation.tables import (
    classification_table,
    comparison_table,
    detection_table,
    grounding_table,
    markdown_table,
    passed_over_lines,
    percent,
    plain,
    retrieval_table,
    similarity_table,
)
from fcaps_pipeline.records.captions import Granularity

_RNG = np.random.default_rng(0)
_ESTIMATE = Estimate(value=0.4561, low=0.3939, high=0.51949, num_items=241)


def test_figures_have_their_interval() -> None:
    assert percent(_ESTIMATE) == "45.6 [39.4, 51.9]"
    assert plain(_ESTIMATE, 3) == "0.456 [0.394, 0.519]"


def test_cells_cannot_break_a_table() -> None:
    assert markdown_table(("a|b", "c"), [("x\ny", "1")]) == "| a\\|b | c |\n| --- | ---: |\n| x y | 1 |\n"


def test_retrieval_has_a_row_per_granularity_and_direction() -> None:
    axes = np.eye(3, dtype=np.float32)
    captions = Captions(axes, ["a", "b", "c"], range(3))
    table = retrieval_table(score_retrieval(axes, {Granularity.GLOBAL: captions, Granularity.FINE: captions}, _RNG)[0])
    rows = table.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:6]] == [
        "global, speech to text",
        "global, text to speech",
        "fine, speech to text",
        "fine, text to speech",
    ]
    assert "100.0 [100.0, 100.0] | 1.0 [1.0, 1.0] | 100.0 [100.0, 100.0] |" in rows[2]
    assert rows[-1] == "Mean mAP@10 over granularities and directions: 100.0 [100.0, 100.0] %."


def test_classification_tells_chance() -> None:
    scores = score_classification(["a", "b"], ["a", "b"], ("a", "b", "c"), _RNG)
    assert classification_table({"task": scores}).splitlines()[2].startswith("| task | 2 | 3 | 50.0 | 100.0 [")


def test_similarity_with_and_without_raters() -> None:
    ratings = [Rating(clip=f"{c}", caption="x", rating=c + r, rater=f"{r}") for c in range(5) for r in range(2)]
    pairs = mean_ratings(ratings)
    named = score_similarity(pairs, range(5), rater_agreement(ratings, _RNG), _RNG)
    unnamed = named.model_copy(update={"agreement": None})
    rows = similarity_table({"named": named, "unnamed": unnamed}).splitlines()
    assert "| 2 | 1.000 | " in rows[2]
    assert rows[3].endswith("| - | - | - |")


def test_frames_have_a_row_per_system() -> None:
    phrase = PhraseFrames("c", "x", np.array([0.0, 1.0]), 0.5, (Span(start_s=0.5, end_s=1.0),))
    grounded = score_grounding([phrase], _RNG, threshold=0.5, median_frames=1)
    assert grounding_table({"ours": grounded}).splitlines()[2] == (
        "| ours | 1 | 0 | 100.0 [100.0, 100.0] | 100.0 [100.0, 100.0] | 50.0 |"
    )
    clip = ClipFrames("c", np.array([[0.0], [1.0]]), 0.5, (Event(label="x", start_s=0.5, end_s=1.0),))
    detected = score_detection([clip], ("x",), _RNG, threshold=0.5, num_psds_resamples=2)
    assert detection_table({"ours": detected}).splitlines()[2].endswith("| - |")


def test_comparisons_that_are_not_admissible_stand_below_with_the_reason() -> None:
    same = Protocol(
        task="retrieval",
        data=CLSP_TEST,
        num_clips=241,
        granularity=Granularity.FINE,
        direction="text to speech",
        captions_per_clip=1,
        equal_captions="none",
    )
    other = same.model_copy(update={"data": "demo"})
    text = comparison_table([*compare("R@1", _ESTIMATE, same), *compare("R@1", _ESTIMATE, other)])
    table, refusals = text.split("\n\n")
    assert "| R@1, CLSP retrieval test set, fine, text to speech | CLSP | 67.2 | 45.6 [39.4, 51.9] | its ch" in table
    assert refusals.startswith("- not comparable with CLSP, R@1, CLSP retrieval test set, fine, text to speech: data: ")
    assert comparison_table([]) == ""


def test_files_passed_over_are_counted_and_named() -> None:
    clip = LabelledClip(path="a.wav", emotion="sad", gender=None, age_years=None, speaker="1")
    over = [PassedOver(path=f"{number}.wav", reason="a song") for number in range(22)]
    text = passed_over_lines(LabelledCorpus(name="RAVDESS", clips=(clip,), passed_over=tuple(over)))
    first, second = text.splitlines()
    assert first == "- RAVDESS: 1 clips, 22 files passed over"
    assert second.startswith("  - 22 x a song: 0.wav, 1.wav, ")
    assert second.endswith("19.wav and 2 more")

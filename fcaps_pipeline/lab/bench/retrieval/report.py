"""Writes the page of the benchmark: tables with intervals, what was expected, curves of dev.

Enters: the scale and what every variant came to. Leaves: `report.md` and `curves.png`, to be copied as they are.
"""

from collections.abc import Sequence
from pathlib import Path

from fcaps_pipeline.lab.bench.retrieval.jobs import BOTH_SHARE, Scale
from fcaps_pipeline.lab.bench.retrieval.train_variant import VariantResult
from fcaps_pipeline.learn.evaluation.metrics.grounding import GroundingScores
from fcaps_pipeline.learn.evaluation.metrics.retrieval import GranularityScores
from fcaps_pipeline.learn.evaluation.tables import markdown_table, percent
from fcaps_pipeline.learn.training.curves import draw_curves
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.storage.files import write_durably, writing

PAGE, CURVES = "report.md", "curves.png"
_TIMES_CHANCE = 20
_RETRIEVAL_HEADER = (
    "way",
    "captions",
    "S to T mAP@10 %",
    "T to S mAP@10 %",
    "S to T R@1 %",
    "T to S R@1 %",
    "R@1 / chance",
    "mean mAP@10 %",
)
_GROUNDING_HEADER = ("way", "frames by", "mean IoU %", "pointing %", "pointing by chance %")

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Header and rows."""


def tables(results: Sequence[VariantResult]) -> tuple[Table, Table]:
    """Retrieval, one row per variant and granularity; and grounding, one row per variant."""
    return (
        (_RETRIEVAL_HEADER, [row for result in results for row in _retrieval_rows(result)]),
        (_GROUNDING_HEADER, [_grounding_row(result) for result in results]),
    )


def expectations(results: Sequence[VariantResult]) -> list[str]:
    """What the papers lead to expect, each with what was found."""
    found = {result.variant.name: result for result in results}
    both, frames = found["both"], found["both_frames"]
    alone = max((found[name] for name in ("stage_1", "stage_2")), key=lambda one: one.retrieval.mean_map_at_10.value)
    lines = [
        _line(
            "both stages beat either alone on mean mAP@10",
            both.retrieval.mean_map_at_10.value > alone.retrieval.mean_map_at_10.value,
            f"{percent(both.retrieval.mean_map_at_10)} against {percent(alone.retrieval.mean_map_at_10)} of "
            f"{alone.variant.title}",
        ),
        _line(
            "the frame stream lifts grounding far above none",
            all(_lies_above(frames.grounding, one.grounding) for one in results if not one.variant.frames),
            f"mean IoU {percent(frames.grounding.mean_iou)} against {percent(both.grounding.mean_iou)}, pointing "
            f"{percent(frames.grounding.pointing_accuracy)} against {percent(both.grounding.pointing_accuracy)} of the "
            "same stages without it",
        ),
    ]
    for result in (both, frames):
        least, which = min((min(_times_chance(result.retrieval.granularities[one])), one) for one in Granularity)
        lines.append(
            _line(
                f"{result.variant.title}: R@1 is {_TIMES_CHANCE} times chance or more",
                least >= _TIMES_CHANCE,
                f"{least:.0f} times or more, least with {which} captions",
            )
        )
    return lines


def write_page(folder: Path, scale: Scale, results: Sequence[VariantResult], today: str) -> None:
    """Writes both files.

    Args:
        folder: where they go.
        scale: how large the benchmark is.
        results: of all ways.
        today: date for the page.

    Raises:
        OutputError: the folder cannot be written.
    """
    with writing(folder / PAGE):
        draw_curves(folder / CURVES, _series(results), title="dev, mean of both directions", value="mAP@10")
        write_durably(folder / PAGE, _page(scale, results, today))


def _page(scale: Scale, results: Sequence[VariantResult], today: str) -> str:
    retrieval, grounding = (markdown_table(header, rows) for header, rows in tables(results))
    parts = [
        "# Retrieval on synthetic speech with known truth",
        f"{today}, {results[0].machine}; one thread per variant, seed {scale.seed}.",
        _method(scale, results),
        "## Retrieval",
        retrieval,
        f"S is speech, T text. Brackets are bootstrap intervals of 95 % over the {results[0].unit} of test.",
        "## Grounding",
        grounding,
        "Without the frame stream each frame is embedded as though it were a clip. Dev chose the thresholds.",
        "## Expected and found",
        "\n".join(expectations(results)),
        "## Dev",
        f"![mAP@10 on dev]({CURVES})",
        markdown_table(("way", "chosen steps", "rows heard", "minutes of steps"), [_cost(one) for one in results]),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _method(scale: Scale, results: Sequence[VariantResult]) -> str:
    tested = results[0].retrieval.granularities[Granularity.FINE]
    return (
        f"Every way takes {scale.steps} steps over batches of {scale.batch_s:g} s of speech. Stage 1 hears "
        f"{scale.large_rows} recordings with one fine caption each, stage 2 hears {scale.small_rows} others with four "
        f"fine and two global captions each; where both are trained, stage 1 takes {BOTH_SHARE:.0%} of the steps. "
        f"Captions and events follow from exact truth. Dev ({scale.dev_rows} recordings) chose the checkpoints; test "
        f"({tested.num_clips} recordings, {tested.num_texts} distinct fine captions) was read once. No voice and no "
        "sentence stands in two of train, dev and test."
    )


def _retrieval_rows(result: VariantResult) -> list[tuple[str, ...]]:
    """The mean over granularities and directions stands in the first row of a variant."""
    rows: list[tuple[str, ...]] = []
    for granularity in Granularity:
        scores = result.retrieval.granularities[granularity]
        directions = (scores.speech_to_text, scores.text_to_speech)
        rows.append(
            (
                "" if rows else result.variant.title,
                granularity.value,
                *(percent(one.map_at_10) for one in directions),
                *(percent(one.recall_at_1) for one in directions),
                " / ".join(f"{times:.0f}" for times in _times_chance(scores)),
                "" if rows else percent(result.retrieval.mean_map_at_10),
            )
        )
    return rows


def _grounding_row(result: VariantResult) -> tuple[str, ...]:
    grounding = result.grounding
    return (
        result.variant.title,
        "frame stream" if result.variant.frames else "projection of clips",
        percent(grounding.mean_iou),
        percent(grounding.pointing_accuracy),
        f"{100 * grounding.pointing_chance:.1f}",
    )


def _times_chance(scores: GranularityScores) -> tuple[float, float]:
    """R@1 of both directions against that of an order drawn at random.

    A clip has one right text among all different ones. A text has as many right clips as share it, on average all
    clips over all texts; among all clips that is one in the number of texts again.
    """
    to_text, to_speech = (one.recall_at_1.value for one in (scores.speech_to_text, scores.text_to_speech))
    return to_text * scores.num_texts, to_speech * scores.num_texts


def _lies_above(higher: GroundingScores, lower: GroundingScores) -> bool:
    """Whether the intervals of both figures lie apart."""
    pairs = ((higher.mean_iou, lower.mean_iou), (higher.pointing_accuracy, lower.pointing_accuracy))
    return all(high.low > low.high for high, low in pairs)


def _line(expected: str, holds: bool, found: str) -> str:  # noqa: FBT001
    return f"- {expected}: {'yes' if holds else 'NO'} ({found})"


def _series(results: Sequence[VariantResult]) -> dict[str, list[tuple[int, float]]]:
    return {
        f"{result.variant.title}, {granularity}": points
        for result in results
        for granularity in Granularity
        if (points := [(one.step, one.map_at_10[granularity]) for one in result.curve if granularity in one.map_at_10])
    }


def _cost(result: VariantResult) -> tuple[str, ...]:
    steps = ", ".join(f"{name} {step}" for name, step in result.best_steps.items())
    return result.variant.title, steps, f"{result.num_rows_heard}", f"{result.train_s / 60:.1f}"

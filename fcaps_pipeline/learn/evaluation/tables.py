"""Results as Markdown tables, every figure with its interval of 95 %.

Enters: the records of this package. Leaves: text. Shares are written in percent.
"""

from collections.abc import Iterator, Mapping, Sequence

from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledCorpus
from fcaps_pipeline.learn.evaluation.corpora.published import Comparison
from fcaps_pipeline.learn.evaluation.metrics.classification import ClassificationScores
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate
from fcaps_pipeline.learn.evaluation.metrics.detection import DetectionScores
from fcaps_pipeline.learn.evaluation.metrics.grounding import GroundingScores
from fcaps_pipeline.learn.evaluation.metrics.retrieval import DirectionScores, RetrievalScores
from fcaps_pipeline.learn.evaluation.metrics.similarity import SimilarityScores

_MAX_NAMES = 20


def percent(estimate: Estimate) -> str:
    """A share with its interval, for example `45.6 [39.4, 51.9]`."""
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]".replace("%", "")


def plain(estimate: Estimate, digits: int) -> str:
    """A figure that is no share, with its interval."""
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is left-aligned and whose others are right-aligned; ends in a line break."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, marks, *rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def retrieval_table(scores: RetrievalScores) -> str:
    """One row per granularity and direction, and the mean mAP@10 below."""
    header = ("captions, direction", "queries", "gallery", "R@1 %", "R@5 %", "R@10 %", "median rank", "mAP@10 %")
    rows = [
        row
        for granularity, of_granularity in scores.granularities.items()
        for row in (
            _direction_row(f"{granularity}, speech to text", of_granularity.speech_to_text),
            _direction_row(f"{granularity}, text to speech", of_granularity.text_to_speech),
        )
    ]
    mean = f"\nMean mAP@10 over granularities and directions: {percent(scores.mean_map_at_10)} %.\n"
    return markdown_table(header, rows) + mean


def classification_table(tasks: Mapping[str, ClassificationScores]) -> str:
    """One row per task, with the accuracy of chance."""
    header = ("task", "clips", "labels", "chance UA %", "WA %", "UA %", "macro-F1 %")
    rows = [
        (
            name,
            f"{scores.num_clips}",
            f"{len(scores.labels)}",
            f"{100 / sum(any(row) for row in scores.confusion):.1f}",
            percent(scores.weighted_accuracy),
            percent(scores.unweighted_accuracy),
            percent(scores.macro_f1),
        )
        for name, scores in tasks.items()
    ]
    return markdown_table(header, rows)


def similarity_table(sets: Mapping[str, SimilarityScores]) -> str:
    """One row per set of rated pairs, with the agreement of the raters."""
    header = ("ratings", "pairs", "Pearson", "Spearman", "Kendall", "raters", "between raters", "alpha")
    rows = []
    for name, scores in sets.items():
        row = [name, f"{scores.num_pairs}", *(plain(e, 3) for e in (scores.pearson, scores.spearman, scores.kendall))]
        agreement = scores.agreement
        if agreement is None:
            rows.append([*row, "-", "-", "-"])
        else:
            between = "-" if agreement.mean_correlation is None else f"{agreement.mean_correlation:.3f}"
            rows.append([*row, f"{agreement.num_raters}", between, plain(agreement.alpha, 3)])
    return markdown_table(header, rows)


def grounding_table(systems: Mapping[str, GroundingScores]) -> str:
    """One row per system, with the pointing accuracy of chance."""
    header = ("system", "phrases", "without span", "mean IoU %", "pointing %", "pointing by chance %")
    rows = [
        (
            name,
            f"{scores.num_phrases}",
            f"{scores.num_without_span}",
            percent(scores.mean_iou),
            percent(scores.pointing_accuracy),
            f"{100 * scores.pointing_chance:.1f}",
        )
        for name, scores in systems.items()
    ]
    return markdown_table(header, rows)


def detection_table(systems: Mapping[str, DetectionScores]) -> str:
    """One row per system."""
    header = ("system", "clips", "events", "segment F1 macro %", "segment F1 micro %", "PSDS 1 %", "PSDS 2 %")
    rows = [
        (
            name,
            f"{scores.num_clips}",
            f"{scores.num_events}",
            percent(scores.segment_f1_macro),
            percent(scores.segment_f1_micro),
            percent(scores.psds_1),
            "-" if scores.psds_2 is None else percent(scores.psds_2),
        )
        for name, scores in systems.items()
    ]
    return markdown_table(header, rows)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Published figures where they may be compared; the others by name, with the reason."""
    rows = [
        (
            _question(item),
            item.published.system,
            f"{100 * item.published.value:.1f}",
            percent(item.ours),
            item.published.caveat or "",
        )
        for item in comparisons
        if item.admissible
    ]
    table = markdown_table(("measure", "system", "published %", "ours %", "caveat"), rows) if rows else ""
    return "\n".join(filter(None, (table, "".join(_refusals(comparisons)))))


def passed_over_lines(corpus: LabelledCorpus) -> str:
    """How many files of a corpus gave no clip and why, and the names of the first of each kind."""
    lines = [f"- {corpus.name}: {len(corpus.clips)} clips, {len(corpus.passed_over)} files passed over\n"]
    for reason, count in corpus.passed_over_by_reason.items():
        names = [item.path for item in corpus.passed_over if item.reason == reason]
        more = f" and {count - _MAX_NAMES} more" if count > _MAX_NAMES else ""
        lines.append(f"  - {count} x {reason}: {', '.join(names[:_MAX_NAMES])}{more}\n")
    return "".join(lines)


def _direction_row(name: str, scores: DirectionScores) -> tuple[str, ...]:
    return (
        name,
        f"{scores.num_queries}",
        f"{scores.num_gallery}",
        percent(scores.recall_at_1),
        percent(scores.recall_at_5),
        percent(scores.recall_at_10),
        plain(scores.median_rank, 1),
        percent(scores.map_at_10),
    )


def _question(item: Comparison) -> str:
    protocol = item.published.protocol
    parts = (item.published.measure, protocol.data, protocol.granularity, protocol.direction)
    return ", ".join(part for part in parts if part is not None)


def _refusals(comparisons: Sequence[Comparison]) -> Iterator[str]:
    for item in comparisons:
        if not item.admissible:
            why = "; ".join(item.differences)
            yield f"- not comparable with {item.published.system}, {_question(item)}: {why}\n"

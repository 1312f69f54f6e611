"""An evaluation as Markdown: tables, what may be compared with papers, and what was left out by name.

Enters: an `EvaluationReport`, pictures by task. Leaves: the text of `report.md`.
"""

from collections.abc import Mapping, Sequence

from fcaps_pipeline.learn.evaluation.corpora.published import Comparison
from fcaps_pipeline.learn.evaluation.embedder import BadItem
from fcaps_pipeline.learn.evaluation.outcomes import (
    EvaluationReport,
    GroundingOutcome,
    Outcome,
    RetrievalOutcome,
    SimilarityOutcome,
    ZeroShotOutcome,
)
from fcaps_pipeline.learn.evaluation.tables import (
    classification_table,
    comparison_table,
    detection_table,
    grounding_table,
    retrieval_table,
    similarity_table,
)

_MAX_NAMED = 50


def report_text(report: EvaluationReport, pictures: Mapping[str, Sequence[str]]) -> str:
    """The whole report.

    Args:
        report: what came out.
        pictures: file names beside the report, by task.
    """
    head = (
        "# Evaluation\n\n"
        f"- model: {report.job['model']}, weights sha256:{report.model_sha256}\n"
        f"- machine: {report.machine}\n"
        "- after each figure in brackets: the interval that covers it in 95 % of draws of what the task names\n"
    )
    return head + "".join(
        f"\n## {name}: {outcome.kind.replace('_', '-')}\n\n{outcome_text(name, outcome)}"
        + "".join(f"\n![{picture}]({picture})\n" for picture in pictures.get(name, ()))
        for name, outcome in report.outcomes.items()
    )


def outcome_text(name: str, outcome: Outcome) -> str:
    """Tables and lists of one task, without its pictures."""
    parts = (
        _tables(name, outcome),
        _comparisons(outcome.comparisons),
        "".join(f"- {line}\n" for line in _facts(outcome)) + _corpus_lines(outcome),
        _bad_items(outcome),
    )
    return "\n".join(part for part in parts if part)


def _tables(name: str, outcome: Outcome) -> str:
    match outcome:
        case RetrievalOutcome():
            return retrieval_table(outcome.scores)
        case ZeroShotOutcome():
            return classification_table(outcome.scores)
        case SimilarityOutcome():
            return similarity_table({name: outcome.scores})
        case GroundingOutcome():
            found = "" if outcome.detection is None else "\n" + detection_table({name: outcome.detection})
            return grounding_table({name: outcome.scores}) + found


def _comparisons(comparisons: Sequence[Comparison]) -> str:
    """Figures that may stand beside ours as a table; the others in one line per reason."""
    table = comparison_table([item for item in comparisons if item.admissible])
    refused: dict[tuple[str, ...], list[Comparison]] = {}
    for item in comparisons:
        if not item.admissible:
            refused.setdefault(item.differences, []).append(item)
    lines = [f"- not compared with {_names(items)}: {'; '.join(why)}\n" for why, items in refused.items()]
    return "\n".join(filter(None, (table, "".join(lines))))


def _names(items: Sequence[Comparison]) -> str:
    """Published figures, the measures of one question together: `CLSP global speech to text (R@1, R@5)`."""
    measures: dict[str, dict[str, None]] = {}
    for item in items:
        published = item.published
        question = (published.system, published.protocol.granularity, published.protocol.direction)
        measures.setdefault(" ".join(filter(None, question)), {})[published.measure] = None
    return ", ".join(f"{name} ({', '.join(found)})" for name, found in measures.items())


def _facts(outcome: Outcome) -> list[str]:
    cut = f"{outcome.num_cut_texts} of {outcome.num_texts} texts were longer than the text tower takes and were cut"
    sentences = [f"{name}: sentences of {origin}" for name, origin in _sentences(outcome).items()]
    measured = f"{outcome.num_clips} clips measured, {len(outcome.bad_items)} left out"
    return [measured, f"intervals are of draws of {outcome.unit}", cut, *sentences, *outcome.notes]


def _sentences(outcome: Outcome) -> dict[str, str]:
    return outcome.sentences if isinstance(outcome, ZeroShotOutcome) else {}


def _corpus_lines(outcome: Outcome) -> str:
    return outcome.corpus_lines if isinstance(outcome, ZeroShotOutcome) else ""


def _bad_items(outcome: Outcome) -> str:
    items = outcome.bad_items
    if not items:
        return ""
    more = [f"- and {len(items) - _MAX_NAMED} more, each named in metrics.json"] if len(items) > _MAX_NAMED else []
    lines = [f"- {_named(item)}" for item in items[:_MAX_NAMED]]
    return "\n".join([f"{len(items)} could not be used:\n", *lines, *more]) + "\n"


def _named(item: BadItem) -> str:
    """The reasons of files hold their paths."""
    return item.reason if item.name in item.reason else f"{item.name}: {item.reason}"

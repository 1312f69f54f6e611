"""Writes `report.md` and its pictures from the log and the state of a run.

Enters: the log, the state, what is known of data and machine. Leaves: files in the run folder.
"""

from collections.abc import Sequence

from fcaps_pipeline.learn.training.checkpoint import TrainState
from fcaps_pipeline.learn.training.curves import Points, draw_curves
from fcaps_pipeline.learn.training.metrics_log import Entry, read_log
from fcaps_pipeline.learn.training.run_folder import TrainLayout
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import write_durably, writing

_PLAIN = ("event", "step", "num_rows")
_NOT_LOSSES = frozenset(
    {"epoch", "ignored_share", "learning_rate", "gradient_norm", "num_bad_rows", "step_s", "wait_s", "text_s"}
)
_MAX_NAMED = 50
_UNKNOWN_STAGES = (
    "- not checked: whether an earlier stage was trained on rows or voices of dev or test, for the model folder it "
    "started from does not say what that was trained on"
)


class RunFacts(Record):
    """What the report says besides figures."""

    splits: dict[str, tuple[int, float]]
    """Rows and hours by split."""
    num_short: dict[str, int]
    """Rows shorter than the job takes, which were left out, by split."""
    notes: tuple[str, ...] = ()
    """Audio that is missing, and what splits have in common."""
    all_stages_known: bool
    """False where training started from a model folder that does not say what it was trained on."""
    num_steps: int
    num_dev_rows: int
    """Rows of dev that are embedded."""
    metric: str
    machine: str


class TrainingReport(Record):
    """What came out of a run."""

    state: TrainState
    facts: RunFacts
    dev: dict[str, float]
    """Figures of the best step."""
    bad_rows: dict[str, str]
    """Rows of train and dev that could not be used, with the reason, by their Segment id."""

    @property
    def wait_share(self) -> float:
        """Share of the time of all steps that was spent waiting for data."""
        return self.state.wait_s / self.state.step_s if self.state.step_s else 0.0

    @property
    def text_share(self) -> float:
        """Share of the time of all steps that went into texts before the towers could begin."""
        return self.state.text_s / self.state.step_s if self.state.step_s else 0.0


def write_report(layout: TrainLayout, state: TrainState, facts: RunFacts) -> TrainingReport:
    """Writes `report.md`, `loss.png` and `dev.png`.

    Raises:
        OutputError: the folder cannot be written.
    """
    entries = read_log(layout.log)
    measured = [entry for entry in entries if entry["event"] == "dev"]
    best_step = state.best.step if state.best else None
    best = next((_figures(entry) for entry in measured if entry["step"] == best_step), {})
    bad_rows = {entry["segment_id"]: entry["reason"] for entry in entries if entry["event"] == "bad_row"}
    report = TrainingReport(state=state, facts=facts, dev=best, bad_rows=bad_rows)
    with writing(layout.report):
        steps = [entry for entry in entries if entry["event"] == "train"]
        names = [name for name in (steps[-1] if steps else ()) if name not in {*_PLAIN, *_NOT_LOSSES}]
        draw_curves(
            layout.loss_curve, {name: _points(steps, name) for name in names}, title="loss", value="loss of a batch"
        )
        draw_curves(
            layout.dev_curve,
            {name: _points(measured, name) for name in best},
            title="retrieval on dev",
            value="share of queries, or mAP",
        )
        write_durably(layout.report, "\n".join(_lines(report)) + "\n")
    return report


def _lines(report: TrainingReport) -> list[str]:
    state, facts = report.state, report.facts
    best = f"step {state.best.step}, {facts.metric} {state.best.value:.4f}" if state.best else "none"
    rows_per_s = state.num_rows / state.step_s if state.step_s else 0.0
    lines = [
        "# Training",
        "",
        f"- steps: {state.step} of {facts.num_steps}, {state.position.epoch} whole epochs",
        *(f"- {name}: {rows} rows, {hours:.2f} h" for name, (rows, hours) in facts.splits.items()),
        *(f"- rows of {name} left out because they are short: {count}" for name, count in facts.num_short.items()),
        *(f"- {note}" for note in facts.notes),
        *([] if facts.all_stages_known else [_UNKNOWN_STAGES]),
        f"- best checkpoint on dev: {best}",
        f"- speed: {rows_per_s:.1f} rows/s",
        f"- of the step time: {report.wait_share:.1%} waiting for data, {report.text_share:.1%} making texts ready",
        f"- captions cut to the length of the text tower: {state.num_truncated}",
        f"- rows that lacked the captions of a batch and brought others: {state.num_substituted}",
        f"- machine: {facts.machine}",
        "",
        "![loss](loss.png)",
        "",
        "![dev](dev.png)",
        "",
        f"## Dev at the best step, {facts.num_dev_rows} rows",
        "",
        "The dev split chose this step, so these figures flatter a little; `fcaps evaluate` reads the test split.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in report.dev.items()),
    ]
    return [*lines, *_bad_row_lines(report)]


def _bad_row_lines(report: TrainingReport) -> list[str]:
    named = report.bad_rows
    shown = list(named.items())[:_MAX_NAMED]
    return [
        "",
        "## Bad rows",
        "",
        f"{len(named)} rows could not be used; they stood {report.state.num_bad_rows} times in a training batch.",
        "",
        *(f"- {segment_id}: {reason}" for segment_id, reason in shown),
        *([f"- and {len(named) - len(shown)} more, each named in log.jsonl"] if len(named) > len(shown) else []),
    ]


def _figures(entry: Entry) -> dict[str, float]:
    return {name: value for name, value in entry.items() if name not in _PLAIN}


def _points(entries: Sequence[Entry], name: str) -> Points:
    return [(entry["step"], entry[name]) for entry in entries if name in entry]

"""Runs an evaluation job: loads the model, measures task after task, writes what came out.

Enters: a job, a folder. Leaves in the folder:

metrics.json                every figure with interval and number of items, the job, what was left out by name
report.md                   the same as tables
queries-TASK.parquet        what became of each query, for `fcaps compare`
confusion-TASK-*.png        the confusion matrix of each zero-shot question

The folder belongs to one job: the same job may be run again, which replaces its files. Nothing is written before
everything is measured.
"""

import hashlib
import re
from pathlib import Path

import numpy as np

import fcaps_pipeline
from fcaps_pipeline.errors import OutputError, UsageError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.dual_encoder.storage import WEIGHTS_FILE
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.grounding import measure_grounding
from fcaps_pipeline.learn.evaluation.job import EvaluateJob, RetrievalTask, SimilarityTask, Task, ZeroShotTask
from fcaps_pipeline.learn.evaluation.metrics.classification import draw_confusion
from fcaps_pipeline.learn.evaluation.metrics.plotting import require_matplotlib
from fcaps_pipeline.learn.evaluation.outcomes import EvaluationReport, Outcome, ZeroShotOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet, queries_file, write_queries
from fcaps_pipeline.learn.evaluation.report import report_text
from fcaps_pipeline.learn.evaluation.retrieval import measure_retrieval
from fcaps_pipeline.learn.evaluation.similarity import measure_similarity
from fcaps_pipeline.learn.evaluation.zero_shot import measure_zero_shot
from fcaps_pipeline.learn.ranks import describe_machine, process_group
from fcaps_pipeline.records.progress import ProgressCallback
from fcaps_pipeline.release.grouping import hash_text
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.path import store_path

METRICS = "metrics.json"
REPORT = "report.md"


def evaluate(job: EvaluateJob, out: Path, callback: ProgressCallback) -> EvaluationReport:
    """Measures a model.

    Args:
        job: what to measure.
        out: folder for the results, new or of the same job.
        callback: told of progress.

    Raises:
        FcapsError: one line that says what is wrong and what to do.
    """
    _check_folder(out, job)
    if any(isinstance(task, ZeroShotTask) for task in job.tasks.values()):
        require_matplotlib()
    with process_group(job.device) as context:
        if context.world_size > 1:
            raise UsageError("fcaps evaluate runs in one process; start it without torchrun")
        embedder = Embedder.load(
            job.model, context.device, callback, batch_s=job.batch_s, num_workers=job.num_workers, bf16=job.bf16
        )
        measured = {name: _measure(embedder, task, name, job.seed) for name, task in job.tasks.items()}
        report = EvaluationReport(
            fcaps_version=fcaps_pipeline.__version__,
            job=job.content(),
            model_sha256=_sha256(resolve_path(job.model) / WEIGHTS_FILE),
            machine=describe_machine(context),
            outcomes={name: outcome for name, (outcome, _) in measured.items()},
        )
    _write(report, {name: queries for name, (_, queries) in measured.items()}, out)
    return report


def _measure(embedder: Embedder, task: Task, name: str, seed: int) -> tuple[Outcome, list[QuerySet]]:
    """Each task has random numbers of its own, so that other tasks of the job change nothing."""
    rng = np.random.default_rng([seed, hash_text(name)])
    if isinstance(task, RetrievalTask):
        return measure_retrieval(embedder, task, name, rng)
    if isinstance(task, ZeroShotTask):
        return measure_zero_shot(embedder, task, rng)
    if isinstance(task, SimilarityTask):
        return measure_similarity(embedder, task, name, rng)
    return measure_grounding(embedder, task, rng)


def _check_folder(out: Path, job: EvaluateJob) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"cannot write into {out}: it is not a folder; choose another --out")
    stored = read_json(store_path(out / METRICS))
    if stored is None:
        refuse_strangers(store_path(out), kind="the folder of an evaluation")
    else:
        require_same_job(stored.get("job") if isinstance(stored, dict) else None, job.content(), out / METRICS)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(report: EvaluationReport, queries: dict[str, list[QuerySet]], out: Path) -> None:
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, sets in queries.items():
        write_queries(sets, queries_file(out, name))
    pictures = {name: _draw(name, outcome, out) for name, outcome in report.outcomes.items()}
    with writing(out / REPORT):
        write_durably(out / REPORT, report_text(report, pictures))
    with writing(out / METRICS):
        write_durably(out / METRICS, report.model_dump_json(indent=1))


def _draw(name: str, outcome: Outcome, out: Path) -> list[str]:
    pictures = []
    if isinstance(outcome, ZeroShotOutcome):
        for question, scores in outcome.scores.items():
            picture = f"confusion-{name}-{re.sub(r'[^a-z0-9]+', '-', question.lower())}.png"
            draw_confusion(scores, out / picture, question)
            pictures.append(picture)
    return pictures

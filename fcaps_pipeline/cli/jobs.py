"""What SOURCE means on the command line: a job file, or audio that the default job annotates."""

from collections.abc import Sequence
from pathlib import Path

from fcaps_pipeline.audio.location import is_url
from fcaps_pipeline.jobs.annotate_job import Job, load_job
from fcaps_pipeline.jobs.resources import resolve_path, shipped_folder

_DEFAULT_JOB = "annotate_demo_cpu.yaml"


def resolve_job(source: str, overrides: Sequence[str], default: str = _DEFAULT_JOB) -> Job:
    """The job that a command line asks for.

    Args:
        source: a `.yaml` job, or a folder, audio file, archive or list.
        overrides: `--set` items.
        default: the shipped job that annotates what is no job.

    Raises:
        JobError: the job is invalid.
        SourceError: there is nothing at `source`, or nothing that can be annotated.
    """
    if source.endswith((".yaml", ".yml")):
        from fcaps_pipeline.cli.kinds import job_for

        with job_for("annotate", Path(source)):
            return load_job(Path(source), overrides)
    from fcaps_pipeline.annotate.sources.detection import detect_source

    return load_job(
        shipped_folder("jobs") / default,
        overrides,
        source=detect_source(source if is_url(source) else resolve_path(source)),
    )

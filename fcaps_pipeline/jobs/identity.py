"""What makes two annotation jobs the same: everything that decides the result, the texts of the prompts included.

Enters: a Job. Leaves: plain values for `job.json`, and their hash. A run folder belongs to one such identity.
"""

import hashlib
import json
from typing import Any

from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompts


def job_identity(job: Job) -> dict[str, Any]:
    """What decides the result: the job's content and the texts of its prompts."""
    prompts = load_prompts(job.prompt_references())
    return {**job.content(), "prompt_sha256": {name: one.sha256 for name, one in prompts.items()}}


def job_sha256(job: Job) -> str:
    """Hash of the identity."""
    return hashlib.sha256(json.dumps(job_identity(job), sort_keys=True).encode()).hexdigest()

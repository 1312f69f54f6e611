"""What makes two annotation jobs the same: what decides the result, with the texts of prompts and bounds of its own.

Enters: a Job. Leaves: plain values for `job.json`, and their hash. A run folder belongs to one such identity.
"""

import hashlib
import json
from typing import Any

from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.bounds_file import read_bounds_file
from fcaps_pipeline.jobs.prompts import load_prompts


def job_identity(job: Job) -> dict[str, Any]:
    """What decides the result: the job's content, the texts of its prompts, and the bounds that it brings."""
    prompts = load_prompts(job.prompt_references())
    identity = {**job.content(), "prompt_sha256": {name: one.sha256 for name, one in prompts.items()}}
    if job.verification.bounds is not None:
        identity["bounds_sha256"] = hashlib.sha256(read_bounds_file(job.verification.bounds)).hexdigest()
    return identity


def job_sha256(job: Job) -> str:
    """Hash of the identity."""
    return hashlib.sha256(json.dumps(job_identity(job), sort_keys=True).encode()).hexdigest()

"""What makes two annotation jobs the same: everything that decides the result, the texts of the prompts included.

Enters: a Job. Leaves: plain values for `job.json`, and their hash. A run folder belongs to one such identity.
"""

import hashlib
import json
from typing import Any

from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompt


def job_identity(job: Job) -> dict[str, Any]:
    """What decides the result: the job's content and the texts of its prompts."""
    references = {one for caption in job.captions.values() for one in (caption.prompt, caption.prompt_with_tags) if one}
    return {**job.content(), "prompt_sha256": {name: load_prompt(name).sha256 for name in sorted(references)}}


def job_sha256(job: Job) -> str:
    """Hash of the identity."""
    return hashlib.sha256(json.dumps(job_identity(job), sort_keys=True).encode()).hexdigest()

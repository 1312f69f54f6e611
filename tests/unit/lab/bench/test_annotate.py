"""A benchmark that can compare nothing says so before its engine starts."""

from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.annotate_job import Job, load_job
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.jobs.sources import FolderSource
from fcaps_pipeline.lab.bench.annotate import bench_annotate


def _job(source: Path) -> Job:
    path = shipped_folder("jobs") / "annotate_cascade_baseline_cpu.yaml"
    return load_job(path, [], source=FolderSource(path=str(source)))


def test_a_source_without_speech_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(32_000, np.float32), 16_000)
    with pytest.raises(UsageError, match="holds no speech that makes a Segment; choose another"):
        bench_annotate(_job(tmp_path), create_autospec(RunCallback))


def test_more_than_one_engine_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    job = _job(tmp_path / "missing")
    engines = {**job.engines, "second": job.engines["cascade"]}
    with pytest.raises(UsageError, match="give a job with a single one, of one replica"):
        bench_annotate(job.model_copy(update={"engines": engines}), create_autospec(RunCallback))

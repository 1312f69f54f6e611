"""A run folder remembers its job whole, and where its relative paths start."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.resources import WORKING_FOLDER, resolve_path
from fcaps_pipeline.jobs.started import recall, remember
from fcaps_pipeline.storage.path import store_path

JOB = Job.model_validate(
    {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"small": {"kind": "vllm", "num_replicas": {"min": 1, "max": 4}}},
        "captions": {"fine": {"engine": "small", "prompt": "embedded_fine.v1"}},
        "resources": {"num_segmenters": 7},
    }
)


def test_the_job_comes_back_whole_and_its_paths_start_where_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKING_FOLDER, str(tmp_path / "here"))
    remember(store_path(tmp_path / "run") / "started.json", JOB)
    monkeypatch.delenv(WORKING_FOLDER)
    monkeypatch.chdir("/")
    monkeypatch.setenv(WORKING_FOLDER, "")
    assert recall(store_path(tmp_path / "run") / "started.json") == JOB
    assert resolve_path("speech") == tmp_path / "here" / "speech"


def test_a_folder_that_remembers_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="remembers no job; give the job file"):
        recall(store_path(tmp_path / "started.json"))


def test_what_is_no_job_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "started.json").write_text("{}")
    with pytest.raises(CorruptRunError, match="is not a job"):
        recall(store_path(tmp_path / "started.json"))

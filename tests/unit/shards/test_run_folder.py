"""Opening run folders: new, the same job again, another job, something else."""

import json
import multiprocessing
from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError, LeaseLostError, OutputError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity
from fcaps_pipeline.shards.run_folder import existing, opened
from fcaps_pipeline.storage.path import store_path

JOB = Job.model_validate(
    {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"small": {"kind": "vllm"}},
        "captions": {"fine": {"engine": "small", "prompt": "embedded_fine.v1"}},
    }
)


def test_a_new_folder_remembers_its_job_and_the_same_job_may_go_on(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with opened(root, job_identity(JOB)) as layout:
        stored = json.loads(layout.job.read_text())
        assert stored.pop("prompt_sha256").keys() == {"embedded_fine.v1"}
        assert stored == JOB.content()
        layout.scratch.mkdir()
    with opened(root, job_identity(JOB)):
        assert not layout.scratch.exists()
    assert existing(root).root == store_path(root)


def test_another_job_is_refused_with_the_differing_keys(tmp_path: Path) -> None:
    with opened(tmp_path, job_identity(JOB)) as layout:
        layout.plan.parent.on_disk().mkdir()
        layout.plan.on_disk().write_text("{}")
    changed = JOB.model_copy(update={"shards": JOB.shards.model_copy(update={"unit_hours": 0.5})})
    with (
        pytest.raises(JobError, match=r"shards.unit_hours \(was 1.0, is 0.5\)"),
        opened(tmp_path, job_identity(changed)),
    ):
        pass


def test_a_job_without_a_plan_may_still_change(tmp_path: Path) -> None:
    with opened(tmp_path, job_identity(JOB)):
        pass
    changed = JOB.model_copy(update={"shards": JOB.shards.model_copy(update={"unit_hours": 0.5})})
    with opened(tmp_path, job_identity(changed)) as layout:
        assert json.loads(layout.job.read_text())["shards"]["unit_hours"] == 0.5


def test_a_folder_with_other_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"thesis\.tex"), opened(tmp_path, job_identity(JOB)):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(OutputError, match="another --out"), opened(tmp_path / "run", job_identity(JOB)):
        pass


def test_what_is_no_run_folder_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run folder"):
        existing(tmp_path)


def _hold(root: Path, held: "multiprocessing.synchronize.Event", release: "multiprocessing.synchronize.Event") -> None:
    with opened(root, job_identity(JOB)):
        held.set()
        release.wait(30)


def test_two_processes_cannot_annotate_into_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    try:
        assert held.wait(30)
        with pytest.raises(UsageError, match="another process"), opened(tmp_path, job_identity(JOB)):
            pass
    finally:
        release.set()
        other.join()
    with opened(tmp_path, job_identity(JOB)):
        pass


def test_a_folder_with_marks_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    with opened(tmp_path / "run", {"a": 1}) as layout:
        mark = layout.scratch / "00003.recording"
    mark.parent.mkdir()
    mark.write_text("tale_wav")
    with (
        pytest.raises(UsageError, match=r"begun by an earlier version, whose tmp/00003\.recording"),
        opened(tmp_path / "run", {"a": 1}),
    ):
        pass
    assert mark.exists()


def test_a_plan_of_the_former_form_is_refused_in_one_line(tmp_path: Path) -> None:
    with opened(tmp_path / "run", {"a": 1}) as layout:
        layout.former_plan.parent.on_disk().mkdir()
        layout.former_plan.on_disk().write_text('{"unit_index": 0}')
    with opened(tmp_path / "run", {"a": 1}):
        pass  # a plan that was never complete does not count
    layout.plan.on_disk().write_text("{}")
    expected = r"begun by an earlier version, whose plan/units\.jsonl means nothing to this one; finish it with that"
    with pytest.raises(UsageError, match=expected), opened(tmp_path / "run", {"a": 2}):
        pass
    with pytest.raises(UsageError, match=expected):
        existing(tmp_path / "run")


def test_a_run_that_was_taken_over_is_no_longer_ours(tmp_path: Path) -> None:
    with pytest.raises(LeaseLostError, match="another process took over"), opened(tmp_path, {"a": 1}) as layout:  # noqa: PT012
        layout.lease.check()
        (layout.root / ".lease" / "000002.json").put("{}")  # the next generation
        layout.lease.beat()

"""What the launcher makes of the errors of workers. Training on them is in tests/integration/test_training.py."""

import pickle
from pathlib import Path

import pytest
from ray.exceptions import RayActorError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from fcaps_pipeline.errors import FcapsError, JobError, ResourceError, TrainingError
from fcaps_pipeline.learn.training.ray_launcher import require_shared, root_cause


def _failed(*errors: Exception) -> WorkerGroupError:
    wrapped = [UserExceptionWithTraceback(error, "Traceback: ...") for error in errors]
    found = pickle.loads(pickle.dumps(WorkerGroupError("failed", dict(enumerate(wrapped)))))  # noqa: S301
    assert isinstance(found, WorkerGroupError)
    return found


def test_an_error_of_ours_counts_before_those_that_follow_from_it(tmp_path: Path) -> None:
    cause = root_cause(_failed(RuntimeError("Connection closed by peer"), JobError("the job is wrong")), tmp_path)
    assert isinstance(cause, JobError)
    assert str(cause) == "the job is wrong"


def test_other_errors_come_back_as_they_are(tmp_path: Path) -> None:
    cause = root_cause(_failed(ZeroDivisionError("division")), tmp_path)
    assert (type(cause), str(cause)) == (ZeroDivisionError, "division")


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        (WorkerGroupError("failed", {1: RayActorError()}), TrainingError, "1 of the workers died"),
        (ControllerError(RuntimeError("no\nroom")), ResourceError, "could not be started: no room; see to"),
    ],
)
def test_lost_workers_are_one_line(
    tmp_path: Path, error: WorkerGroupError | ControllerError, kind: type[FcapsError], expected: str
) -> None:
    cause = root_cause(error, tmp_path)
    assert isinstance(cause, kind)
    assert expected in str(cause)
    assert "\n" not in str(cause)


def test_a_worker_without_the_shared_storage_says_so(tmp_path: Path) -> None:
    require_shared(tmp_path, tmp_path)
    with pytest.raises(ResourceError, match=r"^a worker on .* does not see .*gone, which the launcher does; choose an"):
        require_shared(tmp_path, tmp_path / "gone")

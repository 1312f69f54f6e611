"""What of that which ends a call counts as the death of a process, and what nobody is at fault for."""

import pytest
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    ObjectLostError,
    RayActorError,
    RayError,
)

from fcaps_pipeline.annotate.run.ray_runtime import cluster
from fcaps_pipeline.annotate.run.ray_runtime.cluster import death_of
from fcaps_pipeline.errors import EngineDeadError

_PREEMPTED = RayActorError("0" * 32, "its node is drained", actor_init_failed=False, preempted=True)


@pytest.mark.parametrize("error", [ActorDiedError(), GetTimeoutError(), EngineDeadError("it stopped serving")])
def test_a_process_that_ends_on_a_node_that_lives_died(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "is_alive", lambda _: True)
    assert death_of(error, "node", "captioning") == "its captioning process died"


@pytest.mark.parametrize("error", [ActorDiedError(), GetTimeoutError(), EngineDeadError("it stopped serving")])
def test_on_a_lost_node_nothing_is_at_fault(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "is_alive", lambda _: False)
    assert death_of(error, "node", "captioning") is None


@pytest.mark.parametrize(
    "error", [ActorUnavailableError("connection lost", None), ObjectLostError("0" * 56, "", ""), _PREEMPTED]
)
def test_a_lost_connection_or_result_and_a_drained_node_are_no_death(
    error: RayError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "is_alive", lambda _: True)
    assert death_of(error, "node", "captioning") is None

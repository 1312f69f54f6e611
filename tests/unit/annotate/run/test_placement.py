"""What a job needs, held against nodes of a cluster that is only written down."""

from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.run.placement import (
    bundles,
    check_room,
    deadlines_s,
    idle_share,
    object_store_bytes,
    probes_of,
    room_of,
    what_is_missing,
)
from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.annotate_job import Job, load_job, parse_job
from fcaps_pipeline.jobs.resources import resolve_path

_NODES = [{"CPU": 8.0, "GPU": 4.0}, {"CPU": 8.0, "GPU": 4.0, "memory": 1e9}, {"CPU": 2.0}]


def _job(**changes: Any) -> Job:
    resources = {"ray_address": "auto", "num_segmenters": 4, "cpus_per_segmenter": 0.5}
    engine = {"kind": "vllm", "device": "gpu", "num_replicas": 2, "gpus_per_replica": 4, "cpus_per_replica": 4}
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"large": {**engine, **changes}, "rules": {"kind": "cascade"}},
        "captions": {
            "fine": {"engine": "large", "prompt": "embedded_fine.v1"},
            "global": {"engine": "rules", "prompt": "embedded_global.v1"},
        },
        "resources": resources,
    }
    return parse_job(content, "the test")


def test_every_process_has_its_bundle_but_those_that_need_nothing() -> None:
    assert bundles(_job()) == [{"CPU": 0.5}] * 4 + [{"CPU": 4.0, "GPU": 4.0}] * 2


def test_a_job_that_fits_is_let_through() -> None:
    check_room(_job(), _NODES)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"gpus_per_replica": 8, "num_replicas": 1},
            "one replica of engine large wants 8 GPUs on one node, the largest",
        ),
        ({"cpus_per_replica": 9}, "one replica of engine large wants 9 CPUs on one node, the largest has 8; lower"),
        ({"num_replicas": 3}, "the job wants 12 GPUs, the cluster has 8; lower engines"),
        ({"gpus_per_replica": 1, "num_replicas": 5}, "the job wants 22 CPUs, the cluster has 18; lower resources"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_lower(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ResourceError, match=expected):
        check_room(_job(**changes), _NODES)


def test_only_what_a_job_must_have_counts_against_it() -> None:
    check_room(_job(num_replicas={"min": 2, "max": 64}), _NODES)


def test_who_waits_for_a_cluster_is_told_what_is_missing() -> None:
    assert "the cluster has 8; lower engines" in what_is_missing(_job(num_replicas=3), _NODES)
    assert "only slow to start, or has no room on one node beside" in what_is_missing(_job(), _NODES)


def test_a_replica_holds_what_its_engine_works_on_and_half_as_much_again() -> None:
    job = _job(max_num_seqs=512)
    asked = job.captions["fine"].model_copy(update={"num_candidates": 5})  # type: ignore[index]
    job = job.model_copy(update={"captions": {**job.captions, "fine": asked}})
    assert (room_of(job, "large"), room_of(job, "rules")) == (154, 24)


def test_a_replica_that_only_checks_holds_as_many_as_its_questions_keep_busy() -> None:
    probe = {"kind": "probe", "engine": "ears", "prompt": "probe.v1", "max_probes": 4}
    content = _job().model_dump(mode="json")
    content["engines"]["ears"] = {"kind": "vllm", "max_num_seqs": 64}
    content["verification"]["verifiers"].append(probe)
    job = parse_job(content, "the test")
    assert (probes_of(job, "ears"), probes_of(job, "large")) == (8, 0)
    assert room_of(job, "ears") == 12


def test_a_server_is_given_the_time_that_its_own_waiting_takes() -> None:
    job = _job()
    server = parse_job(
        {
            **job.model_dump(mode="json"),
            "engines": {
                "large": {"kind": "endpoint", "base_url": "http://x/v1", "model": "m"},
                "rules": {"kind": "cascade"},
            },
        },
        "the test",
    )
    assert deadlines_s(job, "rules") == (60.0, 1800.0)
    shortest_s, longest_s = deadlines_s(server, "large")
    assert shortest_s == longest_s == 3 * 720.0


def test_shared_memory_follows_from_what_is_in_flight_and_never_takes_the_machine() -> None:
    job = _job()
    in_flight_bytes = 4 * 48 * 30 * 32_000
    assert object_store_bytes(job, 2**40) == 128 * 2**20 + 1.5 * in_flight_bytes
    assert object_store_bytes(job, 10**9) == 300_000_000
    assert object_store_bytes(job, 10**6) == 128 * 2**20


def test_engines_that_would_wait_for_work_are_told_of() -> None:
    assert idle_share(_job(max_num_seqs=96)) is None
    told = idle_share(_job(max_num_seqs=96, num_replicas={"min": 1, "max": 8}))
    assert told is not None
    assert told.startswith("the replicas of engine large work on 768 segments at once, and resources.num_segmenters x")
    assert "lets 192 wait for captions: 75% of the engine would be idle; raise one of the two" in told


@pytest.mark.parametrize("path", sorted(resolve_path("jobs").glob("annotate_*.yaml")), ids=lambda path: path.stem)
def test_the_segmenters_of_the_shipped_jobs_keep_their_engines_busy(path: Path) -> None:
    assert idle_share(load_job(path)) is None

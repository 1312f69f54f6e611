"""What a job needs, held against nodes of a cluster that is only written down."""

from typing import Any

import pytest

from fcaps_pipeline.annotate.run.placement import bundles, check_room, no_room
from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job

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


def test_where_only_the_places_are_lacking_it_is_said_so() -> None:
    assert "no room for its 6 processes together" in str(no_room(_job()))

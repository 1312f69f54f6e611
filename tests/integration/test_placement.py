"""A cluster of two small nodes, on one machine: what a job wants must fit on them one process at a time."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from ray.cluster_utils import Cluster

from fcaps_pipeline.annotate.run import ray_runtime
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.ray_runtime import RayRuntime
from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.shards.layout import RunLayout


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of three cores each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    cluster.add_node(num_cpus=3)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def _job(cluster: Cluster, num_segmenters: int, cpus_per_segmenter: float) -> Job:
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"rules": {"kind": "cascade"}},
        "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
        "resources": {
            "ray_address": cluster.address,
            "num_segmenters": num_segmenters,
            "cpus_per_segmenter": cpus_per_segmenter,
        },
    }
    return parse_job(content, "the test")


def test_processes_that_fit_in_sum_but_on_no_node_are_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_runtime, "_PLACEMENT_TIMEOUT_S", 3.0)
    runtime = RayRuntime(_job(cluster, num_segmenters=3, cpus_per_segmenter=2), RunLayout(tmp_path))
    with (
        pytest.raises(ResourceError, match=r"has what the job wants, but no room for its 3 processes .*; lower "),
        runtime,
    ):
        pass


def test_processes_that_fit_on_the_nodes_are_started(cluster: Cluster, tmp_path: Path) -> None:
    runtime = RayRuntime(_job(cluster, num_segmenters=2, cpus_per_segmenter=3), RunLayout(tmp_path))
    with runtime:
        assert runtime.start_engines(create_autospec(RunCallback))["rules"].engine == "cascade"

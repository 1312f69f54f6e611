"""Where metrics go, and the board that draws them."""

import json
import re
import socket

import pytest

from fcaps_pipeline.annotate.run.watch.metrics import ALL, NullMetrics, build_metrics
from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.jobs.capacity import ResourceConfig
from fcaps_pipeline.jobs.resources import shipped_folder


def test_a_run_on_its_own_exports_nothing_unless_asked() -> None:
    assert isinstance(build_metrics(ResourceConfig()), NullMetrics)


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=rf"metrics_port {port} cannot be used: Address already in use; choose"):
            build_metrics(ResourceConfig(metrics_port=port))


def test_the_board_draws_every_metric_and_no_other() -> None:
    board = json.loads((shipped_folder("jobs") / "watch_annotate_grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    drawn = {name for query in queries for name in re.findall(r"\bray_(fcaps_\w+)", query)}
    assert drawn == {metric.name for metric in ALL}
    tags = {metric.name: set(metric.tags) for metric in ALL}
    for query in queries:
        (name,) = set(re.findall(r"\bray_(fcaps_\w+)", query))
        grouped = {tag.strip() for group in re.findall(r"by \(([^)]*)\)", query) for tag in group.split(",")}
        assert grouped <= tags[name], query
        assert ("rate(" in query or "increase(" in query) == name.endswith("_total"), query

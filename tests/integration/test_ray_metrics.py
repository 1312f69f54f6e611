"""What Prometheus finds at the port of a Ray that we start."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.error import URLError

from fcaps_pipeline.annotate.run.watch.metrics import ALL

_EXPORT_ALL = """
import sys
import ray
from fcaps_pipeline.annotate.run.watch.metrics import ALL
from fcaps_pipeline.annotate.run.ray_runtime.ray_metrics import RayMetrics

ray.init(
    address="local", include_dashboard=False, num_cpus=1, _metrics_export_port=int(sys.argv[1]), log_to_driver=False
)
metrics = RayMetrics()
for metric in ALL:
    tags = dict.fromkeys(metric.tags, "any")
    (metrics.add if metric.kind == "counter" else metrics.put)(metric, 2, **tags)
sys.stdin.read()
"""


def test_every_metric_is_exported_under_its_name() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-c", _EXPORT_ALL, str(port)], stdin=subprocess.PIPE)
    try:
        wanted = {(f"ray_{metric.name}", metric.kind) for metric in ALL}
        deadline_s = time.monotonic() + 120
        while (found := _exported(port)) != wanted:
            assert process.poll() is None
            assert time.monotonic() < deadline_s, wanted - found
            time.sleep(0.5)
    finally:
        process.communicate(b"", timeout=60)


def _exported(port: int) -> set[tuple[str, str]]:
    """Names and types of our metrics; none while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (URLError, OSError):
        return set()
    return set(re.findall(r"^# TYPE (ray_fcaps_\w+) (\w+)$", text, flags=re.M))

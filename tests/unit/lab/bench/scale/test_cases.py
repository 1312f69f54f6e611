"""The cases, and the lines that tell of them."""

import pytest

from fcaps_pipeline.lab.bench.scale.cases import Fault, cases
from fcaps_pipeline.lab.bench.scale.report import HEADER, cost, explanation, line
from fcaps_pipeline.lab.bench.scale.rows import ScaleRow


@pytest.mark.parametrize("num_replicas", [8, 64, 256])
def test_every_case_has_its_replicas(num_replicas: int) -> None:
    found = {one.name: one for one in cases(num_replicas)}
    assert len(found) == 9
    assert len(found["ten joining late"].parts) == num_replicas + 10
    assert all(len(one.parts) == num_replicas for name, one in found.items() if name != "ten joining late")
    assert sum(one.speed == 0.5 for one in found["half at half speed"].parts) == num_replicas // 2
    assert sum(one.fault is Fault.HANGS for one in found["one hung"].parts) == 1
    assert sum(one.fault is Fault.NODE_LOST for one in found["5 lost for good"].parts) == 5
    (absent,) = [one for one in found["one absent for three minutes"].parts if one.fault]
    assert absent.back_after_s == 180
    assert found["one absent for three minutes"].measured_s > 180


def test_a_line_has_one_per_cent_and_stands_under_its_header() -> None:
    row = ScaleRow(
        num_replicas=256,
        case="one absent for three minutes",
        busy_share=0.979,
        aim=0.95,
        clips_per_s=766.4,
        memory_mb=2310,
        dispatcher_ms_per_clip=0.1234,
        cpu_ms_per_clip={"queue": 0.1234, "segmenters": 1.5},
    )
    text = line(row)
    assert " 97.9 % " in text
    assert text.count("%") == 1
    assert text.index("97.9") < HEADER.index("busy") + 6
    assert cost(row) == "CPU time of a clip: queue 0.12 ms, segmenters 1.50 ms"
    assert not any("%" in one for one in explanation(2.0))

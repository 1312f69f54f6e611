"""A job may bring bounds of its own, which are part of what decides its result."""

from pathlib import Path

import pytest

from fcaps_pipeline.annotate.verification.bounds import Bound, BoundTable, load_bounds, shipped_bounds
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.jobs.identity import job_identity

_OWN = BoundTable(
    provenance="own", bounds=(Bound(attribute="rate", value="slow", measure="tempo_hz", usual=2.0, bound=3.0),)
)
_TABLE = _OWN.model_dump_json()


def _job(bounds: Path | None) -> Job:
    content = {
        "source": {"kind": "folder", "path": "/data"},
        "engines": {"e": {"kind": "cascade"}},
        "captions": {"fine": {"engine": "e", "prompt": "embedded_fine.v1"}},
        "verification": {"bounds": None if bounds is None else str(bounds)},
    }
    return parse_job(content, "test")


def test_bounds_of_a_corpus_are_read_and_count(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(_TABLE)
    assert load_bounds(str(path)) == _OWN
    assert load_bounds(None) is shipped_bounds()
    first = job_identity(_job(path))
    path.write_text(_TABLE.replace("own", "another"))
    assert first != job_identity(_job(path))
    assert "bounds_sha256" not in job_identity(_job(None))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "is no table of bounds"),
        ('{"provenance": "p", "bounds": [{"attribute": "rate"}]}', "bounds.0.value"),
        (
            _TABLE.replace("3.0", "2.0"),
            "usual and bound are both 2.0",
        ),
    ],
)
def test_what_is_no_table_of_bounds_is_told_in_one_line(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "own.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"verification\.bounds: .*own\.json.*--calibrate") as raised:
        load_bounds(str(path))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)

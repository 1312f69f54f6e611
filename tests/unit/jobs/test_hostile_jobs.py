"""What no job is, but a file may hold: refused in one line, in bounded time and memory."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError, UsageError
from fcaps_pipeline.jobs.annotate_job import load_job
from fcaps_pipeline.jobs.job_file import read_job_file
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.jobs.resources import resolve_path

_LAUGHS = "a0: &a0 [ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
_JOB = """\
source: {kind: folder, path: speech}
engines: {rules: {kind: cascade}}
captions: {fine: {engine: rules, prompt: embedded_fine.v1, seed: SEED}}
shards: {unit_hours: HOURS}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: " + "[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("a: &a [*a]\n", "stands inside it"),
        (_LAUGHS, "more than 10,000 keys, once aliases are written out"),
        ("# " + "x" * 1_000_001, "a job file has at most 1,000,000"),
        ("a: !!timestamp 2026-02-30\n", "job.yaml:1: not YAML: could not determine a constructor for the tag"),
        ("a: !!bool maybe\n", "is not YAML: 'maybe' is no truth value, expected true or false"),
        ("a: " + "9" * 5_000 + "\n", "is not YAML: Exceeds the limit"),
        ("a: \x00\n", "is not YAML"),
    ],
    ids=["deep", "self", "laughs", "long", "date", "truth", "digits", "null"],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(JobError, match=message) as raised:
        read_job_file(path, "source")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_device_is_no_job_and_no_prompt(tmp_path: Path) -> None:
    for name in ("job.yaml", "mine.v1.txt"):
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(JobError, match="is no regular file"):
        read_job_file(tmp_path / "job.yaml", "source")
    with pytest.raises(UsageError, match="is no regular file"):
        load_prompt(str(tmp_path / "mine.v1.txt"))


@pytest.mark.parametrize(
    ("seed", "hours"),
    [("-1", "1"), (str(2**63), "1"), ("1e400", "1"), ("0", ".nan"), ("0", ".inf"), ("0", "-1"), ("0", "1.0e+400")],
)
def test_numbers_out_of_range_are_refused_with_line_and_key(tmp_path: Path, seed: str, hours: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(_JOB.replace("SEED", seed).replace("HOURS", hours))
    with pytest.raises(JobError, match=r"job\.yaml:[34]: (captions\.fine\.seed|shards\.unit_hours): "):
        load_job(path)


def test_an_override_that_is_too_deep_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(_JOB.replace("SEED", "0").replace("HOURS", "1"))
    with pytest.raises(JobError, match="the value is not YAML") as raised:
        load_job(path, ["shards.unit_hours=" + "[" * 100_000])
    assert len(str(raised.value)) < 200


def test_a_null_byte_makes_no_path() -> None:
    with pytest.raises(UsageError, match="holds a null byte"):
        resolve_path("a\0b")

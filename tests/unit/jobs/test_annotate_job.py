"""Jobs: what is accepted, and the one line each mistake gives."""

from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import Job, load_job, parse_job
from fcaps_pipeline.jobs.resources import shipped_folder


def _content(**changes: Any) -> dict[str, Any]:
    return {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"small": {"kind": "vllm"}},
        "captions": {"fine": {"engine": "small", "prompt": "embedded_fine.v1"}},
        **changes,
    }


@pytest.mark.parametrize("path", sorted(shipped_folder("jobs").glob("annotate_*.yaml")), ids=lambda path: path.stem)
def test_shipped_jobs_are_valid(path: Path) -> None:
    assert load_job(path).captions


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engine": {}}, "engine: unknown key; did you mean 'engines'?"),
        (
            {"captions": {"fine": {"engine": "large", "prompt": "p"}}},
            "there is no engine 'large'; known are small",
        ),
        ({"captions": {"fine": {"prompt": "p"}}}, "captions.fine.engine: missing"),
        ({"captions": {}}, "at least one of"),
        ({"segmentation": {"min_segment_s": 40}}, "min_segment_s 40.0 must be below max_segment_s 30.0"),
        ({"segmentation": {"channels": "left"}}, "found 'left'"),
        ({"engines": {"small": {"kind": "vllm"}, "spare": {"kind": "vllm"}}}, "engines.spare is used by no"),
        (
            {"verification": {"verifiers": [{"kind": "probe", "engine": "smal", "prompt": "embedded_probe.v1"}]}},
            "verification.verifiers.0.engine: there is no engine 'smal'; did you mean 'small'?",
        ),
        (
            {
                "engines": {"small": {"kind": "vllm"}, "rules": {"kind": "cascade"}},
                "verification": {
                    "verifiers": [{"kind": "evidence"}, {"kind": "probe", "engine": "rules", "prompt": "probe.v1"}]
                },
            },
            "verification.verifiers.1.engine: rules is of kind cascade, which cannot be asked about a claim; name an",
        ),
        ({"verification": {"verifiers": [{"kind": "oracle"}]}}, "verification.verifiers.0.kind: "),
        ({"verification": {"verifiers": [{"kind": "probe", "engine": "small"}]}}, "prompt: missing"),
    ],
)
def test_a_mistake_is_named_in_one_line(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(JobError) as raised:
        parse_job(_content(**changes), "job.yaml")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_engine_that_only_verifies_counts_as_used_and_its_prompt_is_read() -> None:
    probe = {"kind": "probe", "engine": "ears", "prompt": "probe.v1"}
    engines = {"small": {"kind": "vllm"}, "ears": {"kind": "endpoint", "base_url": "http://x/v1", "model": "m"}}
    job = parse_job(_content(engines=engines, verification={"verifiers": [{"kind": "evidence"}, probe]}), "the test")
    assert list(job.engine_verifiers()) == ["verification.verifiers.1"]
    assert job.prompt_references()["verification.verifiers.1.prompt"] == "probe.v1"
    assert job.content()["verification"]["verifiers"][1]["min_margin"] == 1.0


@pytest.mark.parametrize(
    ("given", "expected"), [(3, (3, 3)), ({"min": 1, "max": 8}, (1, 8)), ({"max": 4}, (1, 4)), (None, (1, 1))]
)
def test_replicas_are_a_number_or_a_range(given: Any, expected: tuple[int, int]) -> None:
    engine = {"kind": "vllm"} if given is None else {"kind": "vllm", "num_replicas": given}
    engines = Job.model_validate(_content(engines={"small": engine})).engines
    found = engines["small"].num_replicas  # type: ignore[union-attr]
    assert (found.min, found.max) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0, r"num_replicas: expected a number from 1 on, or \{min: 1, max: 8\}, found 0"),
        ("many", "expected a number from 1 on"),
        ({"min": 4, "max": 2}, "min 4 must not exceed max 2"),
        ({"min": 0, "max": 2}, "num_replicas.min: Input should be greater than 0, found 0"),
        ({"most": 2}, "num_replicas.most: unknown key"),
    ],
)
def test_replicas_that_make_no_sense_are_one_line(given: Any, expected: str) -> None:
    with pytest.raises(JobError, match=expected) as raised:
        parse_job(_content(engines={"small": {"kind": "vllm", "num_replicas": given}}), "the test")
    assert str(raised.value).count("num_replicas") == 1


def test_overrides_replace_single_keys(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        "source: {kind: folder, path: a}\nengines: {e: {kind: vllm}}\ncaptions: {fine: {engine: e, prompt: p}}"
    )
    job = load_job(path, ["captions.fine.num_candidates=4", "source.path=b", "shards.unit_hours=0.5"])
    assert (next(iter(job.captions.values())).num_candidates, job.source.path, job.shards.unit_hours) == (4, "b", 0.5)


@pytest.mark.parametrize("item", ["nonsense", "=3", "source.path.deeper=1"])
def test_a_bad_override_is_a_job_error(tmp_path: Path, item: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("source: {kind: folder, path: a}")
    with pytest.raises(JobError, match="--set"):
        load_job(path, [item])


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00"])
def test_what_is_not_a_job_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(JobError) as raised:
        load_job(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_capacity_does_not_change_what_a_job_asks_for() -> None:
    one = Job.model_validate(_content())
    more = Job.model_validate(
        _content(
            engines={"small": {"kind": "vllm", "num_replicas": 8, "max_num_seqs": 99}}, resources={"num_segmenters": 9}
        )
    )
    other = Job.model_validate(_content(engines={"small": {"kind": "vllm", "dtype": "bfloat16"}}))
    assert one.content() == more.content()
    assert one.content() != other.content()

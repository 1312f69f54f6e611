"""What a job costs follows from candidates and tokens, and so does the split of its GPUs."""

from typing import Any

import pytest

from fcaps_pipeline.annotate.run.reckoning import Reckoning, reckon
from fcaps_pipeline.jobs.annotate_job import Job, load_job, parse_job
from fcaps_pipeline.jobs.resources import shipped_folder

_NUM_SEGMENTS = 1_000_000


def _reckoned(job: Job, num_segments: float, pending_s: float, tokens_per_s: float | None = None) -> Reckoning:
    """With every engine asked about all Segments."""
    return reckon(job, dict.fromkeys(job.engines, num_segments), pending_s, tokens_per_s)


def _shipped(gpu: str, *overrides: str) -> Job:
    return load_job(shipped_folder("jobs") / f"annotate_qwen3omni_{gpu}.yaml", overrides)


def _gpus(found: Reckoning) -> list[tuple[int, int]]:
    return [(one.num_gpus, one.num_gpus_fitting) for one in found.engines]


@pytest.mark.parametrize("gpu", ["h100", "h200"])
def test_the_shipped_jobs_split_their_gpus_as_their_captions_ask(gpu: str) -> None:
    found = _reckoned(_shipped(gpu), _NUM_SEGMENTS, 0)
    assert _gpus(found) == [(2, 2), (1, 1)]
    assert [one.num_tokens for one in found.engines] == [750 * _NUM_SEGMENTS, 375 * _NUM_SEGMENTS]
    assert found.wall_hours == found.wall_hours_fitting == pytest.approx(375 * _NUM_SEGMENTS / 10_000 / 3600)


@pytest.mark.parametrize(("num_global", "balanced"), [(3, [43, 21]), (1, [55, 9])])
def test_two_to_one_with_three_global_candidates_and_six_to_one_with_one(num_global: int, balanced: list[int]) -> None:
    job = _shipped(
        "h100",
        f"captions.global.num_candidates={num_global}",
        *(f"engines.{one}.num_replicas=32" for one in ("omni_captioner", "instruct")),
    )
    found = _reckoned(job, _NUM_SEGMENTS, 0)
    assert _gpus(found) == [(32, balanced[0]), (32, balanced[1])]
    assert found.wall_hours is not None
    assert found.wall_hours_fitting is not None
    assert found.wall_hours > found.wall_hours_fitting


def test_few_sequences_leave_a_gpu_waiting_for_its_weights() -> None:
    few, many = (
        _reckoned(_shipped("h100", f"engines.omni_captioner.max_num_seqs={count}"), _NUM_SEGMENTS, 0).engines[0]
        for count in (128, 512)
    )
    assert few.tokens_per_s == pytest.approx(6_900, rel=0.01)
    assert many.tokens_per_s == 10_000
    assert few.gpu_hours is not None
    assert many.gpu_hours is not None
    assert few.gpu_hours > many.gpu_hours


def test_a_speed_that_was_measured_goes_before_what_is_assumed() -> None:
    found = _reckoned(_shipped("h100"), _NUM_SEGMENTS, 0, tokens_per_s=5_000)
    assert [one.tokens_per_s for one in found.engines] == [5_000, 5_000]
    assert found.engines[0].gpu_hours == pytest.approx(750 * _NUM_SEGMENTS / 5_000 / 3600)


def test_replicas_of_several_gpus_stay_whole() -> None:
    found = _reckoned(_shipped("h100", "engines.omni_captioner.gpus_per_replica=4"), _NUM_SEGMENTS, 0)
    assert _gpus(found) == [(8, 4), (1, 5)]


def _on_cores(**captions: Any) -> Job:
    content = {
        "source": {"kind": "folder", "path": "x"},
        "engines": {"small": {"kind": "cascade"}},
        "captions": {"fine": {"engine": "small", "prompt": "embedded_fine.v1", **captions}},
    }
    return parse_job(content, "the test")


def test_an_engine_without_a_gpu_has_answers_and_no_gpu_hours() -> None:
    found = _reckoned(_on_cores(num_candidates=2), 10, 3600)
    (work,) = found.engines
    assert (work.num_answers, work.num_tokens, work.gpu_hours, work.num_gpus) == (20, 3_000, None, 0)
    assert (found.wall_hours, found.wall_hours_fitting) == (None, None)
    assert found.disk_bytes == 3600 * 17_000 + 20 * 1_000


def test_an_engine_that_probes_has_one_token_for_each_question() -> None:
    content = _on_cores(num_candidates=2).model_dump(mode="json")
    content["engines"]["ears"] = {"kind": "endpoint", "base_url": "http://x/v1", "model": "m"}
    content["verification"]["verifiers"].append({"kind": "probe", "engine": "ears", "prompt": "probe.v1"})
    found = _reckoned(parse_job(content, "the test"), 10, 3600)
    assert [(one.engine, one.num_answers, one.num_tokens) for one in found.engines] == [
        ("small", 20, 3_000),
        ("ears", 20, 20),
    ]


def test_an_agent_is_taken_to_spend_its_budget_on_each_caption_that_is_kept() -> None:
    job = load_job(shipped_folder("jobs") / "annotate_fcaps_verified_h100.yaml")
    found = _reckoned(job, _NUM_SEGMENTS, 0)
    assert [(one.engine, one.num_tokens // _NUM_SEGMENTS) for one in found.engines] == [
        ("omni_captioner", 750),
        ("judge", 4096),
    ]
    assert _gpus(found) == [(1, 1), (3, 3)]


def test_rows_that_refer_to_their_audio_need_no_room_for_it() -> None:
    referring = _on_cores().model_copy(update={"audio": "reference"})
    assert _reckoned(referring, 10, 3600).disk_bytes == 10 * 1_000

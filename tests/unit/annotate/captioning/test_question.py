"""Keys and seeds follow from content; retries change sampling within bounds."""

from dataclasses import replace
from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.question import Question, changed_sampling
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.records.annotations import Sampling
from fcaps_pipeline.records.captions import Granularity, global_caption_schema
from tests.unit.annotate.captioning.building import completion, segment_audio

_IDENTITY = EngineIdentity(engine="vllm", engine_version="0.32.0", model="m", model_revision="sha256:1")


def _question(**changes: Any) -> Question:
    parts: dict[str, Any] = {
        "granularity": Granularity.FINE,
        "segment": segment_audio(),
        "config": CaptionConfig(engine="e", prompt="captioner_fine.v1"),
        "prompt": load_prompt("captioner_fine.v1"),
        "tags": (),
        "identity": _IDENTITY,
    }
    return Question(**{**parts, **changes})


def test_the_request_carries_what_was_measured() -> None:
    assert _question().request(Sampling(), 1, 1).acoustics == segment_audio().acoustics


def test_the_same_question_has_the_same_key_and_seed() -> None:
    first, second = (_question().request(Sampling(), 2, 1) for _ in range(2))
    assert (first.request_key, first.seed) == (second.request_key, second.seed)


def test_the_place_of_the_segment_and_the_engine_version_change_nothing() -> None:
    moved = segment_audio()
    moved = type(moved)(
        moved.recording.model_copy(update={"recording_id": "other"}), moved.segment, moved.acoustics, moved.pcm_T
    )
    newer = _IDENTITY.model_copy(update={"engine_version": "0.33.0"})
    key = _question().request(Sampling(), 2, 1).request_key
    assert _question(segment=moved, identity=newer).request(Sampling(), 2, 1).request_key == key


@pytest.mark.parametrize(
    "changes",
    [
        {"segment": segment_audio(1)},
        {"granularity": Granularity.GLOBAL},
        {"prompt": load_prompt("instruct_fine.v1")},
        {"config": CaptionConfig(engine="e", prompt="captioner_fine.v1", seed=1)},
        {"identity": _IDENTITY.model_copy(update={"model": "n"})},
        {"identity": _IDENTITY.model_copy(update={"model_revision": "sha256:2"})},
    ],
)
def test_everything_else_counts(changes: dict[str, Any]) -> None:
    before, after = _question().request(Sampling(), 2, 1), _question(**changes).request(Sampling(), 2, 1)
    assert before.request_key != after.request_key
    assert before.seed != after.seed


def test_tags_sampling_and_attempt_count_too_and_the_number_of_answers_does_not() -> None:
    tagged = _question(prompt=load_prompt("captioner_fine_tagged.v1"), tags=("slow",))
    requests = [
        _question().request(Sampling(), 2, 1),
        _question().request(Sampling(temperature=0.7), 2, 1),
        _question().request(Sampling(), 2, 2),
        tagged.request(Sampling(), 2, 1),
        _question(prompt=tagged.prompt, tags=("fast",)).request(Sampling(), 2, 1),
    ]
    assert len({request.request_key for request in requests}) == len(requests)
    more = _question().request(Sampling(), 3, 1)
    assert (more.request_key, more.seed) == (requests[0].request_key, requests[0].seed)
    assert all(0 <= request.seed < 2**31 - 1000 for request in requests)


def test_only_global_questions_have_a_grammar() -> None:
    assert _question().request(Sampling(), 1, 1).json_schema is None
    assert _question(granularity=Granularity.GLOBAL).request(Sampling(), 1, 1).json_schema == global_caption_schema()


def test_truncation_asks_for_longer_answers_up_to_a_bound() -> None:
    sampling = Sampling(max_tokens=512)
    assert [(sampling := changed_sampling(sampling, {"truncation"})).max_tokens for _ in range(3)] == [768, 1024, 1024]
    assert changed_sampling(Sampling(max_tokens=2000), {"truncation"}).max_tokens == 2000


def test_repetition_stirs_and_goes_before_truncation() -> None:
    sampling = Sampling(temperature=0.9)
    found = []
    for _ in range(4):
        sampling = changed_sampling(sampling, {"repetition", "truncation"})
        found.append((sampling.repetition_penalty, sampling.temperature, sampling.max_tokens))
    assert found == [(1.05, 1.0, 512), (1.1, 1.0, 512), (1.15, 1.0, 512), (1.15, 1.0, 512)]
    assert changed_sampling(Sampling(temperature=1.5, repetition_penalty=1.3), {"repetition"}) == Sampling(
        temperature=1.5, repetition_penalty=1.3
    )


def test_invalid_json_changes_the_seed_only() -> None:
    assert changed_sampling(Sampling(), {"invalid_json"}) == Sampling()


def test_arguments_of_the_engine_that_decide_are_part_of_the_key() -> None:
    plain = _question()
    quantized = replace(plain, identity=plain.identity.model_copy(update={"engine_args": '{"quantization": "fp8"}'}))
    keys = [one.request(Sampling(), 1, 1).request_key for one in (plain, quantized)]
    assert keys[0] != keys[1]
    assert quantized.provenance(Sampling(), completion("A man.")).engine_args == '{"quantization": "fp8"}'


def test_a_question_without_seeds_is_another_question() -> None:
    config = CaptionConfig(engine="e", prompt="captioner_fine.v1", seeded=False)
    seeded, unseeded = (one.request(Sampling(), 1, 1) for one in (_question(), _question(config=config)))
    assert seeded.request_key != unseeded.request_key
    assert (seeded.seed_of(2), unseeded.seed_of(2)) == (seeded.seed + 2, None)

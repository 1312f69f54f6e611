"""What the annotator does about faults, against an engine that answers from a script."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError, EngineRetryableError, JobError
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.jobs.verification import Remedy, VerificationConfig
from fcaps_pipeline.records.annotations import CaptionSet, Completion, FinishReason, Sampling
from fcaps_pipeline.records.audio import MULTI_SPEAKER, AudioWarning
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, GOOD_GLOBAL, OTHER_FINE, acoustics, segment_audio

Draw = tuple[str, FinishReason]
Step = Exception | list[Draw]
_GOOD: Draw = (GOOD_FINE, "stop")
_OTHER: Draw = (OTHER_FINE, "stop")
_CUT: Draw = (GOOD_FINE[:140], "length")
_LOOP: Draw = (GOOD_FINE + " and so on" * 9, "repetition")


class ScriptedEngine:
    """Answers requests in turn, as the script says; the last step repeats."""

    def __init__(self, *script: Step) -> None:
        self.requests: list[CaptionRequest] = []
        self.num_starts = 0
        self._script = list(script)

    async def start(self) -> EngineIdentity:
        self.num_starts += 1
        await asyncio.sleep(0)
        return EngineIdentity(engine="scripted", engine_version="1", model="m", model_revision="r")

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        await asyncio.sleep(0)
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        assert len(step) == request.num_completions
        return tuple(
            Completion(
                text=text, finish_reason=reason, num_prompt_tokens=9, num_output_tokens=9, seed=request.seed + index
            )
            for index, (text, reason) in enumerate(step)
        )

    def statistics(self) -> EngineStatistics | None:
        return None

    async def stop(self) -> None:
        self.num_starts = 0


class EchoEngine(ScriptedEngine):
    """Answers any question well, global ones with JSON."""

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        assert request.audio_T is not None
        await asyncio.sleep(request.audio_T[0] % 0.01)
        text = GOOD_FINE if request.json_schema is None else GOOD_GLOBAL.model_dump_json()
        return (
            Completion(text=text, finish_reason="stop", num_prompt_tokens=1, num_output_tokens=1, seed=request.seed),
        )


def _fine(
    num_candidates: int = 1, keep: int = 1, prompt_with_tags: str | None = None
) -> dict[Granularity, CaptionConfig]:
    config = CaptionConfig(
        engine="e",
        prompt="captioner_fine.v1",
        prompt_with_tags=prompt_with_tags,
        num_candidates=num_candidates,
        keep=keep,
    )
    return {Granularity.FINE: config}


_GLOBAL = {Granularity.GLOBAL: CaptionConfig(engine="e", prompt="instruct_global.v1")}


def _annotator(engine: ScriptedEngine, captions: dict[Granularity, CaptionConfig]) -> SegmentAnnotator:
    named = {one: one for config in captions.values() for one in (config.prompt, config.prompt_with_tags) if one}
    return SegmentAnnotator(engine, captions, VerificationConfig(), load_prompts(named), shipped_bounds())


def _ask(engine: ScriptedEngine, captions: dict[Granularity, CaptionConfig]) -> CaptionSet:
    (found,) = asyncio.run(_annotator(engine, captions).caption(segment_audio()))
    return found


def _log(found: CaptionSet) -> list[tuple[int, tuple[str, ...]]]:
    return [(one.attempt, one.verdict.reasons) for one in found.candidates]


def test_a_good_answer_is_kept_at_once() -> None:
    found = _ask(engine := ScriptedEngine([_GOOD]), _fine())
    assert (found.attempts, _log(found), found.error) == (1, [(1, ())], None)
    assert found.candidates[0].provenance.prompt_name == "captioner_fine"
    assert found.candidates[0].request_key == engine.requests[0].request_key


def test_truncation_is_asked_again_longer_and_with_another_seed() -> None:
    found = _ask(engine := ScriptedEngine([_CUT], [_GOOD]), _fine())
    assert _log(found) == [(1, ("truncation",)), (2, ())]
    first, second = engine.requests
    assert (first.sampling.max_tokens, second.sampling.max_tokens) == (512, 768)
    assert first.seed != second.seed
    assert [one.provenance.sampling.max_tokens for one in found.candidates] == [512, 768]


def test_only_faulty_candidates_are_drawn_anew_and_only_while_too_few_are_kept() -> None:
    engine = ScriptedEngine([_GOOD, _CUT, _LOOP], [_OTHER, _CUT])
    found = _ask(engine, _fine(num_candidates=3, keep=2))
    assert [request.num_completions for request in engine.requests] == [3, 2]
    assert engine.requests[1].sampling.repetition_penalty == 1.05
    assert _log(found) == [(1, ()), (1, ("truncation",)), (1, ("repetition",)), (2, ()), (2, ("truncation",))]


def test_enough_kept_needs_no_second_draw() -> None:
    found = _ask(engine := ScriptedEngine([_GOOD, _CUT]), _fine(num_candidates=2))
    assert (len(engine.requests), found.attempts) == (1, 1)


def test_any_fault_is_drawn_anew_with_nothing_but_another_seed() -> None:
    found = _ask(engine := ScriptedEngine([("Too short.", "stop")], [_GOOD]), _fine())
    assert _log(found) == [(1, ("length",)), (2, ())]
    first, second = engine.requests
    assert (first.sampling, first.seed == second.seed) == (second.sampling, False)


def test_greedy_decoding_is_varied_since_it_would_answer_the_same_again() -> None:
    greedy = {Granularity.FINE: _fine()[Granularity.FINE].model_copy(update={"sampling": Sampling(temperature=0)})}
    _ask(engine := ScriptedEngine([("Too short.", "stop")], [_GOOD]), greedy)
    assert [request.sampling.temperature for request in engine.requests] == [0, 0.1]


def test_invalid_json_three_times_is_given_up_with_all_its_texts() -> None:
    script: list[Step] = [[("{", "stop")], [('{"gender":1}', "stop")], [("", "stop")]]
    found = _ask(engine := ScriptedEngine(*script), _GLOBAL)
    assert _log(found) == [(1, ("invalid_json",)), (2, ("invalid_json",)), (3, ("invalid_json",))]
    assert [one.text for one in found.candidates] == ["{", '{"gender":1}', ""]
    assert len({request.seed for request in engine.requests}) == 3
    assert {request.sampling for request in engine.requests} == {engine.requests[0].sampling}


def test_a_global_answer_brings_its_fields() -> None:
    found = _ask(ScriptedEngine([(GOOD_GLOBAL.model_dump_json(), "stop")]), _GLOBAL)
    assert found.kept[0].attributes == GOOD_GLOBAL
    assert found.kept[0].text == GOOD_GLOBAL.caption


def test_a_segment_that_its_captions_condemn_is_not_asked_again() -> None:
    two: Draw = (f"{GOOD_FINE} A second speaker replies.", "stop")
    engine = ScriptedEngine([two, two, _CUT])
    found = _ask(engine, _fine(num_candidates=3))
    assert (len(engine.requests), found.kept) == (1, ())


def test_trouble_that_the_engine_could_not_wait_out_becomes_an_error_of_the_set() -> None:
    found = _ask(engine := ScriptedEngine(EngineRetryableError("busy")), _fine())
    assert (len(engine.requests), found.candidates, found.error) == (1, (), "EngineRetryableError: busy")


def test_a_refused_request_is_not_sent_again_and_keeps_earlier_answers() -> None:
    found = _ask(engine := ScriptedEngine([_CUT], EngineRequestError("too long")), _fine())
    assert (len(engine.requests), found.attempts, found.error) == (2, 2, "EngineRequestError: too long")
    assert _log(found) == [(1, ("truncation",))]


def test_a_dead_engine_is_the_callers_business() -> None:
    with pytest.raises(EngineDeadError, match="gone"):
        _ask(ScriptedEngine(EngineDeadError("gone")), _fine())


def test_tags_are_told_and_checked_where_a_prompt_takes_them() -> None:
    engine = ScriptedEngine([_GOOD])
    annotator = _annotator(engine, _fine(prompt_with_tags="captioner_fine_tagged.v1"))
    (tagged,) = asyncio.run(annotator.caption(segment_audio(tags=("slow speed", "whispered"))))
    (plain,) = asyncio.run(annotator.caption(segment_audio()))
    assert "slow speed, whispered" in engine.requests[0].prompt
    assert tagged.candidates[0].verdict.reasons == ("tags_not_honoured",)
    assert tagged.candidates[0].provenance.prompt_name == "captioner_fine_tagged"
    assert plain.candidates[0].provenance.prompt_name == "captioner_fine"


def test_tags_stay_untold_without_a_prompt_for_them() -> None:
    (found,) = asyncio.run(_annotator(ScriptedEngine([_GOOD]), _fine()).caption(segment_audio(tags=("whispered",))))
    assert found.kept


def test_the_transcript_of_the_segment_is_held_against_the_caption() -> None:
    annotator = _annotator(ScriptedEngine([_GOOD]), _fine())
    (found,) = asyncio.run(annotator.caption(segment_audio(transcript="then grows louder and faster, my dear")))
    assert found.candidates[0].verdict.reasons == ("transcript_words",)


@pytest.mark.parametrize(
    "config",
    [
        CaptionConfig(engine="e", prompt="captioner_fine_tagged.v1"),
        CaptionConfig(engine="e", prompt="captioner_fine.v1", prompt_with_tags="instruct_fine.v1"),
    ],
)
def test_a_prompt_in_the_wrong_place_is_refused(config: CaptionConfig) -> None:
    with pytest.raises(JobError, match="tags"):
        _annotator(ScriptedEngine([_GOOD]), {Granularity.FINE: config})


def test_segments_asked_together_are_answered_as_alone_and_the_engine_starts_once() -> None:
    engine = EchoEngine([])
    annotator = _annotator(engine, {**_fine(), **_GLOBAL})
    segments = [segment_audio(seed) for seed in range(6)]

    async def together() -> list[tuple[CaptionSet, ...]]:
        return list(await asyncio.gather(*(annotator.caption(one) for one in segments)))

    batch = asyncio.run(together())
    alone = [asyncio.run(_annotator(EchoEngine([]), {**_fine(), **_GLOBAL}).caption(one)) for one in segments]
    assert batch == alone
    assert [[one.granularity for one in sets] for sets in batch] == [["fine", "global"]] * 6
    assert engine.num_starts == 1
    assert len({request.audio_sha256 for request in engine.requests}) == 6


@pytest.mark.parametrize("build", [lambda: ScriptedEngine([_CUT], [_LOOP], [_GOOD])])
def test_the_same_segment_gets_the_same_records_again(build: Callable[[], ScriptedEngine]) -> None:
    assert _ask(build(), _fine()) == _ask(build(), _fine())


def _seeds(engines: Iterable[ScriptedEngine]) -> list[list[int]]:
    return [[request.seed for request in engine.requests] for engine in engines]


def test_the_root_seed_of_the_job_changes_all_seeds() -> None:
    engines = [ScriptedEngine([_GOOD]), ScriptedEngine([_GOOD])]
    for seed, engine in enumerate(engines):
        _ask(engine, {Granularity.FINE: _fine()[Granularity.FINE].model_copy(update={"seed": seed})})
    first, second = _seeds(engines)
    assert first != second


_MIXED = segment_audio().recording.model_copy(update={"warnings": (AudioWarning(name=MULTI_SPEAKER, detail="two"),)})


@pytest.mark.parametrize("unfit", [{"acoustics": acoustics(clipped_share=0.5)}, {"recording": _MIXED}])
def test_unfit_sound_is_not_asked_about(unfit: dict[str, Any]) -> None:
    engine = ScriptedEngine([_GOOD])
    annotator = SegmentAnnotator(
        engine,
        {Granularity.FINE: CaptionConfig(engine="e", prompt="embedded_fine.v1")},
        VerificationConfig(),
        load_prompts({"fine": "embedded_fine.v1"}),
        shipped_bounds(),
    )
    (found,) = asyncio.run(annotator.caption(replace(segment_audio(), **unfit)))
    assert (found.candidates, found.attempts, engine.requests) == ((), 0, [])


_FALSE = "Her pitch rises and rises from the first word to the last."
_TRUE = GOOD_FINE.replace(", and ends softly with a falling tone", "")
_LEVEL = OTHER_FINE.replace("lets the melody climb step by step", "keeps the melody on one gentle line")
_FALLING = replace(segment_audio(), acoustics=acoustics(f0_change_semitones=-9.0))


def _ask_about_falling(engine: ScriptedEngine, *contradicted: Remedy) -> CaptionSet:
    verification = VerificationConfig(contradicted=contradicted)
    prompts = load_prompts({"fine": "captioner_fine.v1"})
    annotator = SegmentAnnotator(engine, _fine(), verification, prompts, shipped_bounds())
    (found,) = asyncio.run(annotator.caption(_FALLING))
    return found


@pytest.mark.parametrize(
    ("contradicted", "num_asked", "texts"),
    [
        (("delete", "ask_again", "drop"), 1, [_TRUE]),
        (("ask_again", "delete", "drop"), 2, [_LEVEL]),
        (("ask_again", "drop"), 2, [_LEVEL]),
        (("drop",), 1, []),
        ((), 1, [f"{_TRUE} {_FALSE}"]),
    ],
)
def test_what_becomes_of_a_false_caption_is_up_to_the_job(
    contradicted: tuple[Remedy, ...], num_asked: int, texts: list[str]
) -> None:
    engine = ScriptedEngine([(f"{_TRUE} {_FALSE}", "stop")], [(_LEVEL, "stop")])
    found = _ask_about_falling(engine, *contradicted)
    assert len(engine.requests) == num_asked
    good = [one for one in found.kept if not any(claim.result == "contradicted" for claim in one.claims or ())]
    assert [one.text for one in good or found.kept][-1:] == texts


def test_what_asking_again_did_not_help_is_mended_at_last() -> None:
    engine = ScriptedEngine([(f"{_TRUE} {_FALSE}", "stop")])
    found = _ask_about_falling(engine, "ask_again", "delete", "drop")
    assert [request.num_completions for request in engine.requests] == [1, 1, 1]
    assert {one.text for one in found.kept} == {_TRUE}
    assert all(one.repairs and one.completion.text.endswith(_FALSE) for one in found.kept)


def test_a_dropped_caption_says_what_spoke_against_it() -> None:
    (dropped,) = _ask_about_falling(ScriptedEngine([(f"{_TRUE} {_FALSE}", "stop")]), "drop").candidates
    assert dropped.verdict.reasons == ("contradicts_evidence",)
    assert dropped.verdict.details[0].startswith("pitch course rising, but f0_change_semitones is -9 semitones (")

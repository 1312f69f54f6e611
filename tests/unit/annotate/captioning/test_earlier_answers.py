"""The index of earlier answers, and the engines that answer from it."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.captioning.earlier_answers import (
    EarlierAnswers,
    StoredAnswer,
    build_answers,
    write_answers,
)
from fcaps_pipeline.annotate.captioning.reusing_engine import AnswersAlone, ReusingEngine, earlier_identity
from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.model_folder import folder_revision
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.opinions import joined
from fcaps_pipeline.annotate.verification.probe import Asked, Probed, ProbeTrajectory
from fcaps_pipeline.errors import CorruptRunError, JobError, OutputError, UsageError
from fcaps_pipeline.jobs.annotate_job import (
    CaptionConfig,
    CascadeEngineConfig,
    EndpointEngineConfig,
    VllmEngineConfig,
)
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, Completion
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.unit.annotate.captioning.building import segment_audio
from tests.unit.learn.training.written_runs import RunWriter, corpus

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]


def _answer(question: str, place: int = 0, text: str = "A man speaks.") -> StoredAnswer:
    key = hashlib.sha256(question.encode()).hexdigest()
    completion = Completion(
        text=text, finish_reason="stop", num_prompt_tokens=1, num_output_tokens=2, seed=place, engine="vllm"
    )
    return StoredAnswer(key, place, completion)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EarlierAnswers]:
    answers = [_answer("b", 1, "Second."), _answer("a"), _answer("b", 0, "First."), _answer("gap", 1)]
    write_answers(tmp_path / "answers.sqlite", [("run", answers)])
    with EarlierAnswers(tmp_path / "answers.sqlite") as opened:
        yield opened


def test_the_first_answers_are_found_where_as_many_are_known(index: EarlierAnswers) -> None:
    key = _answer("b").request_key
    assert [one.text for one in index.find(key, 2) or ()] == ["First.", "Second."]
    assert [one.text for one in index.find(key, 1) or ()] == ["First."]
    assert index.find(key, 3) is None
    assert index.find(_answer("gap").request_key, 1) is None
    assert index.find(_answer("never asked").request_key, 1) is None


def test_two_runs_that_disagree_are_both_named(tmp_path: Path) -> None:
    sources = [("old", [_answer("a")]), ("new", [_answer("a", text="A woman speaks.")])]
    with pytest.raises(
        UsageError, match=r"old and new give different answers .*'A man speaks\.' and 'A woman speaks\.'"
    ):
        write_answers(tmp_path / "answers.sqlite", sources)
    assert list(tmp_path.glob("*.sqlite")) == []


def test_the_same_answer_twice_is_one(tmp_path: Path) -> None:
    write_answers(tmp_path / "x.sqlite", [("old", [_answer("a"), _answer("a")]), ("new", [_answer("a")])])
    with EarlierAnswers(tmp_path / "x.sqlite") as opened:
        assert len(opened.find(_answer("a").request_key, 1) or ()) == 1


def test_an_index_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"x" * 5000)
    with EarlierAnswers(tmp_path / "x.sqlite") as opened, pytest.raises(CorruptRunError, match="cannot be read"):
        opened.find(_answer("a").request_key, 1)


@pytest.fixture
def run(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> RunLayout:
    return RunLayout(RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(5)))


def test_every_candidate_of_a_run_is_an_answer(run: RunLayout, tmp_path: Path) -> None:
    build_answers(tmp_path / "x.sqlite", [run])
    with EarlierAnswers(tmp_path / "x.sqlite") as opened:
        for row in read_rows(run, "candidates"):
            (found,) = opened.find(row["request_key"], 1) or ()
            assert (found.text, found.seed, found.engine_version) == (row["text"], row["seed"], row["engine_version"])


def test_answers_to_probes_are_found_again_those_about_silence_once(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    told = (-0.25, -1.5, -4.0)

    def asked(question: str) -> Asked:
        return Asked(request_key=_answer(question).request_key, log_probabilities=told)

    def with_probe(annotation: Annotation) -> Annotation:
        probed = Probed(
            claim="The speaker is a man.", clip=asked(annotation.segment.segment_id), silence=asked("silence")
        )
        step = ProbeTrajectory(tool="probe:e", model="m", model_revision="r", prompt="probe.v1", probes=(probed,))
        update = {"trajectory": joined('[{"tool":"another"}]', step.model_dump_json())}
        sets = tuple(
            one.model_copy(update={"candidates": tuple(each.model_copy(update=update) for each in one.candidates)})
            for one in annotation.caption_sets
        )
        return annotation.model_copy(update={"caption_sets": sets})

    written = RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(3), change=with_probe)
    build_answers(tmp_path / "x.sqlite", [RunLayout(written)])
    with EarlierAnswers(tmp_path / "x.sqlite") as opened:
        for row in read_rows(RunLayout(written), "data"):
            (found,) = opened.find(_answer(row["segment_id"]).request_key, 1) or ()
            assert found.log_probabilities == told
        (silent,) = opened.find(_answer("silence").request_key, 1) or ()
        assert silent.log_probabilities == told


def test_unfinished_damaged_and_foreign_runs_are_refused(run: RunLayout, tmp_path: Path) -> None:
    (shard,) = (run.root / "candidates").on_disk().iterdir()
    content = shard.read_bytes()
    shard.write_bytes(content[:100] + b"!" + content[101:])
    with pytest.raises(CorruptRunError, match="was changed"):
        build_answers(tmp_path / "x.sqlite", [run])
    run.index.on_disk().unlink()
    with pytest.raises(CorruptRunError, match="not finished"):
        build_answers(tmp_path / "x.sqlite", [run])


class _Counting(CascadeEngine):
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.requests: list[CaptionRequest] = []

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        return await super().complete(request)


_SEGMENTS = [segment_audio(seed) for seed in range(4)]


def _annotator(engine: Engine, *, prompt: str = "captioner_fine.v1", **bounds: int) -> SegmentAnnotator:
    captions = {
        Granularity.FINE: CaptionConfig(engine="e", prompt=prompt, num_candidates=3, keep=2),
        Granularity.GLOBAL: CaptionConfig(engine="e", prompt="instruct_global.v1", num_candidates=2),
    }
    verification = VerificationConfig.model_validate(bounds)
    return SegmentAnnotator(
        engine, captions, verification, load_prompts({"global": "instruct_global.v1", "fine": prompt}), shipped_bounds()
    )


def _caption(annotator: SegmentAnnotator) -> list[tuple[CaptionSet, ...]]:
    async def ask() -> list[tuple[CaptionSet, ...]]:
        return [await annotator.caption(segment) for segment in _SEGMENTS]

    return asyncio.run(ask())


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[list[tuple[CaptionSet, ...]], EarlierAnswers]]:
    """What was answered under strict bounds, with further draws, and an index of it."""
    sets = _caption(_annotator(_Counting(), fine_min_characters=200))
    answers = [
        StoredAnswer(one.request_key, one.completion_index, one.completion)
        for per_segment in sets
        for found in per_segment
        for one in found.candidates
    ]
    assert max(one.attempts for per_segment in sets for one in per_segment) > 1
    write_answers(tmp_path / "answers.sqlite", [("run", answers)])
    with EarlierAnswers(tmp_path / "answers.sqlite") as opened:
        yield sets, opened


def test_nothing_is_asked_and_nothing_differs_when_nothing_changed(
    asked: tuple[list[tuple[CaptionSet, ...]], EarlierAnswers],
) -> None:
    sets, answers = asked
    engine = _Counting()
    assert _caption(_annotator(ReusingEngine(engine, answers), fine_min_characters=200)) == sets
    assert engine.requests == []


def test_a_relaxed_bound_asks_nothing_and_gives_what_a_run_that_asks_everything_gives(
    asked: tuple[list[tuple[CaptionSet, ...]], EarlierAnswers],
) -> None:
    engine = _Counting()
    relaxed = _caption(_annotator(ReusingEngine(engine, asked[1]), fine_min_characters=180))
    assert engine.requests == []
    assert relaxed == _caption(_annotator(_Counting(), fine_min_characters=180))
    assert relaxed != asked[0]


def test_a_stricter_bound_asks_what_falls_short_and_ends_as_a_run_that_asks_everything(
    asked: tuple[list[tuple[CaptionSet, ...]], EarlierAnswers],
) -> None:
    engine, everything = _Counting(), _Counting()
    stricter = _caption(_annotator(ReusingEngine(engine, asked[1]), fine_min_characters=260))
    assert stricter == _caption(_annotator(everything, fine_min_characters=260))
    assert 0 < len(engine.requests) < len(everything.requests)
    assert all(request.attempt > 1 for request in engine.requests)


def test_another_prompt_at_one_granularity_does_not_pay_for_the_other(
    asked: tuple[list[tuple[CaptionSet, ...]], EarlierAnswers],
) -> None:
    engine = _Counting()
    changed = _caption(_annotator(ReusingEngine(engine, asked[1]), prompt="instruct_fine.v1", fine_min_characters=200))
    assert {request.json_schema is None for request in engine.requests} == {True}
    assert [sets[1] for sets in changed] == [sets[1] for sets in asked[0]]


def test_without_an_engine_what_is_new_stays_unasked(
    asked: tuple[list[tuple[CaptionSet, ...]], EarlierAnswers],
) -> None:
    identity = asyncio.run(CascadeEngine().start())
    engine = AnswersAlone(identity, asked[1])
    assert _caption(_annotator(engine, fine_min_characters=200)) == asked[0]
    fine, profile = _caption(_annotator(engine, prompt="instruct_fine.v1"))[0]
    assert (fine.is_unasked, profile.is_unasked) == (True, False)
    assert "NotAskedError" in str(fine.error)


_MODEL = EngineIdentity(engine="endpoint", engine_version="1", model="m", model_revision="r1")


@pytest.mark.parametrize(("revision", "found"), [("r1", _MODEL), ("r2", None)])
def test_a_model_is_known_again_by_name_and_revision(revision: str, found: EngineIdentity | None) -> None:
    config = EndpointEngineConfig(kind="endpoint", base_url="http://x/v1", model="m", revision=revision)
    assert earlier_identity("e", config, [_MODEL]) == found


def test_the_embedded_model_is_known_by_its_folder() -> None:
    other = EngineIdentity(engine="vllm", engine_version="1", model="package:captioner", model_revision="sha256:0")
    assert earlier_identity("e", VllmEngineConfig(), [other]) is None
    here = other.model_copy(update={"model_revision": folder_revision(resolve_path("package:captioner"))})
    assert earlier_identity("e", VllmEngineConfig(), [other, here]) == here
    assert earlier_identity("e", CascadeEngineConfig(kind="cascade"), [other]) is None


def test_an_open_revision_of_which_there_were_two_has_to_be_named() -> None:
    config = VllmEngineConfig(model="owner/name")
    first = EngineIdentity(engine="vllm", engine_version="1", model="owner/name", model_revision="a")
    assert earlier_identity("e", config, [first]) == first
    with pytest.raises(JobError, match=r"revisions a, b; give engines\.e\.revision"):
        earlier_identity("e", config, [first, first.model_copy(update={"model_revision": "b"})])


def test_an_index_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "answers.part").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_answers(tmp_path / "new" / "answers.sqlite", [])
    write_answers(tmp_path / "other" / "answers.sqlite", [])
    assert (tmp_path / "other" / "answers.sqlite").is_file()

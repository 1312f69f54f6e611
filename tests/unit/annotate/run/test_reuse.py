"""What earlier runs spare a job, without Ray: which runs may be reused, and what is left to be asked."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.run.engines_file import read_engines, remember_engines
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.run.rehearsal import Rehearsal, _sampled, rehearse
from fcaps_pipeline.annotate.run.reuse import HopefulUnits, prepare_reuse, without_engines
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.errors import CorruptRunError, JobError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job, VllmEngineConfig
from fcaps_pipeline.jobs.identity import job_identity
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.run_folder import opened
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented
from tests.unit.annotate.captioning.building import segment_audio
from tests.unit.learn.training.written_runs import write_index

NUM_SEGMENTS = 6


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """About the recordings of the segments, and one more."""
    manifest = tmp_path / "m.jsonl"
    names = [*(f"rec-{seed}" for seed in range(NUM_SEGMENTS)), "silent", "new"]
    manifest.write_text(
        "".join(json.dumps({"path": f"{name}.wav", "id": name, "duration_s": 2.0}) + "\n" for name in names)
    )
    return _job(manifest)


def _job(manifest: Path, **changes: object) -> Job:
    content = {
        "source": {"kind": "manifest", "path": str(manifest)},
        "engines": {"cascade": {"kind": "cascade"}},
        "captions": {
            "fine": {"engine": "cascade", "prompt": "embedded_fine.v1", "num_candidates": 2},
            "global": {"engine": "cascade", "prompt": "embedded_global.v1"},
        },
    }
    return Job.model_validate(content | changes)


@pytest.fixture
def earlier(tmp_path: Path, job: Job) -> RunLayout:
    """A finished run of the job over the first recordings."""
    layout = RunLayout(tmp_path / "earlier")
    engine = CascadeEngine()
    annotator = SegmentAnnotator(
        engine, job.captions, job.verification, load_prompts(job.prompt_references()), shipped_bounds()
    )
    with UnitWriter(layout, 0, row_group_bytes=100_000) as writer:
        for seed in range(NUM_SEGMENTS):
            segment = segment_audio(seed)
            writer.add(decide(segment, asyncio.run(annotator.caption(segment)), job), segment)
        outcomes = [segmented(1).model_copy(update={"recording_id": f"rec-{seed}"}) for seed in range(NUM_SEGMENTS)]
        outcomes.append(segmented(0).model_copy(update={"recording_id": "silent", "outcome": "no_speech"}))
        writer.commit(tuple(outcomes), NUM_SEGMENTS, 1.0)
    layout.job.on_disk().write_text("{}")
    remember_engines(layout, {"cascade": asyncio.run(engine.start())})
    write_index(layout)
    return layout


@pytest.fixture
def layout(tmp_path: Path, job: Job) -> Iterator[RunLayout]:
    with opened(tmp_path / "new", job_identity(job)) as layout:
        yield layout


def _rehearse(job: Job, layout: RunLayout, earlier: RunLayout) -> Rehearsal:
    planned = load_or_make(layout, job)
    reuse = prepare_reuse(job, layout, [earlier.root])
    assert reuse.knows_all(job)
    return rehearse(job, layout, [earlier], reuse, planned.num_segments_expected)


def test_what_did_not_change_is_answered_and_new_recordings_are_asked_about(
    job: Job, layout: RunLayout, earlier: RunLayout
) -> None:
    found = _rehearse(job, layout, earlier)
    assert (found.num_segments, found.num_answered, found.num_new_segments) == (NUM_SEGMENTS, NUM_SEGMENTS, 1)
    assert found.num_to_ask(job) == {"cascade": 1}


def test_another_prompt_is_asked_about_every_segment(job: Job, layout: RunLayout, earlier: RunLayout) -> None:
    captions = {name: one.model_copy(update={"prompt": "instruct_fine.v1"}) for name, one in job.captions.items()}
    found = _rehearse(job.model_copy(update={"captions": captions}), layout, earlier)
    assert (found.num_answered, found.num_to_ask(job)) == (0, {"cascade": NUM_SEGMENTS + 1})


def test_another_prompt_at_one_granularity_costs_its_share_of_the_tokens(
    job: Job, layout: RunLayout, earlier: RunLayout
) -> None:
    fine = job.captions[Granularity.FINE].model_copy(update={"prompt": "instruct_fine.v1"})
    changed = job.model_copy(update={"captions": {**job.captions, Granularity.FINE: fine}})
    found = _rehearse(changed, layout, earlier)
    assert found.asked_share == {Granularity.FINE: 1.0, Granularity.GLOBAL: 0.0}
    assert 1 + NUM_SEGMENTS / 2 < found.num_to_ask(changed)["cascade"] < 1 + NUM_SEGMENTS


def test_of_many_segments_a_part_that_their_ids_decide_stands_for_all() -> None:
    rows: list[dict[str, object]] = [{"segment_id": f"s{index}"} for index in range(50_000)]
    kept, share = _sampled([*rows, *rows])
    assert len(kept) <= 20_000
    assert len(kept) / share == pytest.approx(50_000, rel=0.05)
    assert _sampled(rows[:100]) == (rows[:100], 1.0)


def test_an_index_is_made_once_for_the_same_runs(job: Job, layout: RunLayout, earlier: RunLayout) -> None:
    prepare_reuse(job, layout, [earlier.root])
    made = layout.answers.on_disk().stat().st_mtime_ns
    prepare_reuse(job, layout, [earlier.root])
    assert layout.answers.on_disk().stat().st_mtime_ns == made
    of_another_version = json.loads(layout.answers_of.read_text()) | {"fcaps_version": "0.0.1"}
    layout.answers_of.on_disk().write_text(json.dumps(of_another_version))
    prepare_reuse(job, layout, [earlier.root])
    assert layout.answers.on_disk().stat().st_mtime_ns > made


def test_an_index_that_was_not_finished_is_none(
    job: Job, layout: RunLayout, earlier: RunLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_reuse(job, layout, [earlier.root])
    earlier.index.on_disk().write_text(earlier.index.read_text() + " ")
    with monkeypatch.context() as patch:
        patch.setattr("fcaps_pipeline.annotate.run.reuse.build_segments", _killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_reuse(job, layout, [earlier.root])
    assert not layout.answers_of.exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_model_that_no_run_had_is_not_known(job: Job, layout: RunLayout, earlier: RunLayout) -> None:
    other = job.model_copy(update={"engines": {"cascade": VllmEngineConfig()}})
    assert not prepare_reuse(other, layout, [earlier.root]).knows_all(other)
    assert without_engines(other).engines == job.engines


def test_runs_that_cannot_be_reused_are_refused_in_one_line(job: Job, layout: RunLayout, earlier: RunLayout) -> None:
    with pytest.raises(UsageError, match="cannot reuse itself"):
        prepare_reuse(job, layout, [layout.root])
    with pytest.raises(UsageError, match="given twice"):
        prepare_reuse(job, layout, [earlier.root, earlier.root])
    with pytest.raises(UsageError, match="not a run folder"):
        prepare_reuse(job, layout, [layout.root.parent])
    content = json.loads(earlier.index.read_text())
    earlier.index.on_disk().write_text(json.dumps({**content, "schema_versions": {"data": 1}}))
    with pytest.raises(CorruptRunError, match="schema version 1 of data"):
        prepare_reuse(job, layout, [earlier.root])
    earlier.index.on_disk().unlink()
    with pytest.raises(CorruptRunError, match="not finished"):
        prepare_reuse(job, layout, [earlier.root])


def test_a_run_is_not_continued_with_another_model(earlier: RunLayout) -> None:
    engines = read_engines(earlier)
    remember_engines(earlier, engines)
    other = {name: one.model_copy(update={"model_revision": "r2"}) for name, one in engines.items()}
    with pytest.raises(JobError, match="put the earlier model"):
        remember_engines(earlier, other)
    earlier.engines.on_disk().write_text("[]")
    with pytest.raises(CorruptRunError, match="not what was written"):
        read_engines(earlier)


def _commit(index: int, num_unasked: int, num_segments: int = 100) -> UnitCommit:
    counts = dict.fromkeys(UnitCommit.model_fields, 0) | {"num_segments": num_segments, "num_unasked": num_unasked}
    empty: dict[str, object] = {
        "rejection_reasons": {},
        "claims": {},
        "failure_messages": (),
        "warnings": {},
        "files": (),
        "parent_sha256": None,
    }
    return UnitCommit.model_validate(counts | empty | {"unit_index": index, "fcaps_version": "1"})


@pytest.mark.parametrize(("num_unasked", "gives_up", "expected"), [(100, True, 2), (100, False, 9), (20, True, 9)])
def test_a_pass_without_engines_gives_up_where_most_is_unknown(num_unasked: int, gives_up: bool, expected: int) -> None:  # noqa: FBT001
    units = HopefulUnits((WorkUnit(unit_index=index, recordings=()) for index in range(9)), gives_up=gives_up)
    done = []
    for unit in units:
        done.append(_commit(unit.unit_index, num_unasked))
        units.note(done[-1])
    assert len(done) == expected

"""A run is annotated, loses a speaker, and grows and is mended again: the speaker does not come back."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.annotate import _finish
from fcaps_pipeline.annotate.run.drift import extend_plan
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.run.report import LastCall, RunReport
from fcaps_pipeline.annotate.run.soundness import damaged_units, verify
from fcaps_pipeline.annotate.run.unit_worker import UnitTry
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.release.removal.from_run import take_back_from_run
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import load, load_units
from fcaps_pipeline.shards.reader import read_commits, read_rows
from tests.unit.annotate.run.test_unit_worker import JOB, Bench

Annotate = Callable[[SegmentAudio], Annotation]


class Annotating:
    """A run over Lhotse cuts of three seconds, each Recording with one speaker but the last, which has two."""

    def __init__(self, folder: Path, annotate: Annotate) -> None:
        self._folder = folder
        self._annotate = annotate
        self.layout = RunLayout(folder / "run")
        source = LhotseSource(kind="lhotse", path=str(folder / "cuts.jsonl"))
        shards = JOB.shards.model_copy(update={"unit_recordings": 2})
        self.job: Job = JOB.model_copy(update={"source": source, "shards": shards})
        self.layout.job.put(json.dumps(job_identity(self.job)))

    def write_source(self, **speakers: list[str]) -> None:
        """Writes the source: Recordings with the speaker of each of their cuts."""
        lines = [self._cut(name, place, speaker) for name, of in speakers.items() for place, speaker in enumerate(of)]
        (self._folder / "cuts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def _cut(self, name: str, place: int, speaker: str) -> dict[str, object]:
        path, cut_id = self._folder / f"{name}.wav", f"{name}-{place}"
        if not path.exists():
            samples = np.random.default_rng([*name.encode()]).normal(0, 0.1, 16_000 * 6)
            soundfile.write(path, samples, 16_000)
        spoken = {"id": cut_id, "recording_id": name, "start": 0, "duration": 3, "speaker": speaker}
        return {
            "type": "MonoCut",
            "id": cut_id,
            "start": 3 * place,
            "duration": 3,
            "channel": 0,
            "supervisions": [{**spoken, "text": f"the words of {speaker} in {cut_id}"}],
            "recording": {
                "id": name,
                "sources": [{"type": "file", "channels": [0], "source": str(path)}],
                "sampling_rate": 16_000,
                "num_samples": 96_000,
                "duration": 6,
            },
        }

    def annotate(self, *, extends: bool = False) -> RunReport:
        """What `fcaps annotate` does with the units that are missing, with scripted answers in place of engines."""
        plan = load_or_make(self.layout, self.job)
        if extends:
            plan, _ = extend_plan(self.layout, self.job, plan)
        damaged = damaged_units(self.layout).keys()
        done = {commit.unit_index for commit in read_commits(self.layout, without=damaged)}
        bench = Bench(self.layout.root.on_disk(), lambda segment: self._annotate(segment).caption_sets)
        for unit in load_units(self.layout, without=done):
            bench.run(UnitTry(unit))
        return _finish(self.job, self.layout, plan, LastCall())

    def speakers(self) -> list[str]:
        """Who speaks in the rows."""
        return [row["speaker"] for row in read_rows(self.layout, "data", ["speaker"])]


@pytest.fixture
def run(tmp_path: Path, annotate: Annotate) -> Annotating:
    run = Annotating(tmp_path, annotate)
    run.write_source(one=["anna"], two=["bob"], three=["anna"], four=["carl", "anna"])
    run.annotate()
    return run


def test_a_speaker_who_was_taken_back_stays_away(run: Annotating) -> None:
    assert sorted(run.speakers()) == ["anna", "anna", "anna", "bob", "carl"]
    account = take_back_from_run(
        run.layout.root, Request(what="speaker", values=("anna",), reason="asked"), proves=True
    )
    assert account.proof is not None
    assert account.proof.hits == []
    assert (account.num_recordings, account.num_segments) == (2, 3)
    assert run.speakers() == ["bob", "carl"]
    run.write_source(
        one=["anna"], two=["bob"], three=["anna"], four=["carl", "anna"], five=["anna"], six=["dora", "anna"]
    )
    report = run.annotate(extends=True)
    assert report.state.value == "whole"
    assert run.speakers() == ["bob", "carl", "dora"]
    assert load(run.layout).num_recordings == report.totals.num_recordings == 3
    assert len(list(verify(run.layout))) > 3
    assert b"anna" not in b"".join(path.read() for path in run.layout.root.list())


def test_a_unit_that_is_done_again_is_done_without_them(run: Annotating) -> None:
    take_back_from_run(run.layout.root, Request(what="speaker", values=("anna",), reason="asked"))
    for shard in (run.layout.root / "data").on_disk().iterdir():
        shard.unlink()
    assert run.annotate().totals.num_annotations == 2
    assert run.speakers() == ["bob", "carl"]
    assert len(list(verify(run.layout))) > 3

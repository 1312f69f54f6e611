"""A run and the same answers judged again under a relaxed rule: what changed is what was kept, never what was said."""

import asyncio

import pytest

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.release.compare.compare import compare
from fcaps_pipeline.release.compare.differences import Differences
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented
from tests.unit.annotate.captioning.building import segment_audio
from tests.unit.learn.training.written_runs import write_index

NUM_SEGMENTS = 8
STRICT, RELAXED = 225, 64


def _job(min_characters: int) -> Job:
    return Job.model_validate(
        {
            "source": {"kind": "folder", "path": "/speech"},
            "engines": {"cascade": {"kind": "cascade"}},
            "captions": {
                "fine": {"engine": "cascade", "prompt": "embedded_fine.v1", "num_candidates": 3},
                "global": {"engine": "cascade", "prompt": "embedded_global.v1"},
            },
            "verification": {"fine_min_characters": min_characters},
        }
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Differences:
    folder = tmp_path_factory.mktemp("judged")
    for name, min_characters in (("strict", STRICT), ("relaxed", RELAXED)):
        job = _job(min_characters)
        prompts = load_prompts(job.prompt_references())
        # The cascade answers a question as it did before, which is what --reuse comes to.
        annotator = SegmentAnnotator(CascadeEngine(), job.captions, job.verification, prompts, shipped_bounds())
        layout = RunLayout(folder / name)
        with UnitWriter(layout, 0, row_group_bytes=100_000) as writer:
            for seed in range(NUM_SEGMENTS):
                segment = segment_audio(seed)
                writer.add(decide(segment, asyncio.run(annotator.caption(segment)), job), segment)
            writer.commit((segmented(NUM_SEGMENTS),), NUM_SEGMENTS, 1.0)
        write_index(layout)
    return compare(open_dataset(folder / "strict"), open_dataset(folder / "relaxed"), folder / "scratch")


def test_rows_that_were_rejected_come_in_and_the_others_keep_another_answer(found: Differences) -> None:
    assert found.counts["verdict"] > 0
    assert found.counts["added"] > 0
    assert found.counts["verdict"] + found.counts["added"] + found.counts["claims"] == NUM_SEGMENTS
    assert found.added == {"rejected": found.counts["added"]}
    assert found.counts["removed"] == found.num_unexplained == 0
    example = next(one for one in found.examples if one.change == "verdict")
    assert example.captions_a != example.captions_b
    assert min(len(text) for text in example.captions_a[1:]) >= STRICT > len(example.captions_b[1]) >= RELAXED

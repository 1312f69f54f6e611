from pathlib import Path

import pytest

from fcaps_pipeline.lab.bench.retrieval.jobs import VARIANTS, Scale, Variant, splits, stages
from fcaps_pipeline.learn.training.objective_config import OneEach, TwoTexts

SCALE = Scale(steps=100)
CORPUS, FOLDER = Path("corpus"), Path("folder")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_way_has_the_same_budget(variant: Variant) -> None:
    taken = stages(variant, SCALE, CORPUS, FOLDER)
    assert sum(stage.job.optimisation.steps or 0 for stage in taken) == 100
    assert {stage.job.data.batch_s for stage in taken} == {SCALE.batch_s}
    assert [stage.first_step for stage in taken] == [0, 90][: len(taken)]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_selection_sees_dev_alone_and_stages_see_their_own_corpus(variant: Variant) -> None:
    for stage in stages(variant, SCALE, CORPUS, FOLDER):
        runs = stage.job.data.splits
        large = stage.name == "stage_1"
        assert runs.kind == "runs"
        assert runs.train == (f"corpus/train_{'large' if large else 'small'}",)
        assert (runs.dev, runs.test) == (("corpus/dev",), ("corpus/test",))
        assert isinstance(stage.job.captions, OneEach if large else TwoTexts)


def test_the_frame_stream_is_the_only_difference_of_its_variant() -> None:
    without, with_frames = (stages(variant, SCALE, CORPUS, FOLDER) for variant in VARIANTS[2:])
    for one, other in zip(without, with_frames, strict=True):
        assert one.job.objectives.frames is None
        assert other.job.objectives.frames is not None
        assert one.job.optimisation == other.job.optimisation
        if one.job.model is not None and other.job.model is not None:
            assert other.job.model.model_copy(update={"frames": None}) == one.job.model


def test_stage_2_goes_on_from_the_best_of_stage_1() -> None:
    first, second = stages(VARIANTS[2], SCALE, CORPUS, FOLDER)
    assert (first.job.init_from, second.job.init_from) == (None, "folder/stage_1/best")


def test_evaluation_checks_both_corpora_for_leaks() -> None:
    assert splits(CORPUS).train == ("corpus/train_large", "corpus/train_small")


def test_runs_of_one_split_have_random_numbers_of_their_own() -> None:
    keys = [(run.split, run.number) for run in SCALE.runs()]
    assert len(set(keys)) == len(keys) == 4

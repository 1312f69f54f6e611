"""Captions, tags and repeated rows of whole splits."""

from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.training.row_sampling import evenly_spaced, oversample_rare_tags, sample_captions, tag_labels
from tests.unit.learn.training.tones import LEVELS, PITCHES, TEXTS, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio


@pytest.fixture
def catalogue(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> Catalogue:
    return read_catalogue([write_tones(tmp_path / "run", make_audio, annotate, 47, "t")])


def test_captions_of_all_rows_are_found(catalogue: Catalogue) -> None:
    texts = sample_captions(catalogue, seed=0)
    assert len(texts) == 2 * 47
    assert set(texts) == {f"A {level} tone starts and stays {pitch}." for pitch, level in TEXTS} | {
        f"A {pitch}, {level} tone." for pitch, level in TEXTS
    }


def test_tags_stand_at_their_rows(catalogue: Catalogue) -> None:
    chosen = catalogue.take(np.arange(1, 47, 3))
    label_RG = tag_labels(chosen, ("loud", "deep", "unheard"))
    expected = [[TEXTS[row % 10][1] == "loud", TEXTS[row % 10][0] == "deep", False] for row in range(1, 47, 3)]
    assert label_RG.tolist() == expected
    assert tag_labels(catalogue, (*PITCHES, *LEVELS)).sum() == 2 * 47


def test_rows_of_rare_tags_come_more_often_and_none_is_lost(catalogue: Catalogue) -> None:
    label_RG = np.zeros((47, 2), np.bool_)
    label_RG[:40, 0] = label_RG[40:42, 1] = True
    repeated, rows_M = oversample_rare_tags(catalogue, label_RG, max_repeats=6, seed=0)
    times_R = np.bincount(rows_M)
    assert times_R[:40].tolist() == [1] * 40
    assert times_R[40:42].tolist() == [6, 6]
    assert times_R[42:].tolist() == [1] * 5
    assert len(repeated) == times_R.sum()
    assert repeated.names(len(repeated) - 1) == catalogue.names(46)


def test_a_share_of_dev_is_spread_over_it(catalogue: Catalogue) -> None:
    assert len(evenly_spaced(catalogue, 100)) == 47
    picked = evenly_spaced(catalogue, 5)
    assert [picked.names(row).segment_id for row in range(5)] == [
        catalogue.names(row).segment_id for row in (0, 9, 18, 28, 37)
    ]

"""Synthetic speech: the same seed gives the same bytes, labels equal measurement, splits share nothing."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.errors import JobError, OutputError
from fcaps_pipeline.lab.synthesis import classes, measure
from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.clip import make_clip
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_block, write_corpus
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.plan import draw_plan
from fcaps_pipeline.lab.synthesis.sounds import draw_sound
from fcaps_pipeline.lab.synthesis.texts import draw_phrase
from fcaps_pipeline.lab.synthesis.voices import all_voices
from tests.unit.lab.conftest import needs_synthesizers


@pytest.mark.parametrize(("f0_hz", "word"), [(100.0, "low"), (115.7, None), (130.0, "medium"), (170.0, "high")])
def test_pitch_classes_leave_a_margin_around_their_borders(f0_hz: float, word: str | None) -> None:
    assert classes.pitch_class(f0_hz, "male") == word


@pytest.mark.parametrize(("change", "word"), [(-9.0, "falling"), (-4.0, None), (1.0, "steady"), (6.0, "rising")])
def test_changes_have_a_gap_between_steady_and_clear(change: float, word: str | None) -> None:
    assert classes.direction(change, classes.LOUDNESS_CHANGE_DB) == word


def test_every_voice_belongs_to_one_split() -> None:
    names = [voice.voice_id for voice in all_voices()]
    assert len(names) == len(set(names))
    variants = {split: {v.name.split("+")[-1] for v in all_voices() if v.split == split} for split in ("train", "test")}
    assert not variants["train"] & variants["test"]


def test_held_out_sentences_are_never_spoken_in_training() -> None:
    rng = np.random.default_rng(0)
    training = {draw_phrase(rng, "train", short_share=0.5) for _ in range(3000)}
    held_out = {draw_phrase(rng, "test", short_share=0.5) for _ in range(3000)}
    assert not training & held_out


def test_plans_depend_on_the_generator_alone() -> None:
    assert draw_plan(np.random.default_rng(3), "train", Cast()) == draw_plan(np.random.default_rng(3), "train", Cast())


def test_level_change_is_measured_in_db() -> None:
    times = np.arange(48_000) / 16_000
    tone = 0.1 * np.sin(2 * np.pi * 220 * times)
    louder = np.concatenate([tone[:24_000], 2 * tone[24_000:]])
    assert measure.level_change_db(louder) == pytest.approx(6.02, abs=0.1)


def test_sounds_stay_within_full_scale() -> None:
    for seed in range(20):
        _, audio_T = draw_sound(np.random.default_rng(seed))
        assert np.all(np.isfinite(audio_T))
        assert np.max(np.abs(audio_T)) <= 1.0


@needs_synthesizers
def test_labels_equal_what_the_finished_clip_measures() -> None:
    rng = np.random.default_rng(11)
    for number in range(6):
        audio_T, truth = make_clip(f"clip-{number}", "test", rng, Cast())
        assert truth.num_samples == len(audio_T)
        if truth.speech is None:
            continue
        lufs = measure.loudness_lufs(audio_T.astype(np.float64))
        assert lufs == pytest.approx(truth.speech.loudness_lufs, abs=0.05)
        assert classes.volume_class(lufs) == truth.speech.volume
        if truth.speech.f0_median_hz is None:
            assert (truth.speech.voice_quality, truth.speech.pitch) == ("whisper", None)
            continue
        assert classes.pitch_class(truth.speech.f0_median_hz, truth.speech.gender) == truth.speech.pitch


@needs_synthesizers
def test_a_corpus_is_the_same_for_any_number_of_workers_and_after_a_kill(tmp_path: Path) -> None:
    first = write_corpus(tmp_path / "a", "validation", num_clips=8, seed=5, workers=2, block_clips=4)
    shutil.copytree(first[0], tmp_path / "b" / first[0].name)
    (tmp_path / "b" / f".{first[1].name}.partial").mkdir()
    second = write_corpus(tmp_path / "b", "validation", num_clips=8, seed=5, workers=1, block_clips=4)
    for one, other in zip(first, second, strict=True):
        assert (one / "truth.jsonl").read_bytes() == (other / "truth.jsonl").read_bytes()
        for truth, path in read_truths(one):
            assert path.read_bytes() == (other / path.name).read_bytes()
            assert soundfile.info(path).frames == truth.num_samples
    with pytest.raises(JobError, match=r"seed \(was 5, is 6\)"):
        write_corpus(tmp_path / "b", "validation", num_clips=8, seed=6, workers=1, block_clips=4)


@needs_synthesizers
def test_what_cannot_be_written_is_one_line_and_ends_the_rest(tmp_path: Path) -> None:
    for index in range(8):
        (tmp_path / f".validation-{index:05d}.partial").write_text("in the way")
    done: list[int] = []
    with pytest.raises(OutputError, match=r"cannot write .*validation-0000\d.partial: File exists; make room"):
        write_corpus(tmp_path, "validation", num_clips=8, seed=5, workers=1, block_clips=1, on_block=done.append)
    assert done == [0]


@needs_synthesizers
def test_no_room_for_a_clip_is_an_error_of_the_system_and_no_block(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_block(tmp_path / "block", "validation", 0, 5, 1, None, 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "block").exists()


def test_an_error_gives_up_the_calls_that_have_not_begun(tmp_path: Path) -> None:
    done: list[int] = []
    calls = [(tmp_path / "first",), (tmp_path / "missing" / "second",), *((tmp_path / str(n),) for n in range(40))]
    with pytest.raises(FileNotFoundError):
        call_in_fresh_process(os.mkdir, calls, workers=1, on_done=done.append)
    assert done == [0]
    assert not (tmp_path / "39").exists()

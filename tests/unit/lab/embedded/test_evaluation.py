"""The figures of the card, from captions whose errors are known."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.lab.embedded.caption_facts import ReadFacts, read_fine, read_global
from fcaps_pipeline.lab.embedded.evaluation import (
    ClipResult,
    PublishedClip,
    read_published,
    read_real_clip,
    score_candidates,
    score_clips,
    score_published,
)
from fcaps_pipeline.lab.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.lab.embedded.inference import ClipCaptions
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from tests.unit.lab.embedded.test_captions import make_truths

_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")
_TRUTHS = [*make_truths()[::37], _SILENT]
_SAME_FOR_ALL = ReadFacts(speech=True, gender="male", pitch="low", loudness="rising", pauses="none")


def _readings(truths: list[ClipTruth], seed: int = 0) -> list[ClipCaptions]:
    rng = np.random.default_rng(seed)
    captions = [(fine_caption(truth, rng).text, global_caption(truth, rng).text) for truth in truths]
    return [ClipCaptions(fine, global_, read_fine(fine), read_global(global_)) for fine, global_ in captions]


def _heard(truths: list[ClipTruth], said_of: list[ClipTruth]) -> list[ClipResult]:
    return [
        ClipResult(truth, reading, _SAME_FOR_ALL) for truth, reading in zip(truths, _readings(said_of), strict=True)
    ]


def test_true_captions_reach_everything() -> None:
    scores = {score.name: score.value.value for score in score_clips(_heard(_TRUTHS, _TRUTHS))}
    assert scores.pop("change invented on steady clips") == 0.0
    assert set(scores.values()) == {1.0}


def test_captions_of_other_clips_reach_little() -> None:
    swapped = [*_TRUTHS[11:], *_TRUTHS[:11]]
    scores = {score.name: score for score in score_clips(_heard(_TRUTHS, swapped))}
    assert scores["no speech called so, fine"].value.value == 0.0
    # The captions are those of the other half, where every speaker has the other gender.
    assert scores["gender, fine"].value.value == 0.0
    rate = scores["rate, fine"]
    assert rate.value.low < rate.value.value < rate.value.high < 0.9
    assert rate.value.num_items == len(_TRUTHS) - 1
    assert rate.constant == pytest.approx(1 / 3)


def test_the_rule_is_held_against_the_same_truth() -> None:
    scores = score_clips(_heard(_TRUTHS, _TRUTHS), "real voices: ")
    rules = {score.name.removeprefix("real voices: "): score.rule for score in scores if score.rule is not None}
    assert {name: rule.value for name, rule in rules.items()} == {
        "gender, fine": 0.5,
        "gender, global": 0.5,
        "pitch, fine": pytest.approx(1 / 3),
        "pitch, global": pytest.approx(1 / 3),
        "rate, fine": 0.0,
        "rate, global": 0.0,
        "volume, fine": 0.0,
        "volume, global": 0.0,
        "whisper / modal, fine": 0.0,
        "louder / softer / steady, fine": pytest.approx(1 / 3),
        "higher / lower / steady, fine": 0.0,
        "faster / slower / steady, fine": 0.0,
        "change invented on steady clips": 1.0,
        "pause present, fine": 0.0,
        "place of a single pause, fine": 0.0,
    }


def test_what_no_clip_tells_has_no_line() -> None:
    names = {score.name for score in score_clips(_heard(_TRUTHS[:-1], _TRUTHS[:-1]))}
    assert "no speech called so, fine" not in names
    assert "gender, fine" in names


def test_candidates_agree_in_facts_and_differ_in_words() -> None:
    one_truth = [_TRUTHS[0]] * 4
    agreeing = _readings(one_truth)
    differing = [*_readings(one_truth[:3]), *_readings(_TRUTHS[5:6])]
    agree, wordings = score_candidates([agreeing, differing])
    assert agree.value.value == 0.5
    assert wordings.value.value == 1.0
    assert score_candidates([[agreeing[0]] * 4])[1].value.value == 0.25


def test_agreement_with_published_captions_counts_what_both_state() -> None:
    published = PublishedClip(np.zeros(1, np.float32), "A man speaks slowly and softly.", "A woman with a low voice.")
    reading = ClipCaptions(
        "",
        "",
        ReadFacts(speech=True, gender="male", rate="fast", pitch="low"),
        ReadFacts(speech=True, gender="male", pitch="low", rate="slow"),
    )
    fine, global_ = score_published([published], [reading])
    assert (fine.value.value, fine.value.num_items) == (0.5, 2)
    assert (global_.value.value, global_.value.num_items) == (0.5, 2)


def test_a_list_of_published_captions_is_read_or_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, np.float32), 16_000)
    listing = tmp_path / "captions.jsonl"
    listing.write_text(json.dumps({"file": "a.wav", "fine_caption": "f", "global_caption": "g"}) + "\n")
    clip = read_published(listing)[0]
    assert (len(clip.audio_T), clip.fine_text, clip.global_text) == (8000, "f", "g")
    listing.write_text(json.dumps({"file": "a.wav"}) + "\n")
    with pytest.raises(SourceError, match=r"no list of published captions \('fine_caption'\)"):
        read_published(listing)
    listing.write_text("[1]\n")
    with pytest.raises(SourceError, match="no list of published captions"):
        read_published(listing)
    listing.write_bytes(b"\xff\xfe\n")
    with pytest.raises(SourceError, match="no list of published captions"):
        read_published(listing)


def test_a_recording_is_read_as_the_pipeline_reads_it(tmp_path: Path) -> None:
    tone_T = (0.5 * np.sin(2 * np.pi * 200 * np.arange(2 * 8000) / 8000)).astype(np.float32)
    soundfile.write(tmp_path / "tone.ogg", tone_T, 8000)
    audio_T = read_real_clip(tmp_path / "tone.ogg", None).audio_T
    assert len(audio_T) == pytest.approx(2 * 16_000, rel=0.01)
    assert np.abs(audio_T).max() == pytest.approx(0.5, abs=0.05)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(RecordingError, match=r"text\.wav"):
        read_real_clip(tmp_path / "text.wav", None)

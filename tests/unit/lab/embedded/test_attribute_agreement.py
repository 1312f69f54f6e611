"""The reader of any author's captions agrees with the truth behind the embedded captioner's captions."""

import numpy as np

from fcaps_pipeline.attributes.flipping import flip_attribute
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import Course, Quantity, StatedAttributes, StatedPauses
from fcaps_pipeline.lab.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.records.captions import GlobalCaption
from tests.unit.lab.embedded.test_captions import make_truths

_SILENT = ClipTruth(clip_id="s", split="test", num_samples=16_000, speech=None, sound="tones")


def _profile(speech: SpeechTruth) -> StatedAttributes:
    return StatedAttributes(gender=speech.gender, pitch=speech.pitch, rate=speech.rate, volume=speech.volume)


def _courses(speech: SpeechTruth) -> set[tuple[Quantity, str]]:
    found: list[tuple[Quantity, str]] = [
        ("loudness", speech.loudness),
        ("pitch", speech.pitch_course),
        ("rate", speech.rate_course),
    ]
    return {(quantity, direction) for quantity, direction in found if direction != "steady"}


def _pauses(speech: SpeechTruth) -> StatedPauses:
    if not speech.pauses:
        return StatedPauses(count="none")
    if len(speech.pauses) > 1:
        return StatedPauses(count="several")
    return StatedPauses(count="one", place=speech.pauses[0].place)


def _without_place(course: Course) -> tuple[Quantity, str]:
    return course.quantity, course.direction


def test_fine_captions_state_their_truth_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for truth in make_truths():
        text = fine_caption(truth, rng).text
        stated = read_attributes(text)
        assert truth.speech is not None
        assert {_without_place(course) for course in stated.courses} == _courses(truth.speech), text
        assert stated.pauses == _pauses(truth.speech), text
        assert stated.model_copy(update={"courses": (), "pauses": None}) == _profile(truth.speech), text


def test_global_captions_state_their_truth_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for truth in make_truths()[::2]:
        caption = GlobalCaption.model_validate_json(global_caption(truth, rng).text)
        assert truth.speech is not None
        assert read_attributes(caption.caption) == _profile(truth.speech), caption.caption


def test_silence_states_that_nobody_speaks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        caption = GlobalCaption.model_validate_json(global_caption(_SILENT, rng).text)
        for text in (fine_caption(_SILENT, rng).text, caption.caption):
            assert read_attributes(text) == StatedAttributes(speech=False), text


def test_every_fine_caption_has_a_flip() -> None:
    rng = np.random.default_rng(0)
    for truth in make_truths()[::5]:
        text = fine_caption(truth, rng).text
        flip = flip_attribute(text, rng)
        assert flip is not None, text
        assert flip.text != text

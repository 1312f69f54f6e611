from itertools import pairwise

import numpy as np
import pytest

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.lab.bench.retrieval.captions import fine_captions, global_captions, manner_overall
from fcaps_pipeline.lab.synthesis import classes
from tests.unit.lab.bench.retrieval.truths import QUALITIES, make_truth

TRUTHS = [make_truth(seed) for seed in range(150)]
COURSES = {
    "speaks faster": ("rate", "rising"),
    "speaks slower": ("rate", "falling"),
    "grows louder": ("loudness", "rising"),
    "grows softer": ("loudness", "falling"),
    "raises the pitch": ("pitch", "rising"),
    "lowers the pitch": ("pitch", "falling"),
}


def test_fine_captions_state_their_truth_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for truth in TRUTHS:
        phrases = [event.phrase for event in truth.events]
        ramps = {"grows louder", "grows softer"} & set(phrases)
        first = truth.stretches[0]
        for text in fine_captions(truth, rng, 3):
            stated = read_attributes(text)
            assert stated.gender == truth.speakers[0].gender, text
            assert (stated.pitch, stated.rate) == (first.pitch, first.rate), text
            assert stated.volume == (None if ramps else truth.volume), text
            assert {(one.quantity, one.direction) for one in stated.courses} == {
                COURSES[phrase] for phrase in phrases if phrase in COURSES
            }, text
            count = stated.pauses.count if stated.pauses else None
            assert count == {0: None, 1: "one"}.get(phrases.count("pauses"), "several"), text
            assert set(stated.voice_qualities) == {QUALITIES[phrase] for phrase in phrases if phrase in QUALITIES}, text
            assert {one.sound for one in stated.sounds} == ({"laugh"} if "laughs" in phrases else set()), text
            assert (stated.age_group, stated.accent, stated.timbre, stated.emotions) == (None, None, (), ()), text


def test_fine_captions_tell_events_in_their_order() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for truth in TRUTHS:
        courses = [COURSES[event.phrase] for event in truth.events if event.phrase in COURSES]
        if len(set(courses)) < max(2, len(courses)):
            continue
        for text in fine_captions(truth, rng, 2):
            assert [(one.quantity, one.direction) for one in read_attributes(text).courses] == courses, text
            told += 1
    assert told > 20


def test_a_pause_has_the_place_of_its_middle() -> None:
    rng = np.random.default_rng(0)
    placed = 0
    for truth in TRUTHS:
        pauses = [event for event in truth.events if event.phrase == "pauses"]
        if len(pauses) != 1:
            continue
        place = classes.pause_place((pauses[0].start_s + pauses[0].end_s) / 2 / truth.duration_s)
        for text in fine_captions(truth, rng, 2):
            stated = read_attributes(text).pauses
            assert stated is not None
            assert stated.place == place, text
            placed += place is not None
    assert placed > 10


@pytest.mark.parametrize(
    ("quality", "ends"),
    [
        ("whisper", ("aloud",)),
        ("breathy", ("loses the breath", "leaves the breath")),
        ("creaky", ("the creak", "creaky voice behind")),
    ],
)
def test_a_voice_quality_that_ends_is_said_to_end(quality: str, ends: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    told = 0
    for truth in TRUTHS:
        is_so = [stretch.voice_quality == quality for stretch in truth.stretches]
        returns = any(a and not b for a, b in pairwise(is_so))
        for text in fine_captions(truth, rng, 2):
            assert any(end in text for end in ends) == returns, text
        told += returns
    assert told > 3


def test_global_captions_state_their_truth_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for truth in TRUTHS:
        speaker, manner = truth.speakers[0], manner_overall(truth)
        for text in global_captions(truth, rng, 3):
            stated = read_attributes(text)
            assert (stated.pitch, stated.rate, stated.volume) == tuple(trait and trait.word for trait in manner), text
            assert stated.gender == speaker.gender, text
            assert text.count("very ") == sum(trait is not None and trait.very for trait in manner), text
            assert stated.age_group == speaker.age_group, text
            assert stated.accent == (speaker.accent.lower() if speaker.accent else None), text
            assert (stated.courses, stated.pauses, stated.timbre, stated.emotions) == ((), None, (), ()), text


def test_a_profile_is_that_of_the_whole() -> None:
    truth = make_truth(0, num_stretches=2)
    first, second = truth.stretches
    long = first.model_copy(update={"f0_median_hz": 100.0, "end_s": first.start_s + 9.0, "rate_hz": 3.0})
    short = second.model_copy(update={"f0_median_hz": 230.0, "end_s": second.start_s + 1.0, "rate_hz": 7.0})
    man = truth.speakers[0].model_copy(update={"gender": "male"})
    manner = manner_overall(truth.model_copy(update={"stretches": (long, short), "speakers": (man,)}))
    # 100 Hz for nine tenths, 230 Hz for one: 108.7 Hz; 3.4 syllables per second
    assert (manner.pitch, manner.rate) == (("low", False), ("slow", False))
    assert (manner.volume and manner.volume.word) == truth.volume


def test_what_lies_far_beyond_a_border_is_very_much_so() -> None:
    truth = make_truth(0, num_stretches=1)
    woman = truth.speakers[0].model_copy(update={"gender": "female"})
    changes = {"f0_median_hz": 240.0, "rate_hz": 2.5, "voice_quality": "modal"}
    stretch = truth.stretches[0].model_copy(update=changes)
    update = {"stretches": (stretch,), "speakers": (woman,), "loudness_lufs": -41.0, "volume": "soft"}
    manner = manner_overall(truth.model_copy(update=update))
    assert manner == (("high", True), ("slow", True), ("soft", True))
    nearer = truth.model_copy(update=update | {"loudness_lufs": -33.0})
    assert manner_overall(nearer).volume == ("soft", False)


def test_captions_of_one_recording_differ() -> None:
    rng = np.random.default_rng(0)
    for truth in TRUTHS[:30]:
        assert len(set(fine_captions(truth, rng, 4))) == 4
        assert len(set(global_captions(truth, rng, 2))) == 2


def test_the_generator_decides_the_wording() -> None:
    texts = [fine_captions(TRUTHS[3], np.random.default_rng(seed), 2) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]

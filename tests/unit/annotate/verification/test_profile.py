"""The profile of a voice is what most of the answers without a fault say."""

from fcaps_pipeline.annotate.verification.profile import vote
from fcaps_pipeline.records.annotations import Candidate, Missing
from fcaps_pipeline.records.captions import GlobalCaption, Granularity
from tests.unit.annotate.captioning.building import candidate

_MAN = GlobalCaption(
    gender="male",
    age_group="unknown",
    pitch="low",
    rate="slow",
    volume="soft",
    timbre="warm",
    emotion="calm",
    accent="unknown",
    caption="A man speaks softly.",
)


def _answer(*reasons: str, **fields: str) -> Candidate:
    return candidate("A man.", reasons=reasons).model_copy(
        update={"granularity": Granularity.GLOBAL, "attributes": _MAN.model_copy(update=fields)}
    )


def test_most_answers_decide_each_field_of_its_own() -> None:
    profile, missing = vote([_answer(), _answer(pitch="high"), _answer(gender="female", timbre="rough")])
    assert (profile.gender, profile.pitch, profile.timbre) == ("male", "low", "warm")
    assert [one.field for one in missing] == ["age_group", "accent"]
    assert {one.reason for one in missing} == {"unknown"}


def test_without_a_majority_a_field_is_empty_and_says_why() -> None:
    profile, missing = vote([_answer(), _answer(rate="fast")])
    assert profile.rate is None
    assert Missing(field="rate", reason="no majority: fast 1, slow 1") in missing


def test_answers_that_others_were_preferred_to_vote_and_faulty_ones_do_not() -> None:
    profile, _ = vote([_answer("surplus"), _answer("duplicate"), *[_answer("absence", gender="female")] * 5])
    assert profile.gender == "male"
    assert vote([_answer("absence"), candidate("Fine.")])[1] == ()

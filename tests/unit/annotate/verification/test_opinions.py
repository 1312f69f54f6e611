"""What a verifier leaves at a caption, and what is left of it when a sentence goes."""

from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.annotate.verification.opinions import apply_opinion
from fcaps_pipeline.annotate.verification.verifier import Fault, Opinion
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, Claim, Evidence
from tests.unit.annotate.captioning.building import candidate, segment_audio

_TEXT = (
    "She sounds sad throughout. The speaker is a woman with a husky voice who begins at a calm pace and then grows a "
    "little louder before she comes to a gentle close."
)


def _judge() -> Judge:
    verification = VerificationConfig.model_validate({"verifiers": []})
    return Judge(Facts.of(segment_audio()), verification, shipped_bounds())


def _heard(claim: Claim) -> Claim:
    """That she is sad was heard to be false, the timbre to be true; of others nobody asked."""
    results = {"sad": ("contradicted", "-4.00"), "husky": ("supported", "+4.00")}
    if claim.value not in results:
        return claim
    result, value = results[claim.value]
    evidence = Evidence(tool="probe:ears", tier="listening", value=value, unit="nats")
    return claim.model_copy(update={"result": result, "evidence": (evidence,)})


def _of(found: Candidate) -> dict[str, str]:
    return {one.value: one.result for one in found.claims or ()}


def test_a_sentence_that_was_heard_to_be_false_goes_and_what_was_heard_of_the_rest_stays() -> None:
    judge = _judge()
    judged = judge.judge(candidate(_TEXT))
    found = apply_opinion(judged, Opinion(tuple(map(_heard, judged.claims or ())), trajectory='{"tool":"probe:ears"}'))
    treated = judge.treat(found, ("delete",))
    assert _of(found)["sad"] == "contradicted"
    assert not treated.text.startswith("She sounds sad")
    assert len(treated.repairs) == 1
    assert "probe:ears is -4.00 nats" in treated.repairs[0]
    assert "sad" not in _of(treated)
    assert (_of(treated)["husky"], _of(treated)["female"]) == ("supported", "unverifiable")
    assert treated.trajectory == '[{"tool":"probe:ears"}]'
    assert treated.verdict.kept


def test_a_fault_of_the_whole_drops_the_caption_by_its_name() -> None:
    judged = _judge().judge(candidate(_TEXT))
    found = apply_opinion(judged, Opinion(judged.claims or (), faults=(Fault("too_many", "a second speaker"),)))
    assert (found.verdict.reasons, found.verdict.details) == (("too_many",), ("a second speaker",))

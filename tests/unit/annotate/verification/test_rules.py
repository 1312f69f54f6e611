"""Each rule hits what it is named after and leaves a good caption alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.evidence import weigh_claims
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.parsing import ParsedAnswer
from fcaps_pipeline.annotate.verification.remedies import CONTRADICTED
from fcaps_pipeline.annotate.verification.rules import RULES, Answer, judge
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.lab.bench.natural_captions import KEEP, NaturalCaption, natural_captions
from fcaps_pipeline.records.annotations import FinishReason, Verdict
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, GOOD_GLOBAL, OTHER_FINE, answer, claims_of, completion

_FINE_FAULTS = [
    ("absence", "There is no tension in it."),
    ("absence", "She speaks without hurry."),
    ("absence", "It lacks force."),
    ("absence", "It doesn't rise."),
    ("absence", "It doesn\u2019t rise."),
    ("absence", "Her voice is free of strain."),
    ("background_or_quality", "A fan hums in the background."),
    ("background_or_quality", "The room is small."),
    ("background_or_quality", "It has a high-fidelity sound."),
    ("background_or_quality", "The recorded voice is close."),
    ("multiple_speakers", "Both speakers laugh."),
    ("multiple_speakers", "A second voice joins in."),
    ("multiple_speakers", "Two women talk at once."),
    ("multiple_speakers", "It is a conversation between friends."),
    ("meta_phrase", "The audio ends here."),
    ("meta_phrase", "I hear a smile in it."),
    ("meta_phrase", "Description: warm."),
    ("leaked_tokens", "<|audio_pad|>"),
    ("leaked_tokens", "<think>"),
    ("leaked_tokens", "It is **bold**."),
    ("leaked_tokens", "\u5979\u5728\u8bf4\u8bdd"),
    ("quoted_content", 'She ends with "thank you all".'),
    ("quoted_content", "She ends with \u201cthank you\u201d."),
    ("quoted_content", "She stresses 'don't go' at the end."),
    ("reported_content", "She is talking about the weather."),
    ("reported_content", "She says farewell."),
    ("tool_values", "Her pitch averages 210 Hz."),
    ("tool_values", "The label is calm."),
    ("newline", "\nShe ends."),
    ("no_speech", "No speech can be heard."),
    ("no_speech", "Nobody speaks in it."),
    ("repetition", "Softly and softly and softly and softly and softly and softly and softly."),
    ("repetition", "She is very very very very calm."),
    ("contradicts_itself", "He ends softly."),
]


@pytest.mark.parametrize(("rule", "fault"), _FINE_FAULTS)
def test_a_fault_is_found_by_its_rule(rule: str, fault: str) -> None:
    assert rule in judge(answer(f"{GOOD_FINE} {fault}")).reasons


@pytest.mark.parametrize(
    "harmless",
    [
        "Her notes stay notable, knotty and northern.",
        "The no-nonsense tone stays.",
        "Her speaker's poise grows, and the speaker's pace slows.",
        'She opens with a drawn-out "hmm" and an airy "haha".',
        "The speaker's voice is the other side of calm, and she's warm.",
        "She mushrooms into laughter, recordlike, roomy and studious.",
        "A short silence follows.",
        "She speaks in a measured, instated way.",
        "It is low at first, then medium-high pitched.",
    ],
)
def test_words_are_matched_whole(harmless: str) -> None:
    assert judge(answer(f"{GOOD_FINE} {harmless}")).kept


@pytest.mark.parametrize("text", [GOOD_FINE, OTHER_FINE])
def test_a_good_fine_caption_passes(text: str) -> None:
    assert judge(answer(text)).kept


def test_a_good_global_caption_passes() -> None:
    assert judge(answer(GOOD_GLOBAL.model_dump_json(), Granularity.GLOBAL)).kept


@pytest.mark.parametrize(
    ("granularity", "num_characters", "is_kept"),
    [
        (Granularity.FINE, 127, False),
        (Granularity.FINE, 128, True),
        (Granularity.FINE, 768, True),
        (Granularity.FINE, 769, False),
        (Granularity.GLOBAL, 31, False),
        (Granularity.GLOBAL, 32, True),
        (Granularity.GLOBAL, 512, True),
        (Granularity.GLOBAL, 513, False),
    ],
)
def test_bounds_of_length_are_included(granularity: Granularity, num_characters: int, *, is_kept: bool) -> None:
    words = " ".join(f"warm{chr(97 + index % 26)}{index}" for index in range(200))
    text = words[:num_characters]
    assert len(text) == num_characters
    asked = answer(text)
    judged = Answer(
        granularity=granularity,
        parsed=ParsedAnswer(text, GOOD_GLOBAL if granularity is Granularity.GLOBAL else None),
        completion=asked.completion,
        bounds=VerificationConfig(),
    )
    assert ("length" not in judge(judged).reasons) == is_kept


@pytest.mark.parametrize(("reason", "rule"), [("length", "truncation"), ("repetition", "repetition")])
def test_how_an_answer_ended_counts(reason: FinishReason, rule: str) -> None:
    assert rule in judge(answer(GOOD_FINE, finish_reason=reason)).reasons


def test_a_truncated_json_answer_is_truncated_and_nothing_more() -> None:
    assert judge(answer('{"gender":"female","age', Granularity.GLOBAL, finish_reason="length")).reasons == (
        "truncation",
    )


def test_invalid_json_is_judged_by_no_rule_on_words() -> None:
    verdict = judge(answer("no background", Granularity.GLOBAL))
    assert verdict.reasons == ("invalid_json",)
    assert "Invalid JSON" in verdict.details[0]


def test_words_of_the_transcript_are_found() -> None:
    text = f"{GOOD_FINE} We choose to go to the moon."
    assert "transcript_words" in judge(answer(text, transcript="... WE CHOOSE TO GO, in this decade")).reasons
    assert "transcript_words" not in judge(answer(text, transcript="we chose to stay at home")).reasons


def test_tags_the_model_was_told_must_show() -> None:
    text = f"{GOOD_FINE} It has an Irish accent and sounds sarcastic."
    assert judge(answer(text, tags=("Irish accent", "sarcastically"))).kept
    verdict = judge(answer(text, tags=("Irish accent", "whispered")))
    assert (verdict.reasons, verdict.details) == (("tags_not_honoured",), ("whispered",))


_GERMAN = (
    "Eine Frau mit warmer, leicht rauer Stimme beginnt in ruhigem Tempo, wird nach einer kurzen Pause lauter und "
    "schneller und endet leise mit fallendem Ton."
)


def test_captions_are_in_the_language_of_the_job() -> None:
    assert judge(answer(_GERMAN)).reasons == ("other_language",)
    german, any_language = VerificationConfig(language="de"), VerificationConfig(language=None)
    assert judge(answer(_GERMAN, bounds=german)) == judge(answer(_GERMAN, bounds=any_language)) == Verdict()
    assert judge(answer(GOOD_FINE, bounds=german)).reasons == ("other_language",)
    assert judge(answer(f"{_GERMAN} <think>", bounds=german)).reasons == ("leaked_tokens",)


@pytest.mark.parametrize("caption", natural_captions(), ids=lambda one: one.text[:40])
def test_natural_captions_get_the_right_verdict(caption: NaturalCaption) -> None:
    reasons = caption.reasons()
    assert caption.verdict in reasons if caption.verdict != KEEP else reasons == ()


def test_there_are_natural_captions_of_every_rule_on_words() -> None:
    verdicts = [one.verdict for one in natural_captions()]
    assert len(verdicts) >= 150
    assert sum(one != KEEP for one in verdicts) >= 50
    draws = {"truncation", "invalid_json", "length"}
    assert {rule.name for rule in RULES} - set(verdicts) == draws | {"tags_not_honoured"}
    assert verdicts.count(CONTRADICTED) >= 30


@pytest.mark.parametrize(
    "harmless",
    [
        "Her pitch rises, suggesting that she is amused.",
        "The tone is warm and inviting to the ear.",
        "She speaks as if in a church, as though rain were falling on the words.",
        "Her voice offers a soft, rounded edge, like waves breaking far away.",
    ],
)
def test_pictures_and_impressions_are_no_fault(harmless: str) -> None:
    assert judge(answer(f"{GOOD_FINE} {harmless}")).kept


def test_every_reason_comes_with_its_detail() -> None:
    verdict = judge(answer("No background noise.\n"))
    assert dict(zip(verdict.reasons, verdict.details, strict=True)) == {
        "length": "20 characters, expected 128 to 768",
        "background_or_quality": "background",
        "absence": "No",
    }


def test_no_published_caption_contradicts_what_is_measured_in_its_audio(shared_audio: Path) -> None:
    lines = [json.loads(line) for line in (shared_audio / "fcaps" / "captions.jsonl").read_text().splitlines()]
    for line in lines:
        pcm_T = decode_all(str(shared_audio / "fcaps" / line["file"]))[0]
        facts = Facts(measure_acoustics(pcm_T), len(pcm_T), pcm_T)
        assert judge(answer(line["fine_caption"])).reasons == ()
        judged = Answer(Granularity.GLOBAL, ParsedAnswer(line["global_caption"]), completion(""), VerificationConfig())
        assert judge(judged).reasons == ("background_or_quality",)
        for text in (line["fine_caption"], line["global_caption"]):
            weighed = weigh_claims(claims_of(text, num_samples=len(pcm_T)), text, facts, shipped_bounds())
            assert [one.claim for one in weighed if one.claim.result == "contradicted"] == []


@given(st.text(max_size=300), st.sampled_from(Granularity))
def test_any_text_can_be_judged(text: str, granularity: Granularity) -> None:
    verdict = judge(answer(text, granularity, transcript=text, tags=(text,)))
    assert len(verdict.reasons) == len(verdict.details)
    assert set(verdict.reasons) <= {rule.name for rule in RULES}


@pytest.mark.parametrize(
    "unseen", ["\x00", "\x1b[2J", "\u202e", "\u2066", "\u200b", "\ufeff", "\ufffd", "\ue000", "\U000e0041"]
)
def test_characters_that_nobody_sees_drop_a_caption(unseen: str) -> None:
    verdict = judge(answer(f"{GOOD_FINE} {unseen}"))
    assert verdict.reasons == ("leaked_tokens",)
    assert unseen == "\ufffd" or verdict.details == (f"U+{ord(unseen[0]):04X}",)


@pytest.mark.parametrize("text", ['{"gender": 1e999}', '{"gender": ' + "9" * 5_000 + "}", '"\\ud800"', "[" * 9_000])
def test_json_that_cannot_be_is_a_verdict(text: str) -> None:
    assert judge(answer(text, Granularity.GLOBAL)).reasons == ("invalid_json",)

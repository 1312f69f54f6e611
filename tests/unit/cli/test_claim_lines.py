"""Claims, evidence and events, a line each."""

from fcaps_pipeline.cli.claim_lines import claim_line, claims_in_short, event_line, events_in_short
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan
from fcaps_pipeline.records.audio import Event

_END = SampleSpan(start_samples=16_000, end_samples=32_000)
_SLOW = Claim(
    attribute="rate",
    value="slow",
    interval=_END,
    result="contradicted",
    evidence=(
        Evidence(tool="tempo_hz", tier="analytic", value="6.1", unit="Hz", expected="slow: at most 4.8", interval=_END),
    ),
)
_CALM = Claim(
    attribute="emotion",
    value="calm",
    result="unverifiable",
    evidence=(Evidence(tool="none", tier="heuristic", value="nothing measures emotion calm"),),
)
_PAUSE = Event(phrase="pauses", start_samples=8_000, end_samples=12_000, source="acoustics", confidence=0.975)


def test_a_claim_is_told_with_its_evidence() -> None:
    assert claim_line(_SLOW) == (
        "contradicted  rate slow from 1.00 to 2.00 s: tempo_hz 6.1 Hz from 1.00 to 2.00 s (slow: at most 4.8)"
    )
    assert claim_line(_CALM) == "unverifiable  emotion calm: nothing measures emotion calm"


def test_a_caption_has_its_claims_in_short() -> None:
    assert claims_in_short((_CALM, _SLOW)) == "contradicted: rate slow (tempo_hz 6.1 Hz); unverifiable: emotion calm"
    other = _CALM.model_copy(update={"attribute": "other", "value": "So be it."})
    assert claims_in_short((_CALM, other)) == "unverifiable: emotion calm; not understood: 1 of 2"
    assert claims_in_short(()) == ""


def test_an_event_is_told_with_its_time() -> None:
    assert event_line(_PAUSE) == "0.50 to 0.75 s  pauses (acoustics, 0.97)"
    assert events_in_short((_PAUSE, _PAUSE)) == "pauses 0.50 to 0.75 s, pauses 0.50 to 0.75 s"

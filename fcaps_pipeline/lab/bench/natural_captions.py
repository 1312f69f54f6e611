"""Captions of many styles, written by hand, each with the verdict that is right: what the rules are measured against.

Leaves: `NaturalCaption`s from `natural_captions.jsonl`, and the verdict of the rules on one. Measurements that a
caption does not name are those of an ordinary voice, and say nothing about changes.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import Field

from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.claims import read_claims
from fcaps_pipeline.annotate.verification.evidence import weigh_claims
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.parsing import parse_answer
from fcaps_pipeline.annotate.verification.remedies import CONTRADICTED
from fcaps_pipeline.annotate.verification.rules import Answer, judge
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Completion
from fcaps_pipeline.records.audio import Acoustics, Gender
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity

KEEP = "keep"
_USUAL_HZ, _FOLLOWS = 2.5, 0.4
"""How the modulation of synthetic clips follows their syllables, by least squares."""
_NUM_SAMPLES = 64_000
_ANY_LENGTH = VerificationConfig(fine_min_characters=1)
"""Length is no matter of style."""


class NaturalCaption(Record):
    """A fine caption and the rule that must drop it."""

    text: str
    voice: Literal["woman", "man"]
    """Whose ordinary measurements stand for what the caption does not name."""
    verdict: str
    """`keep`, or the name of the rule."""
    measured: dict[str, float] = Field(default_factory=dict)
    """Fields of `Acoustics` that differ from the ordinary."""
    transcript: str | None = None
    speaker_gender: Gender | None = None
    """Where the source knows it."""
    author: Literal["rules", "attack"] = "rules"
    """Who wrote it: the author of the rules, or another who set out to find verdicts that are wrong."""

    def reasons(self) -> tuple[str, ...]:
        """What rules and evidence say."""
        completion = Completion(text=self.text, finish_reason="stop", num_prompt_tokens=0, num_output_tokens=1, seed=0)
        answer = Answer(
            granularity=Granularity.FINE,
            parsed=parse_answer(Granularity.FINE, self.text),
            completion=completion,
            bounds=_ANY_LENGTH,
            transcript=self.transcript,
        )
        facts = Facts(_ordinary(self.voice, self.measured), _NUM_SAMPLES, speaker_gender=self.speaker_gender)
        claims = read_claims(answer.reading, None, _NUM_SAMPLES)
        weighed = weigh_claims(claims, self.text, facts, shipped_bounds())
        is_false = any(one.claim.result == "contradicted" for one in weighed)
        return (*judge(answer).reasons, *([CONTRADICTED] if is_false else []))


@cache
def natural_captions() -> tuple[NaturalCaption, ...]:
    """All of them."""
    lines = resources.files(__package__).joinpath("natural_captions.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(map(NaturalCaption.model_validate_json, lines))


def _ordinary(voice: str, changes: Mapping[str, float]) -> Acoustics:
    f0_hz = (150.0, 205.0, 290.0) if voice == "woman" else (85.0, 115.0, 170.0)
    fields: dict[str, Any] = dict.fromkeys(Acoustics.model_fields)
    fields |= {"f0_p5_hz": f0_hz[0], "f0_median_hz": f0_hz[1], "f0_p95_hz": f0_hz[2]}
    fields |= {"voiced_share": 0.6, "syllables_per_s": 4.0, "articulation_syllables_per_s": 4.6}
    fields |= {"num_pauses": 1, "pauses_total_s": 0.25, "pause_longest_s": 0.25, "dip_longest_s": 0.3}
    fields |= {"loudness_lufs": -23.0, "level_range_db": 25.0, "snr_db": 30.0, "clipped_share": 0.0}
    fields |= changes
    fields["modulation_hz"] = fields["modulation_hz"] or _USUAL_HZ + _FOLLOWS * fields["articulation_syllables_per_s"]
    return Acoustics.model_validate(fields)

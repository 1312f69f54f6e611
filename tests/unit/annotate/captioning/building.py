"""Builds the records that several tests of this folder need."""

import numpy as np

from fcaps_pipeline.annotate.verification.claims import read_claims
from fcaps_pipeline.annotate.verification.parsing import parse_answer
from fcaps_pipeline.annotate.verification.rules import Answer
from fcaps_pipeline.attributes.reading import read_caption
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import (
    Candidate,
    Claim,
    Completion,
    EvidenceScore,
    FinishReason,
    Provenance,
    Sampling,
    Verdict,
)
from fcaps_pipeline.records.audio import Acoustics, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.captions import GlobalCaption, Granularity

GOOD_FINE = (
    "A woman with a warm, slightly husky voice begins at a calm pace and a medium pitch, then grows louder and faster "
    "after a short pause, and ends softly with a falling tone."
)
OTHER_FINE = (
    "Starting quietly, a middle-aged female speaker lets the melody climb step by step; the tempo quickens towards the "
    "close, where brightness gives way to a gentle, drawn-out final syllable."
)
GOOD_GLOBAL = GlobalCaption(
    gender="female",
    age_group="middle-aged",
    pitch="medium",
    rate="measured",
    volume="soft",
    timbre="husky",
    emotion="calm",
    accent="unknown",
    caption="A middle-aged woman speaks softly in a husky voice and at a measured pace, sounding calm.",
)


def acoustics(**changes: float | None) -> Acoustics:
    """An ordinary female voice with one pause."""
    ordinary = Acoustics(
        f0_median_hz=190.0,
        f0_p5_hz=150.0,
        f0_p95_hz=260.0,
        f0_slope_hz_per_s=-3.0,
        voiced_share=0.6,
        syllables_per_s=4.0,
        articulation_syllables_per_s=4.6,
        modulation_hz=4.4,
        loudness_lufs=-23.0,
        level_range_db=25.0,
        num_pauses=1,
        pauses_total_s=0.4,
        pause_longest_s=0.4,
        dip_longest_s=0.5,
        level_change_db=None,
        f0_change_semitones=None,
        rate_change_ratio=None,
        snr_db=30.0,
        clipped_share=0.0,
    )
    return ordinary.model_copy(update=changes)


def segment_audio(seed: int = 0, *, tags: tuple[str, ...] = (), transcript: str | None = None) -> SegmentAudio:
    """Two seconds of noise, different for every seed."""
    recording = Recording(recording_id=f"rec-{seed}", location="/data/rec.wav", source="rec.wav", tags=tags)
    segment = Segment(
        segment_id=Segment.make_id(recording.recording_id, 0, 0, 32_000),
        recording_id=recording.recording_id,
        channel=0,
        start_samples=0,
        end_samples=32_000,
        transcript=transcript,
    )
    pcm_T = np.random.default_rng(seed).integers(-3_000, 3_000, 32_000).astype(np.int16)
    return SegmentAudio(recording, segment, acoustics(), pcm_T)


def completion(text: str, finish_reason: FinishReason = "stop", seed: int = 0) -> Completion:
    """A raw answer."""
    return Completion(text=text, finish_reason=finish_reason, num_prompt_tokens=50, num_output_tokens=40, seed=seed)


def answer(
    text: str,
    granularity: Granularity = Granularity.FINE,
    *,
    finish_reason: FinishReason = "stop",
    transcript: str | None = None,
    tags: tuple[str, ...] = (),
    bounds: VerificationConfig | None = None,
) -> Answer:
    """What the rules see."""
    return Answer(
        granularity=granularity,
        parsed=parse_answer(granularity, text),
        completion=completion(text, finish_reason),
        bounds=bounds or VerificationConfig(),
        transcript=transcript,
        tags=tags,
    )


def claims_of(text: str, attributes: GlobalCaption | None = None, num_samples: int = 32_000) -> tuple[Claim, ...]:
    """What a caption claims, unchecked."""
    return read_claims(read_caption(text), attributes, num_samples)


def candidate(text: str, *, reasons: tuple[str, ...] = (), seed: int = 0, scores: tuple[float, ...] = ()) -> Candidate:
    """A judged fine caption."""
    return Candidate(
        granularity=Granularity.FINE,
        text=text,
        completion=completion(text, seed=seed),
        attempt=1,
        request_key="0" * 64,
        completion_index=seed,
        provenance=Provenance(
            engine="scripted",
            engine_version="1",
            model="m",
            model_revision="r",
            prompt_name="captioner_fine",
            prompt_version=1,
            prompt_sha256="0" * 64,
            sampling=Sampling(),
        ),
        verdict=Verdict(
            reasons=reasons,
            details=reasons,
            scores=tuple(
                EvidenceScore(attribute="rate", value="slow", measure="m", measured=0.0, score=one) for one in scores
            ),
        ),
        claims=claims_of(text),
    )

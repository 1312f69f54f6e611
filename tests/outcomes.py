"""Outcomes of one Segment, as the captioning layer would hand them over."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from fcaps_pipeline.records.annotations import (
    Annotation,
    Candidate,
    CaptionSet,
    Completion,
    Failure,
    Provenance,
    Rejection,
    Sampling,
    Verdict,
)
from fcaps_pipeline.records.audio import Acoustics, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.captions import GlobalCaption, Granularity
from fcaps_pipeline.shards.layout import RecordingOutcome

_ACOUSTICS = Acoustics(
    f0_median_hz=120.0,
    f0_p5_hz=90.0,
    f0_p95_hz=180.0,
    f0_slope_hz_per_s=None,
    voiced_share=0.6,
    syllables_per_s=4.0,
    articulation_syllables_per_s=4.5,
    loudness_lufs=-23.0,
    level_range_db=12.0,
    num_pauses=1,
    pauses_total_s=0.4,
    pause_longest_s=0.4,
    dip_longest_s=0.4,
    level_change_db=None,
    f0_change_semitones=None,
    rate_change_ratio=None,
    snr_db=30.0,
    clipped_share=0.0,
)

_PROFILE = GlobalCaption(
    gender="male",
    age_group="unknown",
    pitch="low",
    rate="measured",
    volume="soft",
    timbre="unknown",
    emotion="unknown",
    accent="unknown",
    caption="A man with a low voice speaks softly at a measured pace.",
)


def segmented(num_segments: int) -> RecordingOutcome:
    """A Recording that became so many Segments."""
    return RecordingOutcome(
        recording_id="tale_wav",
        source="tale.wav",
        outcome="segmented",
        num_segments=num_segments,
        duration_s=60.0,
        speech_s=40.0,
        num_discarded=0,
        discarded_s=0.0,
        num_forced_cuts=0,
    )


@pytest.fixture
def make_audio() -> Callable[..., SegmentAudio]:
    def make(index: int = 0, num_samples: int = 32_000) -> SegmentAudio:
        start_samples = index * num_samples
        noise_T = np.random.default_rng(index).integers(-3000, 3000, num_samples)
        return SegmentAudio(
            recording=Recording(
                recording_id="tale_wav", location="/speech/tale.wav", source="tale.wav", speaker="anna", tags=("calm",)
            ),
            segment=Segment(
                segment_id=Segment.make_id("tale_wav", 0, start_samples, start_samples + num_samples),
                recording_id="tale_wav",
                channel=0,
                start_samples=start_samples,
                end_samples=start_samples + num_samples,
            ),
            acoustics=_ACOUSTICS,
            pcm_T=noise_T.astype(np.int16),
        )

    return make


def _candidate(granularity: Granularity, text: str, *reasons: str) -> Candidate:
    return Candidate(
        granularity=granularity,
        text=text,
        attributes=_PROFILE if granularity is Granularity.GLOBAL else None,
        completion=Completion(text=text, finish_reason="stop", num_prompt_tokens=40, num_output_tokens=30, seed=7),
        attempt=1,
        request_key=hashlib.sha256(text.encode()).hexdigest(),
        completion_index=0,
        provenance=Provenance(
            engine="vllm",
            engine_version="0.32.0",
            model="package:captioner",
            model_revision="sha256:abc",
            prompt_name="embedded_fine",
            prompt_version=1,
            prompt_sha256="f" * 64,
            sampling=Sampling(),
        ),
        verdict=Verdict(reasons=reasons, details=tuple("found" for _ in reasons)),
    )


@pytest.fixture
def annotate() -> Callable[[SegmentAudio], Annotation]:
    def make(audio: SegmentAudio) -> Annotation:
        fine = (
            _candidate(Granularity.FINE, "A man begins softly and grows louder."),
            _candidate(Granularity.FINE, "No noise is heard.", "absence"),
        )
        profile = (_candidate(Granularity.GLOBAL, _PROFILE.caption),)
        return Annotation(
            recording=audio.recording,
            segment=audio.segment,
            acoustics=audio.acoustics,
            caption_sets=(
                CaptionSet(granularity=Granularity.FINE, candidates=fine, attempts=1),
                CaptionSet(granularity=Granularity.GLOBAL, candidates=profile, attempts=1),
            ),
        )

    return make


@pytest.fixture
def reject() -> Callable[[SegmentAudio], Rejection]:
    def make(audio: SegmentAudio) -> Rejection:
        return Rejection(
            recording=audio.recording,
            segment=audio.segment,
            acoustics=audio.acoustics,
            reason="fine: absence",
            caption_sets=(
                CaptionSet(
                    granularity=Granularity.FINE,
                    candidates=(_candidate(Granularity.FINE, "No noise is heard.", "absence"),),
                    attempts=2,
                ),
            ),
        )

    return make


@pytest.fixture
def fail() -> Callable[[SegmentAudio], Failure]:
    def make(audio: SegmentAudio) -> Failure:
        return Failure(
            recording=audio.recording,
            segment=audio.segment,
            acoustics=audio.acoustics,
            stage="caption",
            error="EngineRequestError",
            message="the server refused the audio",
            attempts=3,
        )

    return make

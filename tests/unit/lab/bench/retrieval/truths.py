"""Truths of recordings that nobody spoke: every class, every event, each at any time."""

import numpy as np

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.lab.synthesis import classes
from fcaps_pipeline.lab.synthesis.recording_truth import (
    EventTruth,
    RecordingTruth,
    SpeakerTruth,
    StretchTruth,
)
from fcaps_pipeline.records.audio import Gender

_STRETCH_S = 2.5
_JOINT_S = 0.1
_LAUGHTER_S = 1.2
_CHANGES: tuple[EventPhrase, ...] = (
    "speaks faster",
    "speaks slower",
    "grows louder",
    "grows softer",
    "raises the pitch",
    "lowers the pitch",
    "whispers",
    "speaks in a breathy voice",
    "speaks in a creaky voice",
)
QUALITIES: dict[EventPhrase, classes.VoiceQuality] = {
    "whispers": "whisper",
    "speaks in a breathy voice": "breathy",
    "speaks in a creaky voice": "creaky",
}
_ACCENTS = ("American", "British", "Scottish", "Caribbean", None)


def make_truth(seed: int, *, num_stretches: int | None = None) -> RecordingTruth:
    """One turn of one speaker; some changes begin with a stretch, some stretches come after a pause."""
    rng = np.random.default_rng(seed)
    count = num_stretches or int(rng.integers(1, 5))
    gender: Gender = "female" if rng.random() < 0.5 else "male"
    at_s = float(rng.uniform(0.05, 0.4))
    starts_s: list[float] = []
    events: list[EventTruth] = []
    for index in range(count):
        if index and rng.random() < 0.4:
            pause_s = float(rng.uniform(0.45, 1.4))
            events.append(_event("pauses", at_s - _JOINT_S, at_s - _JOINT_S + pause_s))
            at_s += pause_s - _JOINT_S
        elif index and rng.random() < 0.2:
            events.append(_event("laughs", at_s, at_s + _LAUGHTER_S))
            at_s += _LAUGHTER_S + _JOINT_S
        if index and rng.random() < 0.6:
            # A speaker comes back to the modal voice before another quality begins.
            in_state = any(one.phrase in QUALITIES and one.start_s == starts_s[-1] for one in events)
            choices = [phrase for phrase in _CHANGES if not (in_state and phrase in QUALITIES)]
            events.append(_event(choices[int(rng.integers(len(choices)))], at_s, at_s + _STRETCH_S))
        starts_s.append(round(at_s, 4))
        at_s += _STRETCH_S + _JOINT_S
    qualities = {event.start_s: QUALITIES[event.phrase] for event in events if event.phrase in QUALITIES}
    duration_s = round(at_s + 0.2, 4)
    return RecordingTruth(
        id=f"r{seed}",
        path=f"r{seed}.flac",
        split="train",
        kind="clip",
        duration_s=duration_s,
        speakers=(
            SpeakerTruth(
                speaker="somebody",
                voice="a voice",
                gender=gender,
                age_group="elderly" if rng.random() < 0.2 else None,
                accent=_ACCENTS[int(rng.integers(len(_ACCENTS)))],
                formant_scale=1.0,
                base_f0_hz=150.0,
            ),
        ),
        transcript="Nothing at all.",
        stretches=tuple(_stretch(start_s, gender, rng, qualities.get(start_s, "modal")) for start_s in starts_s),
        events=tuple(events),
        overlaps=(),
        reverberation_s=None,
        noise=None,
        snr_db=None,
        telephone=False,
        loudness_lufs=-25.0,
        volume=(None, "soft", "moderate", "loud")[int(rng.integers(4))],
    )


def _event(phrase: EventPhrase, start_s: float, end_s: float) -> EventTruth:
    return EventTruth(phrase=phrase, speaker="somebody", start_s=round(start_s, 4), end_s=round(end_s, 4))


def _stretch(start_s: float, gender: Gender, rng: np.random.Generator, quality: classes.VoiceQuality) -> StretchTruth:
    f0_hz, rate_hz = float(rng.uniform(90.0, 240.0)), float(rng.uniform(2.8, 8.0))
    has_pitch = quality in ("modal", "breathy")
    return StretchTruth(
        speaker="somebody",
        turn=0,
        start_s=start_s,
        end_s=round(start_s + _STRETCH_S, 4),
        transcript="Nothing.",
        words=None,
        f0_median_hz=f0_hz if has_pitch else None,
        pitch=classes.pitch_class(f0_hz, gender) if has_pitch else None,
        rate_hz=rate_hz,
        rate=classes.rate_class(rate_hz),
        level_db=-26.0,
        level_change_db=0.0,
        voice_quality=quality,
        hnr_db=5.0 if quality == "breathy" else None,
        pulse_rate_hz=50.0 if quality == "creaky" else None,
        jitter=0.1 if quality == "creaky" else None,
    )

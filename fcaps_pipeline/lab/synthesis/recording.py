"""One recording: turns on a time line, in a room, with noise, at a level; and what is true of it.

Enters: speakers, a generator and a length. Leaves: float32 samples at 16 kHz and a `RecordingTruth`,
or `DisagreementError` where the outcome is not what was asked for.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import signal

from fcaps_pipeline.audio.surroundings import LIMITER_KNEE, NOISE_KINDS, NoiseKind, Samples, limit, noise, room_response
from fcaps_pipeline.lab.synthesis import classes, effects, measure
from fcaps_pipeline.lab.synthesis.draws import log_uniform
from fcaps_pipeline.lab.synthesis.recording_truth import (
    EventTruth,
    OverlapTruth,
    RecordingKind,
    RecordingTruth,
    SpeakerTruth,
    StretchTruth,
    TimedWord,
)
from fcaps_pipeline.lab.synthesis.speakers import Speaker
from fcaps_pipeline.lab.synthesis.stretch import Disagreement, DisagreementError, Stretch
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.lab.synthesis.turn import Turn, speak_turn
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_LENGTHS_S: dict[RecordingKind, tuple[float, float]] = {
    "clip": (1.5, 24.0),
    "conversation": (30.0, 180.0),
    "talk": (300.0, 1190.0),
}
_MOST_SPEAKERS: dict[RecordingKind, int] = {"clip": 1, "conversation": 4, "talk": 3}
_MOST_STRETCHES: dict[RecordingKind, int] = {"clip": 12, "conversation": 5, "talk": 12}
_CONVERSATION_SHARE = 0.12
_SILENCES_S = (0.5, 2.0)
_OVERLAPS_S = (0.3, 1.5)
_OVERLAP_SHARE = 0.4
_LOUDNESS_TOLERANCE_LU = 0.5
_NOISE_TILE_S, _NOISE_FADE_S = 24.0, 0.5
_SHORTEST_S = 1.9


@dataclass(frozen=True)
class Surroundings:
    """Room, noise, line and level."""

    reverberation_s: float | None
    wet: float
    noise: NoiseKind | None
    snr_db: float
    telephone: bool
    loudness_lufs: float


@dataclass(frozen=True)
class _Placed:
    start: int
    turn: Turn

    @property
    def end(self) -> int:
        return self.start + self.turn.num_samples


def draw_kind(rng: np.random.Generator, room_s: float, *, talk: bool) -> tuple[RecordingKind, float]:
    """Kind and wanted length of a recording that may take up to `room_s`.

    Args:
        rng: draws them.
        room_s: what is left to fill.
        talk: whether a talk is wanted where there is room.
    """
    kind: RecordingKind = "clip"
    if talk and room_s >= _LENGTHS_S["talk"][0]:
        kind = "talk"
    elif room_s >= _LENGTHS_S["conversation"][0] and rng.random() < _CONVERSATION_SHARE:
        kind = "conversation"
    shortest_s, longest_s = _LENGTHS_S[kind]
    return kind, log_uniform(rng, shortest_s, max(shortest_s, min(longest_s, room_s)))


def make_recording(
    recording_id: str,
    path: str,
    speakers: tuple[Speaker, ...],
    split: Split | None,
    rng: np.random.Generator,
    *,
    kind: RecordingKind,
    length_s: float,
    overlap: bool,
    redrawn: Counter[Disagreement],
) -> tuple[npt.NDArray[np.float32], RecordingTruth]:
    """Draws, speaks and measures one recording.

    Args:
        recording_id: also names the file.
        path: of the file, relative to the manifest.
        speakers: who may speak.
        split: whose sentences; None for any.
        rng: draws everything.
        kind: clip, conversation or talk.
        length_s: no stretch begins after this time.
        overlap: whether a speaker may begin before another has ended.
        redrawn: counts the sentences that were thrown away, by reason.

    Raises:
        DependencyError: a synthesizer is missing.
        DisagreementError: knob and measurement differ.
    """
    present = _draw_present(rng, speakers, kind)
    placed = _speak_turns(rng, present, split, kind, length_s, overlap=overlap, redrawn=redrawn)
    surroundings = draw_surroundings(rng)
    tail = round(rng.uniform(0.1, 0.5) * SAMPLE_RATE_HZ)
    finished_T, gain_db, lufs = surround(_mix(placed, tail), surroundings, rng)
    if abs(lufs - surroundings.loudness_lufs) > _LOUDNESS_TOLERANCE_LU:
        raise DisagreementError("level")
    truth = RecordingTruth(
        id=recording_id,
        path=path,
        split=split,
        kind=kind,
        duration_s=len(finished_T) / SAMPLE_RATE_HZ,
        speakers=tuple(_speaker_truth(one) for one in present if any(one is p.turn.speaker for p in placed)),
        transcript=" ".join(_sentence(stretch.text) for one in placed for _, stretch, _ in one.turn.stretches),
        stretches=tuple(truth for index, one in enumerate(placed) for truth in _stretch_truths(index, one, gain_db)),
        events=tuple(sorted(_event_truths(placed), key=lambda event: (event.start_s, event.end_s, event.phrase))),
        overlaps=_overlaps(placed),
        reverberation_s=surroundings.reverberation_s,
        noise=surroundings.noise,
        snr_db=None if surroundings.noise is None else surroundings.snr_db,
        telephone=surroundings.telephone,
        loudness_lufs=round(lufs, 2),
        volume=classes.volume_class(lufs),
    )
    return finished_T.astype(np.float32), truth


def _mix(placed: list[_Placed], tail: int) -> npt.NDArray[np.float64]:
    """All turns in their places, with so many samples of silence behind the last."""
    mixed_T = np.zeros(max(max(one.end for one in placed) + tail, round(_SHORTEST_S * SAMPLE_RATE_HZ)))
    for one in placed:
        stretches = [(offset, stretch.audio_T) for offset, stretch, _ in one.turn.stretches]
        for offset, audio_T in [*stretches, *one.turn.laughter]:
            begin = one.start + offset
            mixed_T[begin : begin + len(audio_T)] += audio_T
    return mixed_T


def draw_surroundings(rng: np.random.Generator) -> Surroundings:
    """Dry or a small room to a hall; clean or down to 5 dB; a telephone line now and then."""
    return Surroundings(
        reverberation_s=round(log_uniform(rng, 0.15, 1.8), 2) if rng.random() < 0.5 else None,
        wet=log_uniform(rng, 0.02, 0.5),
        noise=NOISE_KINDS[int(rng.integers(len(NOISE_KINDS)))] if rng.random() < 0.6 else None,
        snr_db=round(float(rng.uniform(5.0, 45.0)), 1),
        telephone=bool(rng.random() < 0.06),
        loudness_lufs=float(rng.uniform(-42.0, -15.0)),
    )


def surround(dry_T: Samples, surroundings: Surroundings, rng: np.random.Generator) -> tuple[Samples, float, float]:
    """Puts a dry recording where it was recorded.

    Returns:
        The finished samples, the gain in dB that was applied, and their loudness in LUFS.
    """
    audio_T = dry_T
    if surroundings.reverberation_s is not None:
        room_T = room_response(surroundings.reverberation_s, surroundings.wet, rng)
        audio_T = np.asarray(signal.oaconvolve(audio_T, room_T)[: len(audio_T)], dtype=np.float64)
    if surroundings.noise is not None:
        level_db = measure.speech_level_db(audio_T) - surroundings.snr_db
        audio_T = audio_T + 10 ** (level_db / 20) * long_noise(surroundings.noise, len(audio_T), rng)
    if surroundings.telephone:
        audio_T = effects.telephone(audio_T)
    gain_db = surroundings.loudness_lufs - measure.loudness_lufs(audio_T)
    audio_T = audio_T * 10 ** (gain_db / 20)
    if np.max(np.abs(audio_T)) <= LIMITER_KNEE:
        # Nothing will be bent, so the gain decides the loudness.
        return audio_T, gain_db, surroundings.loudness_lufs
    finished_T = limit(audio_T)
    return finished_T, gain_db, measure.loudness_lufs(finished_T)


def long_noise(kind: NoiseKind, num_samples: int, rng: np.random.Generator) -> Samples:
    """Noise of unit RMS; what is longer than 24 s repeats, each end blended into the next beginning."""
    tile, fade = (round(length_s * SAMPLE_RATE_HZ) for length_s in (_NOISE_TILE_S, _NOISE_FADE_S))
    if num_samples <= tile:
        return noise(kind, num_samples, rng)
    noise_T = noise(kind, tile + fade, rng)
    rising = np.sqrt(np.linspace(0.0, 1.0, fade))
    noise_T[:fade] = noise_T[:fade] * rising + noise_T[tile:] * rising[::-1]
    return np.resize(noise_T[:tile], num_samples)


def _draw_present(rng: np.random.Generator, speakers: tuple[Speaker, ...], kind: RecordingKind) -> tuple[Speaker, ...]:
    most = _MOST_SPEAKERS[kind]
    fewest = 2 if kind == "conversation" else 1
    count = min(len(speakers), int(rng.integers(fewest, most + 1)))
    return tuple(speakers[int(index)] for index in rng.choice(len(speakers), size=count, replace=False))


def _speak_turns(
    rng: np.random.Generator,
    present: tuple[Speaker, ...],
    split: Split | None,
    kind: RecordingKind,
    length_s: float,
    *,
    overlap: bool,
    redrawn: Counter[Disagreement],
) -> list[_Placed]:
    """Turns one after the other until the time is over; with several speakers nobody follows himself."""
    placed: list[_Placed] = []
    start = round(rng.uniform(0.05, 0.4) * SAMPLE_RATE_HZ)
    while not placed or (kind != "clip" and start < length_s * SAMPLE_RATE_HZ):
        others = [one for one in present if not placed or one is not placed[-1].turn.speaker] or list(present)
        turn = speak_turn(
            rng,
            others[int(rng.integers(len(others)))],
            split,
            num_stretches=int(rng.integers(1, _MOST_STRETCHES[kind] + 1)),
            longest_s=length_s - start / SAMPLE_RATE_HZ - (0.0 if placed else 2.0),
            redrawn=redrawn,
        )
        placed.append(_Placed(start, turn))
        start = _next_start(rng, placed, overlap=overlap and len(present) > 1)
    return placed


def _next_start(rng: np.random.Generator, placed: list[_Placed], *, overlap: bool) -> int:
    """After a silence, or before the last speaker has ended; never three at once."""
    last = placed[-1]
    if not overlap or rng.random() >= _OVERLAP_SHARE:
        return last.end + round(rng.uniform(*_SILENCES_S) * SAMPLE_RATE_HZ)
    shared = min(round(rng.uniform(*_OVERLAPS_S) * SAMPLE_RATE_HZ), last.turn.num_samples // 2)
    return max([last.end - shared, *(one.end for one in placed[:-1])])


def _speaker_truth(speaker: Speaker) -> SpeakerTruth:
    return SpeakerTruth(
        speaker=speaker.speaker,
        voice=speaker.voice.voice_id,
        gender=speaker.gender,
        age_group=speaker.age_group,
        accent=speaker.accent,
        formant_scale=speaker.formant_scale,
        base_f0_hz=speaker.base_f0_hz,
    )


def _stretch_truths(index: int, placed: _Placed, gain_db: float) -> list[StretchTruth]:
    speaker = placed.turn.speaker
    truths: list[StretchTruth] = []
    for offset, stretch, wanted in placed.turn.stretches:
        start = placed.start + offset
        larynx = stretch.larynx
        f0_hz = larynx.f0_median_hz
        truths.append(
            StretchTruth(
                speaker=speaker.speaker,
                turn=index,
                start_s=_seconds(start),
                end_s=_seconds(start + len(stretch.audio_T)),
                transcript=_sentence(stretch.text),
                words=_words(stretch, start),
                f0_median_hz=_rounded(f0_hz, 2),
                pitch=None if f0_hz is None else classes.pitch_class(f0_hz, speaker.gender),
                rate_hz=round(stretch.rate_hz, 3),
                rate=classes.rate_class(stretch.rate_hz),
                level_db=round(stretch.level_db + gain_db, 2),
                level_change_db=round(stretch.level_change_db, 2),
                voice_quality=wanted.quality,
                hnr_db=_rounded(larynx.hnr_db, 2),
                pulse_rate_hz=_rounded(larynx.pulse_rate_hz, 2),
                jitter=_rounded(larynx.jitter, 4),
            )
        )
    return truths


def _words(stretch: Stretch, start: int) -> tuple[TimedWord, ...] | None:
    if stretch.words is None:
        return None
    at_s = start / SAMPLE_RATE_HZ
    return tuple(
        TimedWord(word=word.text, start_s=round(at_s + word.start_s, 3), end_s=round(at_s + word.end_s, 3))
        for word in stretch.words
    )


def _event_truths(placed: list[_Placed]) -> list[EventTruth]:
    return [
        EventTruth(
            phrase=event.phrase,
            speaker=one.turn.speaker.speaker,
            start_s=_seconds(one.start + event.start_samples),
            end_s=_seconds(one.start + event.end_samples),
        )
        for one in placed
        for event in one.turn.events
    ]


def _overlaps(placed: list[_Placed]) -> tuple[OverlapTruth, ...]:
    return tuple(
        OverlapTruth(start_s=_seconds(after.start), end_s=_seconds(min(before.end, after.end)))
        for before, after in pairwise(placed)
        if after.start < before.end
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 4)

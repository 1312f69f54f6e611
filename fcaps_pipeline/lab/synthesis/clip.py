"""Makes one clip from its plan and says what is true of it, by measurement.

Enters: a plan or a random generator. Leaves: float32 samples at 16 kHz and a `ClipTruth`, or None
where a measurement lies between two words or contradicts the plan.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.audio import surroundings
from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.lab.synthesis import classes, effects, measure
from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.clip_events import clip_events
from fcaps_pipeline.lab.synthesis.plan import PhrasePlan, SpeechPlan, draw_plan
from fcaps_pipeline.lab.synthesis.praat import change_voice
from fcaps_pipeline.lab.synthesis.qualities import whisper
from fcaps_pipeline.lab.synthesis.sounds import draw_sound
from fcaps_pipeline.lab.synthesis.speaking import Knobs, PhraseError
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, Pause, SpeechTruth, Split
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

NON_SPEECH_SHARE = 0.1
MAX_CLIP_S = 29.9
MIN_CLIP_S = 1.2
_ATTEMPTS = 60
_OCTAVES_OF_PITCH_KNOB = 1.3
_FEW_SYLLABLES = 8
_TEXT_RATE_RATIO = 1.4


@dataclass(frozen=True)
class _Phrase:
    audio_T: Samples
    num_syllables: float
    speech_s: float


def make_clip(
    clip_id: str, split: Split, rng: np.random.Generator, cast: Cast
) -> tuple[npt.NDArray[np.float32], ClipTruth]:
    """Draws plans until one yields a clip with certain labels.

    Raises:
        DependencyError: a synthesizer is missing.
        RuntimeError: the plans and the class borders contradict each other.
    """
    if rng.random() < NON_SPEECH_SHARE:
        kind, sound_T = draw_sound(rng)
        truth = ClipTruth(clip_id=clip_id, split=split, num_samples=len(sound_T), speech=None, sound=kind)
        return sound_T.astype(np.float32), truth
    for _ in range(_ATTEMPTS):
        try:
            made = render(draw_plan(rng, split, cast), rng, cast)
        except PhraseError:
            continue
        if made is not None:
            audio_T, speech = made
            truth = ClipTruth(clip_id=clip_id, split=split, num_samples=len(audio_T), speech=speech, sound=None)
            return audio_T.astype(np.float32), truth
    raise RuntimeError(f"{clip_id}: {_ATTEMPTS} plans in a row gave no clip with certain labels")


def render(plan: SpeechPlan, rng: np.random.Generator, cast: Cast) -> tuple[Samples, SpeechTruth] | None:
    """Speaks a plan and measures the outcome; None where the labels would be uncertain."""
    phrases = [_speak(plan, phrase, rng, cast) for phrase in plan.phrases]
    speech_T, gaps = _join(plan, phrases)
    timing = _label_timing(plan, phrases, gaps, len(speech_T) / SAMPLE_RATE_HZ)
    pitch = None if timing is None else _label_pitch(plan, speech_T)
    if timing is None or pitch is None:
        return None
    speech_T = _shape_level(plan, phrases, speech_T)
    change_db = measure.level_change_db(speech_T)
    loudness = classes.direction(change_db, classes.LOUDNESS_CHANGE_DB)
    finished_T = _finish(plan, speech_T, rng)
    lufs = measure.loudness_lufs(finished_T)
    volume = classes.volume_class(lufs)
    if volume is None or loudness is None or (plan.ramp_db != 0.0) != (loudness != "steady"):
        return None
    starts_s = [plan.lead_s, *(plan.lead_s + end for _, end in gaps)]
    courses = {"loudness_course": loudness, "pitch_course": pitch.course, "rate_course": timing.course}
    truth = SpeechTruth(
        voice=plan.voice.voice_id,
        speaker=f"{plan.voice.voice_id} x{plan.formant_scale:.2f}",
        gender=plan.voice.gender,
        transcript=_transcript(plan),
        voice_quality="whisper" if plan.whispered else "modal",
        f0_median_hz=_rounded(pitch.median_hz),
        pitch=pitch.word,
        pitch_change_semitones=_rounded(pitch.change_semitones),
        pitch_course=pitch.course,
        articulation_rate_hz=round(timing.rate_hz, 3),
        rate=timing.rate,
        rate_change_ratio=round(timing.rate_ratio, 3),
        rate_course=timing.course,
        pauses=timing.pauses,
        events=clip_events(plan, starts_s, plan.lead_s + len(speech_T) / SAMPLE_RATE_HZ, courses, timing.pauses),
        loudness_lufs=round(lufs, 2),
        volume=volume,
        loudness_change_db=round(change_db, 2),
        loudness=loudness,
        snr_db=None if plan.noise is None else round(plan.snr_db, 1),
        reverberation_s=None if plan.reverberation_s is None else round(plan.reverberation_s, 2),
    )
    return finished_T, truth


def _transcript(plan: SpeechPlan) -> str | None:
    if plan.voice.synthesizer == "recorded":
        return None
    return " ".join(f"{phrase.text[0].upper()}{phrase.text[1:]}." for phrase in plan.phrases)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _speak(plan: SpeechPlan, phrase: PhrasePlan, rng: np.random.Generator, cast: Cast) -> _Phrase:
    """Speaks a phrase with frequencies scaled; tempo and pitch are asked for accordingly."""
    knobs = Knobs(
        pitch=float(np.clip(plan.pitch + phrase.pitch_offset, 0.0, 1.0)),
        pitch_range=plan.pitch_range,
        tempo=plan.tempo * phrase.tempo_factor / plan.formant_scale,
        natural=plan.natural,
    )
    spoken = cast.speak(plan.voice, phrase.text, knobs)
    audio_T = effects.trim(effects.to_16_khz(spoken.audio_T, spoken.rate_hz, plan.formant_scale))
    if plan.moved_f0_hz is not None:
        f0_hz = plan.moved_f0_hz * 2 ** (_OCTAVES_OF_PITCH_KNOB * phrase.pitch_offset)
        audio_T = change_voice(audio_T, SAMPLE_RATE_HZ, f0_hz=f0_hz, range_factor=0.5 + plan.pitch_range)
    if plan.whispered:
        audio_T = whisper(audio_T, rng)
    gain_db = phrase.jitter_db - 20.0 - measure.speech_level_db(audio_T)
    return _Phrase(
        audio_T=audio_T * 10 ** (gain_db / 20),
        num_syllables=spoken.num_syllables,
        speech_s=spoken.speech_s / plan.formant_scale,
    )


def _join(plan: SpeechPlan, phrases: list[_Phrase]) -> tuple[Samples, list[tuple[float, float]]]:
    """Phrases one after the other, and the gaps between them in seconds from the first sample."""
    pieces: list[Samples] = []
    gaps: list[tuple[float, float]] = []
    position = 0
    for planned, phrase in zip(plan.phrases, phrases, strict=True):
        silence = np.zeros(round(planned.gap_s * SAMPLE_RATE_HZ))
        pieces += [phrase.audio_T, silence]
        position += len(phrase.audio_T)
        gaps.append((position / SAMPLE_RATE_HZ, (position + len(silence)) / SAMPLE_RATE_HZ))
        position += len(silence)
    return np.concatenate(pieces), gaps[:-1]


def _shape_level(plan: SpeechPlan, phrases: list[_Phrase], speech_T: Samples) -> Samples:
    """Applies the planned course of the level."""
    if plan.ramp_db == 0.0:
        return speech_T
    progress = np.linspace(-0.5, 0.5, len(speech_T))
    if plan.stepwise and len(phrases) > 1:
        middle = len(phrases) // 2
        border = sum(
            len(phrase.audio_T) + round(planned.gap_s * SAMPLE_RATE_HZ)
            for planned, phrase in zip(plan.phrases[:middle], phrases[:middle], strict=True)
        )
        progress = np.where(np.arange(len(speech_T)) < border, -0.5, 0.5)
    return speech_T * 10 ** (plan.ramp_db * progress / 20)


def _finish(plan: SpeechPlan, speech_T: Samples, rng: np.random.Generator) -> Samples:
    """Padding, microphone, room, noise and level, in the order of a recording."""
    padding = (round(plan.lead_s * SAMPLE_RATE_HZ), round(plan.tail_s * SAMPLE_RATE_HZ))
    audio_T = np.pad(speech_T, padding)
    if plan.reverberation_s is not None:
        audio_T = surroundings.reverberate(audio_T, plan.reverberation_s, plan.wet, rng)
    if plan.noise is not None:
        audio_T = surroundings.add_noise(audio_T, plan.noise, plan.snr_db, rng)
    if plan.spectral_tilt_db != 0.0:
        audio_T = effects.tilt(audio_T, plan.spectral_tilt_db)
    if plan.telephone:
        audio_T = effects.telephone(audio_T)
    gain_db = plan.loudness_lufs - measure.loudness_lufs(audio_T)
    return surroundings.limit(audio_T * 10 ** (gain_db / 20))


@dataclass(frozen=True)
class _Timing:
    rate_hz: float
    rate: classes.RateClass
    rate_ratio: float
    course: classes.Direction
    pauses: tuple[Pause, ...]


@dataclass(frozen=True)
class _Pitch:
    median_hz: float | None
    word: classes.PitchClass | None
    change_semitones: float | None
    course: classes.Direction


_NO_PITCH = _Pitch(median_hz=None, word=None, change_semitones=None, course="steady")


def _label_timing(
    plan: SpeechPlan, phrases: list[_Phrase], gaps: list[tuple[float, float]], speech_s: float
) -> _Timing | None:
    """Rate and pauses, or None where one of them is uncertain; cheap, so it comes first."""
    clip_s = speech_s + plan.lead_s + plan.tail_s
    if not MIN_CLIP_S <= clip_s <= MAX_CLIP_S:
        return None
    rate_hz, ratio = _rates(phrases)
    rate = classes.rate_class(rate_hz)
    steady, clear = classes.RATE_CHANGE_RATIO
    course = classes.direction(math.log(ratio), (math.log(steady), math.log(clear)))
    if plan.change != "rate" and (course is None or _is_short(phrases)):
        # Two words differ in rate by what they are; that is no change of pace.
        course = "steady" if abs(math.log(ratio)) < math.log(_TEXT_RATE_RATIO) else None
    elif (plan.change == "rate") != (course != "steady"):
        return None
    pauses = _pauses(gaps, plan.lead_s, clip_s)
    if rate is None or course is None or pauses is None:
        return None
    return _Timing(rate_hz=rate_hz, rate=rate, rate_ratio=ratio, course=course, pauses=pauses)


def _label_pitch(plan: SpeechPlan, speech_T: Samples) -> _Pitch | None:
    if plan.whispered:
        return _NO_PITCH
    track = measure.f0_track_hz(speech_T)
    median_hz, change = measure.median_f0_hz(track), measure.pitch_change_semitones(track)
    if median_hz is None or change is None:
        return None
    lowest, highest = classes.GENDER_F0_HZ[plan.voice.gender]
    if not lowest <= median_hz <= highest:
        return None
    word = classes.pitch_class(median_hz, plan.voice.gender)
    course = classes.direction(change, classes.PITCH_CHANGE_SEMITONES)
    if word is None or course is None or (plan.change == "pitch") != (course != "steady"):
        return None
    return _Pitch(median_hz=median_hz, word=word, change_semitones=change, course=course)


def _rates(phrases: list[_Phrase]) -> tuple[float, float]:
    """Syllables per second of speech over all phrases, and second half against first half."""

    def rate(some: list[_Phrase]) -> float:
        return sum(phrase.num_syllables for phrase in some) / sum(phrase.speech_s for phrase in some)

    if len(phrases) == 1:
        return rate(phrases), 1.0
    half = len(phrases) // 2
    return rate(phrases), rate(phrases[-half:]) / rate(phrases[:half])


def _is_short(phrases: list[_Phrase]) -> bool:
    half = max(1, len(phrases) // 2)
    return min(sum(p.num_syllables for p in part) for part in (phrases[:half], phrases[-half:])) < _FEW_SYLLABLES


def _pauses(gaps: list[tuple[float, float]], lead_s: float, clip_s: float) -> tuple[Pause, ...] | None:
    """Audible gaps with their place; None when one of them is neither here nor there."""
    unheard, heard = classes.PAUSE_S
    pauses: list[Pause] = []
    for start, end in gaps:
        if end - start < unheard:
            continue
        place = classes.pause_place((lead_s + (start + end) / 2) / clip_s)
        if end - start < heard or place is None:
            return None
        pauses.append(Pause(start_s=round(lead_s + start, 3), end_s=round(lead_s + end, 3), place=place))
    return tuple(pauses)

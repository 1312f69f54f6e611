"""Measures a captioner on clips whose truth is known, by reading its greedy captions.

Enters: a thinker, held-out clips, and, where given, real recordings with the speaker's gender and
real sounds without a voice. Leaves: `Score`s, each beside its constant answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from tokenizers import Tokenizer

from fcaps_pipeline.embedded.batches import BatchMaker, Prompts
from fcaps_pipeline.embedded.decoding import caption_greedily
from fcaps_pipeline.embedded.features import Clip, Mel, mel_features
from fcaps_pipeline.embedded.forward import Thinker
from fcaps_pipeline.embedded.helpers import pause_word
from fcaps_pipeline.embedded.reading import ReadFacts, read_fine, read_global
from fcaps_pipeline.embedded.scores import Item, Pairs, Score, constant_macro_recall, estimate, f1, macro_recall, share
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.synthesis import effects, measure
from fcaps_pipeline.synthesis.classes import PITCH_BORDERS_HZ
from fcaps_pipeline.synthesis.truth import SpeechTruth

_BATCH = 16
_MAX_REAL_S = 30
GENDER_RULE_HZ = 165.0
"""Median F0 above which the signal rule says female."""
_TRAITS = ("gender", "pitch", "rate", "volume")
_COURSES = ("loudness", "pitch_course", "rate_course")
_COURSE_NAMES = {"loudness": "louder / softer", "pitch_course": "higher / lower", "rate_course": "faster / slower"}


@dataclass(frozen=True)
class RealClip:
    """A real recording; `gender` is None where nobody speaks."""

    audio_T: npt.NDArray[np.float32]
    gender: str | None


@dataclass(frozen=True)
class Reading:
    """What the captioner says about one clip."""

    fine_text: str
    global_text: str
    fine: ReadFacts
    global_: ReadFacts | None


class Listener:
    """A captioner ready to be asked about many clips."""

    def __init__(self, thinker: Thinker, tokenizer: Tokenizer, prompts: Prompts) -> None:
        self._thinker = thinker.eval()
        self._tokenizer = tokenizer
        self._maker = BatchMaker(tokenizer, prompts)

    def listen(self, mels: list[Mel], on_clips: Callable[[int], None] = lambda _: None) -> list[Reading]:
        """Captions every clip twice, in batches of similar length."""
        order = sorted(range(len(mels)), key=lambda index: len(mels[index]))
        readings: dict[int, Reading] = {}
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            batch = [mels[index] for index in chosen]
            fine = caption_greedily(self._thinker, self._tokenizer, self._maker, batch, fine=True)
            global_ = caption_greedily(self._thinker, self._tokenizer, self._maker, batch, fine=False)
            for index, fine_text, global_text in zip(chosen, fine, global_, strict=True):
                readings[index] = Reading(fine_text, global_text, read_fine(fine_text), read_global(global_text))
            on_clips(len(chosen))
        return [readings[index] for index in range(len(mels))]


def score_synthetic(clips: list[Clip], readings: list[Reading]) -> list[Score]:
    """All figures that the clips allow; a clip called speechless counts as wrong in every trait."""
    spoken = [(clip.truth.speech, r) for clip, r in zip(clips, readings, strict=True) if clip.truth.speech is not None]
    silent = [r for clip, r in zip(clips, readings, strict=True) if clip.truth.speech is None]
    scores: list[Score | None] = []
    for trait in _TRAITS:
        rule = _RULES[trait]([speech for speech, _ in spoken]) if trait in _RULES else None
        fine: Pairs = [(getattr(speech, trait), getattr(r.fine, trait)) for speech, r in spoken]
        scores.append(_recall(f"{trait}, fine", fine, rule))
        stated = [None if r.global_ is None else getattr(r.global_, trait) for _, r in spoken]
        pairs = [(getattr(speech, trait), word) for (speech, _), word in zip(spoken, stated, strict=True)]
        scores.append(_recall(f"{trait}, global", pairs, rule))
    scores += _course_scores(spoken)
    scores += _pause_scores(spoken)
    scores += [
        _share("no speech called so, fine", [not r.fine.speech for r in silent], 0.0),
        _share("no speech called so, global", [r.global_ is not None and not r.global_.speech for r in silent], 0.0),
        _share("speech called speech, fine", [r.fine.speech for _, r in spoken], 1.0),
        _share("fine and global agree", [_agree(r) for _, r in spoken], None),
        _share("global is valid JSON without a grammar", [r.global_ is not None for r in readings], None),
    ]
    return _present(scores)


def score_real(clips: list[RealClip], readings: list[Reading]) -> list[Score]:
    """Gender on real speech and silence about speakers on real sounds."""
    spoken = [(clip, r) for clip, r in zip(clips, readings, strict=True) if clip.gender is not None]
    silent = [r for clip, r in zip(clips, readings, strict=True) if clip.gender is None]
    rule = macro_recall([(str(clip.gender), _gender_by_f0(_f0_hz(clip.audio_T))) for clip, _ in spoken])
    fine: Pairs = [(str(clip.gender), r.fine.gender) for clip, r in spoken]
    pairs: Pairs = [(str(clip.gender), None if r.global_ is None else r.global_.gender) for clip, r in spoken]
    return _present(
        [
            _recall("real speech: gender, fine", fine, rule),
            _recall("real speech: gender, global", pairs, rule),
            _share("real sounds: no speech called so, fine", [not r.fine.speech for r in silent], 0.0),
        ]
    )


def read_real_clip(path: Path, gender: str | None) -> RealClip:
    """First channel of a recording at 16 kHz, at most 30 s.

    Raises:
        RecordingError: the file cannot be decoded.
    """
    try:
        audio_TC, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise RecordingError(f"{path} cannot be decoded for evaluation: {error}") from error
    audio_T = effects.to_16_khz(audio_TC[: _MAX_REAL_S * rate_hz, 0], rate_hz, 1.0)
    return RealClip(audio_T=audio_T.astype(np.float32), gender=gender)


def real_mels(clips: list[RealClip]) -> list[Mel]:
    """Features of real clips as the corpus stores them."""
    return [mel_features(clip.audio_T).astype(np.float16) for clip in clips]


def _course_scores(spoken: list[tuple[SpeechTruth, Reading]]) -> list[Score | None]:
    scores: list[Score | None] = []
    for course in _COURSES:
        pairs: Pairs = [(getattr(speech, course), getattr(r.fine, course)) for speech, r in spoken]
        scores.append(_recall(f"{_COURSE_NAMES[course]} / steady, fine", pairs, None))
    steady = [r for speech, r in spoken if all(getattr(speech, course) == "steady" for course in _COURSES)]
    invented = [any(getattr(r.fine, course) not in (None, "steady") for course in _COURSES) for r in steady]
    scores.append(_share("change invented on steady clips", invented, 0.0))
    return scores


def _pause_scores(spoken: list[tuple[SpeechTruth, Reading]]) -> list[Score | None]:
    presence = [(bool(speech.pauses), r.fine.pauses not in (None, "none")) for speech, r in spoken]
    places = [r.fine.pauses == pause_word(speech) for speech, r in spoken if len(speech.pauses) == 1]
    common = max(share([pause_word(s) == place for s, _ in spoken if len(s.pauses) == 1]) for place in _PLACES)
    found = _score("pause present, fine", "F1", f1, presence, f1([(truth, True) for truth, _ in presence]), None)
    return [found, _share("place of a single pause, fine", places, common)]


_PLACES = ("beginning", "middle", "end")


def _agree(reading: Reading) -> bool:
    other = reading.global_
    return other is not None and all(getattr(reading.fine, trait) == getattr(other, trait) for trait in _TRAITS)


def _gender_rule(speeches: list[SpeechTruth]) -> float:
    return macro_recall([(speech.gender, _gender_by_f0(speech.f0_median_hz)) for speech in speeches])


def _pitch_rule(speeches: list[SpeechTruth]) -> float:
    """The borders of the classes, with the gender that the other rule says."""
    pairs: list[tuple[str, str | None]] = []
    for speech in speeches:
        low, high = PITCH_BORDERS_HZ["female" if speech.f0_median_hz > GENDER_RULE_HZ else "male"]
        word = "low" if speech.f0_median_hz < low else "high" if speech.f0_median_hz > high else "medium"
        pairs.append((speech.pitch, word))
    return macro_recall(pairs)


_RULES: dict[str, Callable[[list[SpeechTruth]], float]] = {"gender": _gender_rule, "pitch": _pitch_rule}


def _gender_by_f0(f0_hz: float | None) -> str | None:
    if f0_hz is None:
        return None
    return "female" if f0_hz > GENDER_RULE_HZ else "male"


def _f0_hz(audio_T: npt.NDArray[np.float32]) -> float | None:
    return measure.median_f0_hz(measure.f0_track_hz(audio_T.astype(np.float64)))


def _recall(name: str, pairs: Pairs, rule: float | None) -> Score | None:
    return _score(name, "macro recall", macro_recall, pairs, constant_macro_recall(pairs), rule)


def _share(name: str, outcomes: list[bool], constant: float | None) -> Score | None:
    return _score(name, "share", share, outcomes, constant, None)


def _score(
    name: str,
    measure: str,
    metric: Callable[[Sequence[Item]], float],
    clips: Sequence[Item],
    constant: float | None,
    rule: float | None,
) -> Score | None:
    """One line of the card; None where there is no clip to measure on."""
    if not clips:
        return None
    return Score(name=name, measure=measure, value=estimate(metric, clips), constant=constant, rule=rule)


def _present(scores: Sequence[Score | None]) -> list[Score]:
    return [score for score in scores if score is not None]

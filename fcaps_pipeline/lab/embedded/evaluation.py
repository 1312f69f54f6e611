"""Measures a captioner on clips whose truth is known, by reading its captions.

Enters: clips with what the captioner and a simple signal rule say of them, and, where given, whole real
recordings with the speaker's gender, real sounds without a voice, and captions that others published. Leaves:
`Score`s, each beside its constant answer and the rule.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.lab.embedded.auxiliary_heads import pause_word
from fcaps_pipeline.lab.embedded.caption_facts import ReadFacts
from fcaps_pipeline.lab.embedded.features import Mel, mel_features
from fcaps_pipeline.lab.embedded.inference import ClipCaptions
from fcaps_pipeline.lab.embedded.scores import (
    Item,
    Pairs,
    Score,
    constant_macro_recall,
    estimate,
    f1,
    macro_recall,
    share,
)
from fcaps_pipeline.lab.embedded.signal_rule import read_signal
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_MAX_REAL_S = 30
_TRAITS = ("gender", "pitch", "rate", "volume")
_COURSES = ("loudness", "pitch_course", "rate_course")
_COURSE_NAMES = {"loudness": "louder / softer", "pitch_course": "higher / lower", "rate_course": "faster / slower"}
_PLACES = ("beginning", "middle", "end")


@dataclass(frozen=True)
class ClipResult:
    """A clip of known truth, and what is said about it."""

    truth: ClipTruth
    reading: ClipCaptions
    ruled: ReadFacts
    """By `signal_rule`."""


@dataclass(frozen=True)
class _Spoken:
    """The same for a clip with speech."""

    speech: SpeechTruth
    reading: ClipCaptions
    ruled: ReadFacts

    def pairs(self, fact: str) -> tuple[str, str | None, str | None, str | None]:
        """The true value of a fact, by the fine caption, by the global one, by the rule."""
        stated = self.reading.global_
        return (
            getattr(self.speech, fact),
            getattr(self.reading.fine, fact),
            None if stated is None else getattr(stated, fact),
            getattr(self.ruled, fact),
        )


@dataclass(frozen=True)
class RealClip:
    """A real recording; `gender` is None where nobody speaks."""

    audio_T: npt.NDArray[np.float32]
    gender: str | None


@dataclass(frozen=True)
class PublishedClip:
    """A real recording with the captions that others published of it."""

    audio_T: npt.NDArray[np.float32]
    fine_text: str
    global_text: str


def score_clips(clips: list[ClipResult], about: str = "") -> list[Score]:
    """All figures that the clips allow; a clip called speechless counts as wrong in every trait.

    Args:
        clips: at least one with speech.
        about: begins the name of every line.
    """
    spoken = [_Spoken(clip.truth.speech, clip.reading, clip.ruled) for clip in clips if clip.truth.speech is not None]
    silent = [clip.reading for clip in clips if clip.truth.speech is None]
    scores: list[Score | None] = []
    for trait in _TRAITS:
        known = [clip.pairs(trait) for clip in spoken if getattr(clip.speech, trait) is not None]
        ruled: Pairs = [(truth, rule) for truth, _, _, rule in known]
        scores.append(_recall(f"{trait}, fine", [(truth, fine) for truth, fine, _, _ in known], ruled))
        scores.append(_recall(f"{trait}, global", [(truth, stated) for truth, _, stated, _ in known], ruled))
    scores.append(_fine_recall("whisper / modal, fine", "voice_quality", spoken))
    scores += [_fine_recall(f"{_COURSE_NAMES[course]} / steady, fine", course, spoken) for course in _COURSES]
    scores.append(_invented(spoken))
    scores += _pause_scores(spoken)
    scores += [
        _share("no speech called so, fine", [not reading.fine.speech for reading in silent], 0.0),
        _share("no speech called so, global", [r.global_ is not None and not r.global_.speech for r in silent], 0.0),
        _share("speech called speech, fine", [clip.reading.fine.speech for clip in spoken], 1.0),
        _share("fine and global agree", [_agree(clip.reading) for clip in spoken], None),
        _share("global is valid JSON without a grammar", [c.reading.global_ is not None for c in clips], None),
    ]
    return [score.model_copy(update={"name": about + score.name}) for score in scores if score is not None]


def score_recordings(clips: list[RealClip], readings: list[ClipCaptions]) -> list[Score]:
    """Gender on real recordings as they are, and silence about speakers on real sounds."""
    spoken = [(clip, r) for clip, r in zip(clips, readings, strict=True) if clip.gender is not None]
    silent = [r for clip, r in zip(clips, readings, strict=True) if clip.gender is None]
    ruled: Pairs = [(str(clip.gender), read_signal(clip.audio_T).gender) for clip, _ in spoken]
    fine: Pairs = [(str(clip.gender), r.fine.gender) for clip, r in spoken]
    pairs: Pairs = [(str(clip.gender), None if r.global_ is None else r.global_.gender) for clip, r in spoken]
    return _present(
        [
            _recall("real recordings: gender, fine", fine, ruled),
            _recall("real recordings: gender, global", pairs, ruled),
            _share("real sounds: no speech called so, fine", [not r.fine.speech for r in silent], 0.0),
        ]
    )


def score_candidates(candidates: list[list[ClipCaptions]]) -> list[Score]:
    """How far several sampled fine captions of one clip agree in what they state and differ in how."""
    agree = [len({reading.fine for reading in readings}) == 1 for readings in candidates]
    wordings = [len({reading.fine_text for reading in readings}) / len(readings) for readings in candidates]
    return _present(
        [
            _share("sampled candidates state the same facts, fine", agree, None),
            _score("sampled candidates: distinct wordings, fine", "mean share", _mean, wordings, None, None),
        ]
    )


def score_published(clips: list[PublishedClip], readings: list[ClipCaptions]) -> list[Score]:
    """Share of the traits stated by the captioner and by published captions of the same clip that are equal."""
    scores: list[Score | None] = []
    for granularity in ("fine", "global"):
        equal: list[bool] = []
        for clip, reading in zip(clips, readings, strict=True):
            theirs = read_attributes(clip.fine_text if granularity == "fine" else clip.global_text)
            ours = reading.fine if granularity == "fine" else reading.global_
            pairs = [] if ours is None else [(getattr(ours, trait), getattr(theirs, trait)) for trait in _TRAITS]
            equal += [one == other for one, other in pairs if None not in (one, other)]
        scores.append(_share(f"published FCaps captions: traits that agree, {granularity}", equal, None))
    return _present(scores)


def read_real_clip(path: Path, gender: str | None) -> RealClip:
    """First channel of a recording at 16 kHz, at most 30 s.

    Raises:
        RecordingError: the file cannot be decoded.
    """
    return RealClip(audio_T=_read(path), gender=gender)


def read_published(listing: Path) -> list[PublishedClip]:
    """Recordings beside a JSONL list of file, fine_caption and global_caption.

    Raises:
        RecordingError: a file cannot be decoded.
        SourceError: the list cannot be read, or a line lacks a field.
    """
    clips = []
    try:
        for line in listing.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            clips.append(PublishedClip(_read(listing.parent / row["file"]), row["fine_caption"], row["global_caption"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{listing} is no list of published captions ({error}); expected JSONL with file, fine_caption and "
            "global_caption"
        ) from error
    return clips


def mel_of(audio_T: npt.NDArray[np.float32]) -> Mel:
    """Features as the corpus stores them."""
    return mel_features(audio_T).astype(np.float16)


def _read(path: Path) -> npt.NDArray[np.float32]:
    # Decoded as training and the pipeline do.
    pcm_T = decode_all(str(path), "first")[0, : _MAX_REAL_S * SAMPLE_RATE_HZ]
    return pcm_T.astype(np.float32) / 32768.0


def _fine_recall(name: str, fact: str, spoken: list[_Spoken]) -> Score | None:
    found = [clip.pairs(fact) for clip in spoken]
    return _recall(name, [(truth, fine) for truth, fine, _, _ in found], [(truth, rule) for truth, _, _, rule in found])


def _invented(spoken: list[_Spoken]) -> Score | None:
    steady = [clip for clip in spoken if clip.speech.is_steady]
    by_caption, by_rule = [_changes(clip.reading.fine) for clip in steady], [_changes(clip.ruled) for clip in steady]
    return _score("change invented on steady clips", "share", share, by_caption, 0.0, by_rule)


def _changes(facts: ReadFacts) -> bool:
    return any(getattr(facts, course) not in (None, "steady") for course in _COURSES)


def _pause_scores(spoken: list[_Spoken]) -> list[Score | None]:
    def presences(facts: Callable[[_Spoken], ReadFacts]) -> list[tuple[bool, bool]]:
        return [(bool(clip.speech.pauses), facts(clip).pauses not in (None, "none")) for clip in spoken]

    single = [clip for clip in spoken if len(clip.speech.pauses) == 1]
    words = [pause_word(clip.speech) for clip in single]
    by_caption = [clip.reading.fine.pauses == word for clip, word in zip(single, words, strict=True)]
    by_rule = [clip.ruled.pauses == word for clip, word in zip(single, words, strict=True)]
    common = max(words.count(place) for place in _PLACES) / max(1, len(words))
    captioned, ruled = presences(lambda clip: clip.reading.fine), presences(lambda clip: clip.ruled)
    constant = f1([(truth, True) for truth, _ in captioned])
    return [
        _score("pause present, fine", "F1", f1, captioned, constant, ruled),
        _score("place of a single pause, fine", "share", share, by_caption, common, by_rule),
    ]


def _agree(reading: ClipCaptions) -> bool:
    other = reading.global_
    return other is not None and all(getattr(reading.fine, trait) == getattr(other, trait) for trait in _TRAITS)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _recall(name: str, pairs: Pairs, ruled: Pairs) -> Score | None:
    return _score(name, "macro recall", macro_recall, pairs, constant_macro_recall(pairs), ruled)


def _share(name: str, outcomes: list[bool], constant: float | None) -> Score | None:
    return _score(name, "share", share, outcomes, constant, None)


def _score(
    name: str,
    measure: str,
    metric: Callable[[Sequence[Item]], float],
    clips: Sequence[Item],
    constant: float | None,
    ruled: Sequence[Item] | None,
) -> Score | None:
    """One line of the card; None where there is no clip to measure on."""
    if not clips:
        return None
    rule = None if ruled is None else estimate(metric, ruled)
    return Score(name=name, measure=measure, value=estimate(metric, clips), constant=constant, rule=rule)


def _present(scores: Sequence[Score | None]) -> list[Score]:
    return [score for score in scores if score is not None]

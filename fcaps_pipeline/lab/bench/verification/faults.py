"""Puts one fault into a true caption: a flipped attribute, a moved time, a foreign sentence, background, a quotation.

Enters: clips with their truth, a generator. Leaves: `Trial`s, each clip once as it is and once for every fault that it
can have. A flip is written from a truth with one attribute changed, by the same wordings, so that a faulty caption
reads as a true one does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.sentences import sentence_spans
from fcaps_pipeline.lab.caption_scores import count
from fcaps_pipeline.lab.embedded.grammar import fine_caption
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, Pause, SpeechTruth

NONE = "none"
FOREIGN, MOVED, BACKGROUND, QUOTED = "foreign sentence", "moved time", "background", "transcript quoted"
_BACKGROUNDS = (
    "Traffic hums in the background.",
    "Soft music plays behind the voice.",
    "The recording is grainy and full of static.",
    "A crowd murmurs in the distance.",
    "The audio quality is poor, with a slight echo of the room.",
    "Birds chirp nearby while the voice goes on.",
)
_QUOTED_WORDS = 6
_OPPOSITE: Mapping[str, str] = {
    "female": "male",
    "male": "female",
    "low": "high",
    "high": "low",
    "slow": "fast",
    "fast": "slow",
    "soft": "loud",
    "loud": "soft",
    "rising": "falling",
    "falling": "rising",
    "beginning": "end",
    "end": "beginning",
}
"""What a flip says; the middle of a scale has no opposite."""
_FLIPS: Mapping[str, str] = {
    "gender": "gender",
    "pitch": "pitch",
    "rate": "rate",
    "volume": "volume",
    "loudness": "louder or softer",
    "pitch_course": "higher or lower",
    "rate_course": "faster or slower",
}
"""Attributes of a truth, and what their flips are called."""


@dataclass(frozen=True)
class Trial:
    """One caption of one clip, and what is wrong with it."""

    clip: int
    """Place of the clip."""
    fault: str
    """`none` of a true caption."""
    text: str
    planted: str | None = None
    """The sentence that was put in; None of a caption that was written from a changed truth."""


def make_trials(truths: Sequence[ClipTruth], seed: int) -> Iterator[Trial]:
    """Every trial of clips with speech, in their order.

    Args:
        truths: of clips with and without speech; those without are passed over.
        seed: chooses the words.
    """
    for clip, truth in enumerate(truths):
        if truth.speech is None:
            continue
        text = _written(truth, seed, clip)
        yield Trial(clip, NONE, text)
        for fault, speech in _changed(truth.speech):
            yield Trial(clip, fault, _written(truth.model_copy(update={"speech": speech}), seed, clip))
        for fault, sentence in _planted(truths, clip, seed):
            yield Trial(clip, fault, f"{text} {sentence}", sentence)


def says_nothing_false(trial: Trial, text: str, truth: SpeechTruth) -> bool:
    """Whether the fault of a trial is gone from a caption."""
    if trial.planted is not None:
        return trial.planted not in text
    counts = count(truth, read_attributes(text))
    return counts.num_correct == counts.num_stated


def _written(truth: ClipTruth, seed: int, clip: int) -> str:
    return fine_caption(truth, np.random.default_rng([seed, clip])).text


def _changed(speech: SpeechTruth) -> Iterator[tuple[str, SpeechTruth]]:
    for name, called in _FLIPS.items():
        opposite = _OPPOSITE.get(str(getattr(speech, name)))
        if opposite is not None:
            yield called, speech.model_copy(update={name: opposite})
    yield "pause", speech.model_copy(update={"pauses": () if speech.pauses else (_INVENTED,)})
    if speech.voice_quality == "whisper":
        yield "whisper", speech.model_copy(update={"voice_quality": "modal", "pitch": "medium"})
    elif speech.pitch is not None:
        yield "whisper", speech.model_copy(update={"voice_quality": "whisper", "pitch": None, "pitch_course": "steady"})
    if len(speech.pauses) == 1 and (moved := _OPPOSITE.get(speech.pauses[0].place)):
        pause = speech.pauses[0].model_copy(update={"place": moved})
        yield MOVED, speech.model_copy(update={"pauses": (pause,)})


_INVENTED = Pause(start_s=1.0, end_s=1.5, place="middle")


def _planted(truths: Sequence[ClipTruth], clip: int, seed: int) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng([seed, clip, 1])
    speech = truths[clip].speech
    assert speech is not None
    if (foreign := _foreign_sentence(truths, clip, seed)) is not None:
        yield FOREIGN, foreign
    yield BACKGROUND, _BACKGROUNDS[int(rng.integers(len(_BACKGROUNDS)))]
    words = (speech.transcript or "").split()
    if len(words) >= _QUOTED_WORDS:
        yield QUOTED, f'The voice says "{" ".join(words[:_QUOTED_WORDS])}".'


def _foreign_sentence(truths: Sequence[ClipTruth], clip: int, seed: int) -> str | None:
    """A sentence of the next clip that says something that is false of this one."""
    speech = truths[clip].speech
    assert speech is not None
    for step in range(1, len(truths)):
        other = (clip + step) % len(truths)
        if truths[other].speech is None:
            continue
        text = _written(truths[other], seed, other)
        for start, end in sentence_spans(text)[1:]:
            counts = count(speech, read_attributes(text[start:end]))
            if counts.num_correct < counts.num_stated:
                return text[start:end]
    return None

"""What each voice detector misses, by how one speaks, how loud, and how far away; and what it takes for speech.

Enters: a folder, a number and a seed. Leaves: for every style and place the share of the speech that each detector
misses, and for sounds without a voice the share that it calls speech. Sentences are spoken once per style, by voices of
the test split; level, room and noise are added while reading.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.audio.flac import decode_flac, encode_flac
from fcaps_pipeline.audio.surroundings import Samples, add_noise, reverberate
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.synthesis import measure
from fcaps_pipeline.lab.synthesis.classes import VoiceQuality
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.sentences import draw_sentence
from fcaps_pipeline.lab.synthesis.sounds import draw_sound
from fcaps_pipeline.lab.synthesis.speakers import Speaker, draw_speakers
from fcaps_pipeline.lab.synthesis.stretch import DisagreementError, Wanted, speak_stretch
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, mean_estimates
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.job_folder import claim

Pcm = npt.NDArray[np.int16]
_SILENCE_SAMPLES = SAMPLE_RATE_HZ
_RATE_HZ = 5.0
_LEVEL_DB = -26.0
_DONE_FILE = "whole"


@dataclass(frozen=True)
class _Style:
    """How one speaks."""

    quality: VoiceQuality = "modal"
    formant_scale: float | None = None
    """None leaves the mouth as it is."""
    semitones: float = 0.0
    """Above the speaker's own pitch."""


_STYLES = {
    "modal": _Style(),
    "whispered": _Style("whisper"),
    "breathy": _Style("breathy"),
    "creaky": _Style("creaky"),
    "very high": _Style(semitones=6.0),
    "like a child": _Style(formant_scale=1.3, semitones=3.0),
}


@dataclass(frozen=True)
class _Place:
    """How it reaches the microphone."""

    level_db: float = _LEVEL_DB
    decay_s: float | None = None
    wet: float = 0.0
    snr_db: float | None = None


_PLACES = {
    "at hand": _Place(),
    "soft, 20 dB lower": _Place(level_db=_LEVEL_DB - 20),
    "very soft, 35 dB lower": _Place(level_db=_LEVEL_DB - 35),
    "pink noise at 5 dB": _Place(snr_db=5.0),
    "far, in a hall": _Place(level_db=_LEVEL_DB - 12, decay_s=1.2, wet=4.0),
    "far, in a hall, noise at 5 dB": _Place(level_db=_LEVEL_DB - 12, decay_s=1.2, wet=4.0, snr_db=5.0),
}


class VoiceRow(Record):
    """One style in one place."""

    style: str
    place: str
    num_clips: int
    missed: dict[str, Estimate]
    """Share of the speech of a clip, by detector."""


class SoundRow(Record):
    """Sounds of one kind without a voice."""

    kind: str
    num_clips: int
    called_speech: dict[str, float]
    """Share of their time, by detector."""


class _Settings(Record):
    num_clips: int
    seed: int


def write_voices(folder: Path, *, num_clips: int, seed: int, workers: int, on_done: Callable[[int], None]) -> None:
    """Speaks what is missing, each style in a process of its own.

    Raises:
        DependencyError: a synthesizer is missing.
        JobError: the folder was begun with other settings.
    """
    claim(folder / "settings.json", _Settings(num_clips=num_clips, seed=seed))
    missing = [
        (folder / _folder_of(style), style, num_clips, seed)
        for style in _STYLES
        if not (folder / _folder_of(style) / _DONE_FILE).exists()
    ]
    on_done(num_clips * (len(_STYLES) - len(missing)))
    with writing(folder):
        call_in_fresh_process(speak_style, missing, workers=workers, on_done=lambda _: on_done(num_clips))


def speak_style(folder: Path, style: str, num_clips: int, seed: int) -> None:
    """Writes the clips of a style; to be called in a fresh process, because espeak-ng keeps state."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    speakers = [one for one in draw_speakers(seed) if one.voice.split == "test" and one.voice.synthesizer == "espeak"]
    rng = np.random.default_rng([seed, tuple(_STYLES).index(style)])
    number = 0
    while number < num_clips:
        speaker = speakers[int(rng.integers(len(speakers)))]
        try:
            speech_T = _speak(speaker, _STYLES[style], rng)
        except DisagreementError:
            continue
        (partial / f"{number:04d}.flac").write_bytes(encode_flac(speech_T.astype(np.float32)))
        number += 1
    (partial / _DONE_FILE).touch()
    partial.replace(folder)


def _speak(speaker: Speaker, style: _Style, rng: np.random.Generator) -> Samples:
    scale = style.formant_scale or speaker.formant_scale
    f0_hz = speaker.base_f0_hz * scale / speaker.formant_scale * 2 ** (style.semitones / 12)
    changed = speaker.model_copy(update={"formant_scale": scale})
    wanted = Wanted(f0_hz=f0_hz, rate_hz=_RATE_HZ, level_db=0.0, ramp_db=0.0, quality=style.quality)
    stretch = speak_stretch(changed, draw_sentence(rng, "test", short=False), wanted, rng)
    return stretch.audio_T * 10 ** ((_LEVEL_DB - measure.speech_level_db(stretch.audio_T)) / 20)


def bench_voices(folder: Path, detectors: dict[str, VoiceDetector], seed: int) -> list[VoiceRow]:
    """Every style at hand, and modal and whispered speech in every other place.

    Raises:
        UsageError: the folder holds no clip.
    """
    cases = [(style, "at hand") for style in _STYLES]
    cases += [(style, place) for style in ("modal", "whispered") for place in _PLACES if place != "at hand"]
    return [_row(folder, style, place, detectors, seed) for style, place in cases]


def _row(folder: Path, style: str, place: str, detectors: dict[str, VoiceDetector], seed: int) -> VoiceRow:
    paths = sorted((folder / _folder_of(style)).glob("*.flac"))
    if not paths:
        raise UsageError(f"{folder / _folder_of(style)} holds no clip; ask for at least one")
    scores = []
    for number, path in enumerate(paths):
        rng = np.random.default_rng([seed, number])
        pcm_T, start, end = _placed(decode_flac(path.read_bytes()), _PLACES[place], rng)
        scores.append([1.0 - _share(_is_speech(one, pcm_T)[start:end]) for one in detectors.values()])
    estimates = mean_estimates(np.array(scores), np.random.default_rng(0))
    return VoiceRow(style=style, place=place, num_clips=len(paths), missed=dict(zip(detectors, estimates, strict=True)))


def _placed(speech_T: Pcm, place: _Place, rng: np.random.Generator) -> tuple[Pcm, int, int]:
    """The clip as it is heard, with a second of what is there without speech on both sides, and where the speech is."""
    audio_T = np.pad(speech_T.astype(np.float64) / 32768.0, _SILENCE_SAMPLES)
    if place.decay_s is not None:
        audio_T = reverberate(audio_T, place.decay_s, place.wet, rng)
    if place.snr_db is not None:
        audio_T = add_noise(audio_T, "pink", place.snr_db, rng)
    audio_T = audio_T * 10 ** ((place.level_db - _LEVEL_DB) / 20)
    pcm_T = np.clip(np.round(audio_T * 32768.0), -32768, 32767).astype(np.int16)
    return pcm_T, _SILENCE_SAMPLES, _SILENCE_SAMPLES + len(speech_T)


def bench_sounds(detectors: dict[str, VoiceDetector], *, num_clips: int, seed: int) -> list[SoundRow]:
    """What the detectors say of sounds without a voice."""
    drawn = [draw_sound(np.random.default_rng([seed, number])) for number in range(num_clips)]
    return [_sound_row(kind, [one for name, one in drawn if name == kind], detectors) for kind in _kinds(drawn)]


def _kinds(drawn: Sequence[tuple[str, Samples]]) -> Iterator[str]:
    yield from sorted({kind for kind, _ in drawn})


def _sound_row(kind: str, sounds: Sequence[Samples], detectors: dict[str, VoiceDetector]) -> SoundRow:
    as_pcm = [np.round(sound_T * 32767.0).astype(np.int16) for sound_T in sounds]
    shares = {
        name: _share(np.concatenate([_is_speech(one, pcm_T) for pcm_T in as_pcm])) for name, one in detectors.items()
    }
    return SoundRow(kind=kind, num_clips=len(sounds), called_speech=shares)


def _is_speech(detector: VoiceDetector, pcm_T: Pcm) -> npt.NDArray[np.bool_]:
    stream = detector.open_stream()
    is_speech_T = np.zeros(len(pcm_T), dtype=np.bool_)
    for one in [*stream.push(pcm_T), *stream.finish()]:
        is_speech_T[one.start_samples : one.end_samples] = True
    return is_speech_T


def _share(is_speech_T: npt.NDArray[np.bool_]) -> float:
    return float(is_speech_T.mean())


def _folder_of(style: str) -> str:
    return style.replace(" ", "-")

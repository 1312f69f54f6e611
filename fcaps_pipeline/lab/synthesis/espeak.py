"""espeak-ng through its C library: fast, with the start of every phone.

The library keeps hidden state (pitch flutter, noise) from one phrase to the next, so its output
depends on everything the process said before. A corpus stays reproducible because every block of
clips is made by a fresh process.
"""

import ctypes
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.synthesis.speaking import Knobs, SpokenPhrase, SpokenWord, count_syllables

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _BUFFER_MS, _PHONEME_EVENTS = 2, 500, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_UTF8 = 1
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_NEUTRAL_WORDS_PER_MINUTE = 175
_SLOWEST_WPM, _FASTEST_WPM = 80, 450


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Espeak:
    """The library of this process with what its last call produced."""

    def __init__(self) -> None:
        try:
            self.library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise DependencyError(
                f"cannot load {_LIBRARY}; install the Debian package libespeak-ng1 (and espeak-ng-data)"
            ) from error
        self.rate_hz = int(self.library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, None, _PHONEME_EVENTS))
        if self.rate_hz <= 0:
            raise DependencyError("espeak-ng finds no voices; install the Debian package espeak-ng-data")
        self.pieces: list[npt.NDArray[np.int16]] = []
        self.phones: list[tuple[int, str]] = []
        self.words: list[tuple[int, int]] = []
        self._callback = _Callback(self._receive)
        self.library.espeak_SetSynthCallback(self._callback)

    def synthesize(self, text: str) -> None:
        """Speaks with the voice and the parameters that are set; pieces, phones and words are those of this text."""
        self.pieces.clear()
        self.phones.clear()
        self.words.clear()
        encoded = text.encode() + b"\0"
        self.library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            if events[index].type == _EVENT_PHONEME:
                self.phones.append((events[index].sample, events[index].id.string.decode("utf-8", "replace")))
            elif events[index].type == _EVENT_WORD:
                self.words.append((events[index].sample, events[index].text_position - 1))
            index += 1
        return 0


@cache
def _espeak() -> _Espeak:
    return _Espeak()


def speak(name: str, text: str, knobs: Knobs) -> SpokenPhrase:
    """Speaks one phrase.

    Args:
        name: language and variant, such as `en-us+f3`.
        text: one phrase without inner punctuation.
        knobs: pitch covers espeak's whole scale, tempo 80 to 450 words per minute.

    Raises:
        DependencyError: the library or the voice is not installed.
    """
    engine = _espeak()
    if engine.library.espeak_SetVoiceByName(name.encode()) != 0:
        raise DependencyError(f"espeak-ng has no voice {name}; install the Debian package espeak-ng-data (1.51)")
    words_per_minute = round(np.clip(_NEUTRAL_WORDS_PER_MINUTE * knobs.tempo, _SLOWEST_WPM, _FASTEST_WPM))
    engine.library.espeak_SetParameter(_RATE, words_per_minute, 0)
    engine.library.espeak_SetParameter(_PITCH, round(99 * knobs.pitch), 0)
    engine.library.espeak_SetParameter(_RANGE, round(99 * knobs.pitch_range), 0)
    engine.synthesize(text)
    if not engine.words:  # after many changes of voice the library loses what it would tell of its first buffer, once
        engine.synthesize(text)
    audio_T = np.concatenate(engine.pieces).astype(np.float64) / 32768.0
    return SpokenPhrase(
        audio_T=audio_T,
        rate_hz=engine.rate_hz,
        num_syllables=count_syllables([label for _, label in engine.phones]),
        speech_s=_speech_s(engine.phones, engine.rate_hz, len(audio_T)),
        words=_read_words(text, engine.words, engine.phones, engine.rate_hz),
    )


def has_voice(name: str) -> bool:
    """Whether the library finds a language and variant.

    Raises:
        DependencyError: the library is not installed.
    """
    return int(_espeak().library.espeak_SetVoiceByName(name.encode())) == 0


def _read_words(
    text: str, words: list[tuple[int, int]], phones: list[tuple[int, str]], rate_hz: int
) -> tuple[SpokenWord, ...] | None:
    """Joins the starts of words, given as sample and place in the text, with the text itself.

    The library announces words that it runs together, such as `of the`, once.
    """
    if not phones or not words:
        return None
    starts: dict[int, int] = {}
    for sample, place in words:
        # A place inside a word, after an apostrophe for instance, is not a new word.
        if place == 0 or text[place - 1] == " ":
            starts.setdefault(place, sample)
    places = sorted(starts)
    limits = [(starts[place], text[place:following].strip()) for place, following in pairwise([*places, len(text)])]
    ends = [sample for sample, _ in limits[1:]] + [phones[-1][0]]
    return tuple(
        SpokenWord(text=word, start_s=start / rate_hz, end_s=_end_of_word(start, end, phones) / rate_hz)
        for (start, word), end in zip(limits, ends, strict=True)
    )


def _end_of_word(start: int, latest: int, phones: list[tuple[int, str]]) -> int:
    """Sample at which a word ends: the next word or a pause before it."""
    return min((sample for sample, label in phones if _is_pause(label) and start < sample < latest), default=latest)


def _speech_s(phones: list[tuple[int, str]], rate_hz: int, num_samples: int) -> float:
    ends = [start for start, _ in phones[1:]] + [num_samples]
    spoken = sum(end - start for (start, label), end in zip(phones, ends, strict=True) if not _is_pause(label))
    return spoken / rate_hz


def _is_pause(label: str) -> bool:
    return label == "" or label.startswith("_")

"""espeak-ng through its C library: fast, with the start of every phone.

The library keeps hidden state (pitch flutter, noise) from one phrase to the next, so its output
depends on everything the process said before. A corpus stays reproducible because every block of
clips is made by a fresh process.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.synthesis.speaking import Knobs, SpokenPhrase, count_syllables

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _BUFFER_MS, _PHONEME_EVENTS = 2, 500, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_UTF8 = 1
_EVENT_END_OF_LIST, _EVENT_PHONEME = 0, 7
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
        self._callback = _Callback(self._receive)
        self.library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            if events[index].type == _EVENT_PHONEME:
                self.phones.append((events[index].sample, events[index].id.string.decode("utf-8", "replace")))
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
    engine.pieces.clear()
    engine.phones.clear()
    encoded = text.encode() + b"\0"
    engine.library.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF8, None, None)
    audio_T = np.concatenate(engine.pieces).astype(np.float64) / 32768.0
    return SpokenPhrase(
        audio_T=audio_T,
        rate_hz=engine.rate_hz,
        num_syllables=count_syllables([label for _, label in engine.phones]),
        speech_s=_speech_s(engine.phones, engine.rate_hz, len(audio_T)),
    )


def _speech_s(phones: list[tuple[int, str]], rate_hz: int, num_samples: int) -> float:
    ends = [start for start, _ in phones[1:]] + [num_samples]
    spoken = sum(end - start for (start, label), end in zip(phones, ends, strict=True) if not _is_pause(label))
    return spoken / rate_hz


def _is_pause(label: str) -> bool:
    return label == "" or label.startswith("_")

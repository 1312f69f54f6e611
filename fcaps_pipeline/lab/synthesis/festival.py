"""festival through its command: diphone and HMM voices recorded from real people.

Pitch and tempo are turned afterwards with praat, because the voices disagree on their own knobs.
"""

import atexit
import os
import subprocess
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.synthesis.praat import change_voice
from fcaps_pipeline.lab.synthesis.speaking import Knobs, SpokenPhrase, SpokenWord, count_syllables

F0_RANGE_HZ = {
    "ked_diphone": (80.0, 190.0),
    "pc_diphone": (80.0, 190.0),
    "hy_fi_mv_diphone": (80.0, 190.0),
    "lp_diphone": (125.0, 290.0),
    "upc_ca_ona_hts": (125.0, 290.0),
    "suo_fi_lj_diphone": (125.0, 290.0),
    "czech_dita": (125.0, 290.0),
    "czech_machac": (80.0, 190.0),
}
_PACKAGES = {
    "ked_diphone": "festvox-kdlpc16k",
    "pc_diphone": "festvox-itapc16k",
    "lp_diphone": "festvox-italp16k",
    "hy_fi_mv_diphone": "festvox-suopuhe-mv",
    "suo_fi_lj_diphone": "festvox-suopuhe-lj",
    "upc_ca_ona_hts": "festvox-ca-ona-hts",
    "czech_dita": "festvox-czech-dita",
    "czech_machac": "festvox-czech-machac",
}
_SCRIPT = """(voice_{name})
(set! spoken (Utterance Text "{text}"))
(utt.synth spoken)
(utt.save.wave spoken "{wave}" 'riff)
(mapcar (lambda (phone) (format t "%s:%f\\n" (item.name phone) (item.feat phone "end")))
  (utt.relation.items spoken 'Segment))
(mapcar (lambda (word) (format t "{word}%s:%f:%f\n" (item.name word)
    (item.feat word "R:SylStructure.daughter1.daughter1.segment_start")
    (item.feat word "R:SylStructure.daughtern.daughtern.end")))
  (utt.relation.items spoken 'Word))
(format t "{end}\n")
(fflush nil)
"""
_END = "end-of-phrase"
_WORD = "word "
_SILENCES = frozenset({"pau", "#", "_", "sil", "h#", "##"})


class _Festival:
    """One festival process, fed phrase by phrase: starting it costs as much as ten phrases."""

    def __init__(self) -> None:
        # A file in memory, which leaves nothing behind however the process ends.
        self.wave = os.fdopen(os.memfd_create("phrase.wav"), "rb")
        try:
            self.process = subprocess.Popen(
                ["festival", "--pipe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="latin-1",
            )
        except OSError as error:
            raise DependencyError("festival does not start; install the Debian package festival") from error
        atexit.register(self._end)

    def _end(self) -> None:
        with self.wave, self.process:
            self.process.kill()

    def speak(self, name: str, text: str) -> tuple[npt.NDArray[np.float64], int, list[str]]:
        """Samples, their rate and the lines festival printed; the samples are empty on failure."""
        os.truncate(self.wave.fileno(), 0)
        wave = f"/proc/{os.getpid()}/fd/{self.wave.fileno()}"
        script = _SCRIPT.format(name=name, text=text.replace("'", ""), wave=wave, end=_END, word=_WORD)
        lines: list[str] = []
        if self.process.stdin is not None and self.process.stdout is not None:
            self.process.stdin.write(script)
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.strip() == _END:
                    break
                lines.append(line.strip().strip('"'))
        if os.fstat(self.wave.fileno()).st_size == 0:
            return np.zeros(0), 0, lines
        self.wave.seek(0)
        audio_T, rate_hz = soundfile.read(self.wave, dtype="float64")
        return audio_T, rate_hz, lines


@cache
def _festival() -> _Festival:
    return _Festival()


def speak(name: str, text: str, knobs: Knobs) -> SpokenPhrase:
    """Speaks one phrase and moves it to the wanted pitch and tempo.

    Raises:
        DependencyError: festival or the voice is not installed.
        PhraseError: the phrase has nothing voiced in it.
    """
    audio_T, rate_hz, lines = _festival().speak(name, text)
    if len(audio_T) == 0:
        raise DependencyError(
            f"festival did not speak with voice {name}; install the Debian packages festival and {_PACKAGES[name]}"
        )
    phones, speech_s = _read_phones(lines)
    low, high = F0_RANGE_HZ[name]
    f0_hz = low * (high / low) ** knobs.pitch
    num_syllables = count_syllables(phones)
    tempo = knobs.tempo
    if knobs.rate_hz is not None and num_syllables:
        tempo = knobs.rate_hz * speech_s / num_syllables
    changed_T = change_voice(audio_T, rate_hz, f0_hz=f0_hz, range_factor=2 * knobs.pitch_range, tempo=tempo)
    return SpokenPhrase(
        audio_T=changed_T,
        rate_hz=rate_hz,
        num_syllables=num_syllables,
        speech_s=speech_s / tempo,
        words=_read_words(text, lines, tempo),
    )


def installed_voices() -> frozenset[str]:
    """Names of the voices that festival finds.

    Raises:
        DependencyError: festival is not installed.
    """
    try:
        done = subprocess.run(
            ["festival", "--pipe"], input="(print (voice.list))\n", capture_output=True, encoding="latin-1", check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DependencyError("festival does not start; install the Debian package festival") from error
    return frozenset(done.stdout.replace("(", " ").replace(")", " ").split())


def package_of(name: str) -> str:
    """Debian package of a voice."""
    return _PACKAGES[name]


def _read_words(text: str, lines: list[str], tempo: float) -> tuple[SpokenWord, ...] | None:
    """Times of the words in lines such as `word old:0.31:0.54`; None where festival cut the text otherwise."""
    rows = [line.removeprefix(_WORD).rsplit(":", 2) for line in lines if line.startswith(_WORD)]
    if [row[0] for row in rows] != text.split():
        return None
    return tuple(
        SpokenWord(text=word, start_s=float(start) / tempo, end_s=float(end) / tempo) for word, start, end in rows
    )


def _read_phones(lines: list[str]) -> tuple[list[str], float]:
    """Labels and total time of the phones in lines such as `aa:1.25`, where numbers are ends in seconds."""
    phones: list[str] = []
    speech_s, previous_s = 0.0, 0.0
    for line in lines:
        label, colon, end = line.rpartition(":")
        if line.startswith(_WORD) or not colon or not end.replace(".", "", 1).isdigit():
            continue
        if label not in _SILENCES:
            phones.append(label)
            speech_s += float(end) - previous_s
        previous_s = float(end)
    return phones, speech_s

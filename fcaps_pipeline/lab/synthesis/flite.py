"""flite through its command: clustergen and diphone voices with the end of every phone."""

import subprocess
import tempfile
from pathlib import Path

import soundfile

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.synthesis.speaking import Knobs, SpokenPhrase, count_syllables

F0_RANGE_HZ = {"kal16": (75.0, 200.0), "awb": (80.0, 200.0), "rms": (80.0, 200.0), "slt": (120.0, 290.0)}
_TIMEOUT_S = 60


def speak(name: str, text: str, knobs: Knobs) -> SpokenPhrase:
    """Speaks one phrase; pitch runs on a log scale over a range that suits the voice.

    Raises:
        DependencyError: flite is not installed or lacks the voice.
    """
    low, high = F0_RANGE_HZ[name]
    f0_hz = low * (high / low) ** knobs.pitch
    with tempfile.TemporaryDirectory(prefix="flite-") as folder:
        out = Path(folder) / "phrase.wav"
        command = ["flite", "-voice", name, "-psdur", "-t", text, "-o", str(out)]
        command += ["--setf", f"int_f0_target_mean={f0_hz:.1f}", "--setf", f"duration_stretch={1 / knobs.tempo:.3f}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
            audio_T, rate_hz = soundfile.read(out, dtype="float64")
        except (OSError, subprocess.SubprocessError) as error:
            raise DependencyError(f"flite did not speak with voice {name}; install the Debian package flite") from error
    phones, speech_s = _read_phones(done.stdout)
    return SpokenPhrase(audio_T=audio_T, rate_hz=rate_hz, num_syllables=count_syllables(phones), speech_s=speech_s)


def installed_voices() -> frozenset[str]:
    """Names of the voices inside flite.

    Raises:
        DependencyError: flite is not installed.
    """
    try:
        done = subprocess.run(["flite", "-lv"], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise DependencyError("flite does not start; install the Debian package flite") from error
    return frozenset(done.stdout.split(":")[-1].split())


def _read_phones(listing: str) -> tuple[list[str], float]:
    """Labels and total time of the phones in `pau:0.164 hh:0.255 …`, where numbers are ends in seconds."""
    phones: list[str] = []
    speech_s, previous_s = 0.0, 0.0
    for item in listing.split():
        label, _, end = item.rpartition(":")
        if label != "pau":
            phones.append(label)
            speech_s += float(end) - previous_s
        previous_s = float(end)
    return phones, speech_s

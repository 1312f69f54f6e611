"""The demo speech that ships with the package: held-out voices, one talk, one file without speech.

Enters: a folder and a seed. Leaves: FLAC files at 16 kHz and `manifest.jsonl`, a list of Recordings.
Must run in a fresh process to give the same bytes, because espeak-ng keeps state.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.audio.surroundings import Samples, limit, noise
from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.clip import render
from fcaps_pipeline.lab.synthesis.plan import SpeechPlan, draw_plan
from fcaps_pipeline.lab.synthesis.speaking import PhraseError
from fcaps_pipeline.lab.synthesis.truth import SpeechTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

MANIFEST_FILE = "manifest.jsonl"
LICENCE = "CC0-1.0"
_SHORTEST_S, _LONGEST_S = 3.0, 7.5
_TALK_PARTS = 4
_NOISE_S = 4.0
_CAST = Cast()

Wish = Callable[[SpeechTruth], bool]
_WISHES: dict[str, Wish] = {
    "woman-grows-louder": lambda t: t.gender == "female" and t.loudness == "rising",
    "man-grows-softer": lambda t: t.gender == "male" and t.loudness == "falling",
    "woman-soft": lambda t: t.gender == "female" and t.volume == "soft" and t.loudness == "steady",
    "man-loud-fast": lambda t: t.gender == "male" and t.volume == "loud" and t.rate == "fast",
    "woman-pauses": lambda t: t.gender == "female" and len(t.pauses) == 1,
    "man-slow-low": lambda t: t.gender == "male" and t.rate == "slow" and t.pitch == "low",
    "woman-high": lambda t: t.gender == "female" and t.pitch == "high" and t.rate == "measured",
}


def write_demo_speech(folder: Path, seed: int) -> list[str]:
    """Writes the files and the manifest; gives the file names.

    Raises:
        DependencyError: a synthesizer is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for index, (name, wish) in enumerate(_WISHES.items()):
        audio_T, truth = _draw_until(wish, np.random.default_rng([seed, index]), _quiet_room)
        lines.append(_write(folder, name, audio_T, truth.voice, truth.transcript))
    audio_T, truth = _talk(np.random.default_rng([seed, len(_WISHES)]))
    lines.append(_write(folder, "talk", audio_T, truth.voice, truth.transcript))
    hiss_T = 10 ** (-45 / 20) * noise("pink", round(_NOISE_S * SAMPLE_RATE_HZ), np.random.default_rng([seed, 99]))
    lines.append(_write(folder, "noise-only", limit(hiss_T), None, None))
    (folder / MANIFEST_FILE).write_text("".join(lines), encoding="utf-8")
    return [f"{name}.flac" for name in (*_WISHES, "talk", "noise-only")] + [MANIFEST_FILE]


def _talk(rng: np.random.Generator) -> tuple[Samples, SpeechTruth]:
    """Four stretches of one voice with 1 to 2 s of near silence between them."""
    voice = draw_plan(rng, "test", _CAST).voice

    def same_voice(plan: SpeechPlan) -> SpeechPlan:
        return _quiet_room(plan).model_copy(update={"voice": voice, "formant_scale": 1.0, "loudness_lufs": -24.0})

    pieces: list[Samples] = []
    transcripts: list[str] = []
    for _ in range(_TALK_PARTS):
        audio_T, truth = _draw_until(lambda t: t.gender == voice.gender, rng, same_voice)
        silence_T = 1e-4 * noise("pink", round(rng.uniform(1.0, 2.0) * SAMPLE_RATE_HZ), rng)
        pieces += [audio_T, silence_T]
        transcripts.append(truth.transcript or "")
    return np.concatenate(pieces), truth.model_copy(update={"transcript": " ".join(transcripts)})


def _quiet_room(plan: SpeechPlan) -> SpeechPlan:
    """Demo speech is for people too: little noise, no telephone."""
    return plan.model_copy(update={"telephone": False, "snr_db": 40.0, "wet": min(plan.wet, 0.1)})


def _draw_until(
    wish: Wish, rng: np.random.Generator, adapt: Callable[[SpeechPlan], SpeechPlan]
) -> tuple[Samples, SpeechTruth]:
    while True:
        try:
            made = render(adapt(draw_plan(rng, "test", _CAST)), rng, _CAST)
        except PhraseError:
            continue
        if made is None:
            continue
        audio_T, truth = made
        if _SHORTEST_S <= len(audio_T) / SAMPLE_RATE_HZ <= _LONGEST_S and wish(truth):
            return audio_T, truth


def _write(folder: Path, name: str, audio_T: Samples, voice: str | None, transcript: str | None) -> str:
    (folder / f"{name}.flac").write_bytes(encode_flac(audio_T))
    row = {"id": name, "path": f"{name}.flac", "speaker": voice, "language": "en", "transcript": transcript}
    present = {key: value for key, value in row.items() if value is not None} | {"licence": LICENCE}
    return json.dumps(present) + "\n"

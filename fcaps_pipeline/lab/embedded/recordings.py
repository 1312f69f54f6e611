"""Real speech for the captioner: who trains and who is held out, and the phrases of those who train.

Enters: a folder of recordings with a `speakers.csv`. Leaves: lists of recordings, and a phrase bank
for `synthesis.recorded`: the stretches between pauses, each with its syllables and pitch measured.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.activity import find_activity
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, make_frames
from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.lab.synthesis.recorded import BANK_FILE, RecordedPhrase
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Gender
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import claim

SPEAKERS_FILE = "speakers.csv"
_GENDERS: dict[str, Gender] = {"female": "female", "male": "male"}
_HELD_OUT_ONE_IN = 6
_SHORTEST_S, _LONGEST_S = 0.6, 8.0
_EDGE_S = 0.03
_SYLLABLES_FOUND = 0.9
"""Share of the syllables that the counter finds. The medians against the phones of synthetic clips are .96 for
espeak-ng, .88 for flite and .85 for festival; real speech has no phones to count against."""


@dataclass(frozen=True)
class RealRecording:
    """One file of one speaker."""

    path: Path
    speaker: str
    gender: Gender


class _Listing(Record):
    """Whose phrases a bank holds."""

    num_recordings: int
    sha256: str
    """Of their paths, speakers and genders."""


def find_recordings(folder: Path) -> list[RealRecording]:
    """The recordings below a folder that a `speakers.csv` in it, or beside it, lists.

    Raises:
        SourceError: there is no list, it lacks a column, names another gender, or lists no file of the folder.
    """
    folder = folder.resolve()
    listing = next((at / SPEAKERS_FILE for at in (folder, folder.parent) if (at / SPEAKERS_FILE).is_file()), None)
    if listing is None:
        raise SourceError(f"{folder} has no {SPEAKERS_FILE}; write one with the columns file, speaker and gender")
    try:
        rows = list(csv.DictReader(listing.read_text(encoding="utf-8").splitlines()))
        found = [
            RealRecording(listing.parent / row["file"], row["speaker"], _GENDERS[row["gender"]])
            for row in rows
            if (listing.parent / row["file"]).is_relative_to(folder)
        ]
    except KeyError as error:
        raise SourceError(
            f"{listing}: {error} is no column or no gender; expected file, speaker, female or male"
        ) from None
    except (TypeError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{listing} cannot be read as rows of file, speaker and gender in UTF-8 ({error}); fill in or mend its rows"
        ) from None
    if not found:
        raise SourceError(f"{listing} lists no file below {folder}; its column file is relative to the list")
    return found


def is_held_out(speaker: str) -> bool:
    """Whether a speaker only measures: one in six, by name, so that a longer list moves nobody."""
    return int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % _HELD_OUT_ONE_IN == 0


def write_phrase_bank(folder: Path, recordings: list[RealRecording]) -> Path:
    """Cuts recordings at their pauses; does nothing where the bank of the same recordings is there.

    Raises:
        JobError: the folder holds the bank of other recordings.
        OutputError: the folder cannot be written.
        RecordingError: a file cannot be decoded.
        SourceError: no recording holds a usable phrase.
    """
    index = folder / BANK_FILE
    listing = "".join(f"{one.path},{one.speaker},{one.gender}\n" for one in recordings)
    claim(
        folder / "recordings.json",
        _Listing(num_recordings=len(recordings), sha256=hashlib.sha256(listing.encode()).hexdigest()),
    )
    if index.is_file():
        return folder
    phrases: list[RecordedPhrase] = []
    for place, recording in enumerate(recordings):
        pcm_T = decode_all(str(recording.path), "first")[0]
        for number, piece_T in enumerate(_stretches(pcm_T)):
            phrase = _measure(piece_T, recording, f"{place:05d}-{recording.path.stem}-{number:02d}.flac")
            if phrase is not None:
                with writing(folder / phrase.file):
                    (folder / phrase.file).write_bytes(encode_flac(piece_T))
                phrases.append(phrase)
    if not phrases:
        raise SourceError(f"no recording of {len(recordings)} holds a phrase of {_SHORTEST_S} to {_LONGEST_S} s")
    with writing(index):
        write_durably(index, "".join(phrase.model_dump_json() + "\n" for phrase in phrases))
    return folder


def _stretches(pcm_T: npt.NDArray[np.int16]) -> list[npt.NDArray[np.int16]]:
    """The speech between two pauses, each piece within the lengths a phrase may have."""
    frames = make_frames(pcm_T)
    if frames is None:
        return []
    is_speech_N = np.concatenate([[False], find_activity(frames).is_speech_N, [False]])
    borders = np.flatnonzero(np.diff(is_speech_N.astype(np.int8)))
    pieces = []
    for first, last in zip(borders[::2], borders[1::2], strict=True):
        if _SHORTEST_S <= (last - first) * FRAME_STEP_S <= _LONGEST_S:
            start_s, end_s = frames.time_s_N[first] - _EDGE_S, frames.time_s_N[last - 1] + _EDGE_S
            pieces.append(pcm_T[max(0, round(start_s * SAMPLE_RATE_HZ)) : round(end_s * SAMPLE_RATE_HZ)])
    return pieces


def _measure(pcm_T: npt.NDArray[np.int16], recording: RealRecording, file: str) -> RecordedPhrase | None:
    """What the corpus needs to know of a phrase; None where nothing in it is voiced or syllabic."""
    frames = make_frames(pcm_T)
    if frames is None or not frames.is_voiced_N.any():
        return None
    activity = find_activity(frames)
    if activity.num_syllables == 0:
        return None
    return RecordedPhrase(
        file=file,
        speaker=recording.speaker,
        gender=recording.gender,
        num_syllables=activity.num_syllables / _SYLLABLES_FOUND,
        speech_s=activity.speech_s,
        f0_median_hz=float(np.median(frames.f0_hz_N[frames.is_voiced_N])),
    )

"""Readers of corpora that zero-shot classification is measured on: RAVDESS, CREMA-D and IEMOCAP.

Enters: the folder into which a corpus was unpacked. Leaves: labelled clips, and by name every file that is none.
Emotions are words as the zero-shot sentences of CLSP use them: `fear` and `disgust`, not `fearful` and `disgusted`.
Audio files are not opened here.
"""

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.corpora.iemocap import read_iemocap
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import (
    Gender,
    LabelledClip,
    LabelledCorpus,
    read_named_files,
)

_RAVDESS_NAME = re.compile(r"03-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P<actor>[0-9]{2})\.wav")
_RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprised",
}
_CREMA_D_NAME = re.compile(r"(?P<actor>1[0-9]{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(LO|MD|HI|XX?)\.wav")
_CREMA_D_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
RAVDESS_EMOTIONS = tuple(_RAVDESS_EMOTIONS.values())
CREMA_D_EMOTIONS = tuple(_CREMA_D_EMOTIONS.values())
_DEMOGRAPHICS = "VideoDemographics.csv"


def read_ravdess(root: Path) -> LabelledCorpus:
    """Reads the speech of RAVDESS; songs are passed over.

    Args:
        root: folder with `Actor_01` to `Actor_24`, at any depth.

    Returns:
        Clips with emotion and gender. Odd actor numbers are men. Ages are not published per actor.

    Raises:
        SourceError: the folder is missing, or holds no file such as `03-01-06-01-02-01-12.wav`.

    Source: Livingstone and Russo, The Ryerson Audio-Visual Database, PLOS ONE 2018, file naming convention.
    """
    return read_named_files("RAVDESS", root, _ravdess_clip, "Actor_12/03-01-06-01-02-01-12.wav")


def read_crema_d(root: Path) -> LabelledCorpus:
    """Reads CREMA-D.

    Args:
        root: the unpacked repository or its folder `AudioWAV`. Gender and age come from `VideoDemographics.csv`
            in it or, for `AudioWAV`, beside it; without that file they stay unknown.

    Returns:
        Clips with emotion and, for actors in the table, gender and age.

    Raises:
        SourceError: the folder is missing, holds no file such as `1001_DFA_ANG_XX.wav`, or the table is bad.

    Source: Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, 2014, and its read-me file.
    """
    actors = _read_demographics(root)

    def clip_of(path: Path) -> LabelledClip | str:
        match = _CREMA_D_NAME.fullmatch(path.name)
        if match is None or match["emotion"] not in _CREMA_D_EMOTIONS:
            return "the name is none of CREMA-D"
        gender, age_years = actors.get(match["actor"], (None, None))
        return LabelledClip(
            path=str(path),
            emotion=_CREMA_D_EMOTIONS[match["emotion"]],
            gender=gender,
            age_years=age_years,
            speaker=match["actor"],
        )

    return read_named_files("CREMA-D", root, clip_of, "AudioWAV/1001_DFA_ANG_XX.wav")


READERS: Mapping[str, Callable[[Path], LabelledCorpus]] = {
    "ravdess": read_ravdess,
    "crema_d": read_crema_d,
    "iemocap": read_iemocap,
}
"""Readers by the names that jobs use."""


def _ravdess_clip(path: Path) -> LabelledClip | str:
    match = _RAVDESS_NAME.fullmatch(path.name)
    if match is None or not 1 <= int(match["actor"]) <= 24:
        return "the name is none of RAVDESS audio"
    if match["channel"] == "02":
        return "a song"
    return LabelledClip(
        path=str(path),
        emotion=_RAVDESS_EMOTIONS[match["emotion"]],
        gender="male" if int(match["actor"]) % 2 else "female",
        age_years=None,
        speaker=match["actor"],
    )


def _read_demographics(root: Path) -> dict[str, tuple[Gender, int]]:
    folder = root.parent if root.name == "AudioWAV" else root
    path = folder / _DEMOGRAPHICS
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            return {row["ActorID"]: _demographics(row) for row in rows}
    except (KeyError, AttributeError, TypeError, ValueError, csv.Error) as error:
        raise SourceError(
            f"{path}:{rows.line_num}: expected the columns ActorID, Age (whole years) and Sex (Male or Female); {error}"
        ) from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error


def _demographics(row: Mapping[str, str]) -> tuple[Gender, int]:
    gender = row["Sex"].strip().lower()
    if gender not in ("female", "male"):
        raise ValueError(f"found Sex {row['Sex']!r}")
    return cast("Gender", gender), int(row["Age"])

"""Reads CREMA-D: emotion stands in the names of the files, gender and age in a table of actors."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledClip, LabelledCorpus, read_named_files
from fcaps_pipeline.records.audio import Gender

_NAME = re.compile(r"(?P<actor>1[0-9]{3})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_(LO|MD|HI|XX?)\.wav")
_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
CREMA_D_EMOTIONS = tuple(_EMOTIONS.values())
_DEMOGRAPHICS = "VideoDemographics.csv"


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
        match = _NAME.fullmatch(path.name)
        if match is None or match["emotion"] not in _EMOTIONS:
            return "the name is none of CREMA-D"
        gender, age_years = actors.get(match["actor"], (None, None))
        return LabelledClip(
            path=str(path),
            emotion=_EMOTIONS[match["emotion"]],
            gender=gender,
            age_years=age_years,
            speaker=match["actor"],
        )

    return read_named_files("CREMA-D", root, clip_of, "AudioWAV/1001_DFA_ANG_XX.wav")


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

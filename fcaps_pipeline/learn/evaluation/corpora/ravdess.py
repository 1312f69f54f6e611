"""Reads the speech of RAVDESS: emotion and gender stand in the names of the files."""

import re
from pathlib import Path

from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import LabelledClip, LabelledCorpus, read_named_files

_NAME = re.compile(r"03-(?P<channel>0[12])-(?P<emotion>0[1-8])-0[12]-0[12]-0[12]-(?P<actor>[0-9]{2})\.wav")
_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprised",
}
RAVDESS_EMOTIONS = tuple(_EMOTIONS.values())


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
    return read_named_files("RAVDESS", root, _clip, "Actor_12/03-01-06-01-02-01-12.wav")


def _clip(path: Path) -> LabelledClip | str:
    match = _NAME.fullmatch(path.name)
    if match is None or not 1 <= int(match["actor"]) <= 24:
        return "the name is none of RAVDESS audio"
    if match["channel"] == "02":
        return "a song"
    return LabelledClip(
        path=str(path),
        emotion=_EMOTIONS[match["emotion"]],
        gender="male" if int(match["actor"]) % 2 else "female",
        age_years=None,
        speaker=match["actor"],
    )

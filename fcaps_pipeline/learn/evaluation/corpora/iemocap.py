"""Reader of IEMOCAP: labels from `SessionN/dialog/EmoEvaluation/*.txt`, audio from `SessionN/sentences/wav`.

Enters: the folder that holds `Session1` to `Session5`. Leaves: labelled clips, and by name every label without audio,
every audio without label, and every line that cannot be read.
Source: Busso et al., IEMOCAP: interactive emotional dyadic motion capture database, 2008, and its documentation.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import (
    HIDDEN,
    NO_AUDIO_SUFFIX,
    LabelledClip,
    LabelledCorpus,
    PassedOver,
    finish,
    walk,
)

IEMOCAP_4_EMOTIONS = ("angry", "happy", "sad", "neutral")
IEMOCAP_4_MERGES = {"excited": "happy"}
"""The usual four-class task: excitement counts as happiness, other emotions are left out."""

_EMOTIONS = {
    "ang": "angry",
    "dis": "disgust",
    "exc": "excited",
    "fea": "fear",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "oth": "other",
    "sad": "sad",
    "sur": "surprised",
    "xxx": None,
}
_LABEL = re.compile(
    r"\[[0-9.]+ - [0-9.]+\]\t(?P<name>(?P<session>Ses0[1-5])[FM]_\w+_(?P<gender>[FM])[0-9A-Z]+)"
    r"\t(?P<emotion>[a-z]{3})\t\[.*\]"
)
_EXAMPLE = "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt with Session1/sentences/wav/Ses01F_impro01/*.wav"


def read_iemocap(root: Path) -> LabelledCorpus:
    """Reads all emotions of IEMOCAP; `with_emotions` makes the four-class task of it.

    Args:
        root: folder with `Session1` to `Session5`.

    Returns:
        Clips with emotion, gender and speaker. Turns on which the annotators did not agree have no emotion.

    Raises:
        SourceError: the folder is missing, a label file cannot be read, or no label has its audio.
    """
    files = walk(root)
    label_files = [path for path in files if _is_label_file(path.relative_to(root))]
    audio = {path.stem: path for path in files if _is_audio(path.relative_to(root))}
    passed_over = [
        PassedOver(path=str(path), reason=reason) for path in files if (reason := _reason(path.relative_to(root)))
    ]
    clips: dict[str, LabelledClip] = {}
    for path in label_files:
        for found in _labels(path, audio):
            if isinstance(found, PassedOver):
                passed_over.append(found)
            else:
                clips[found.path] = found
    unlabelled = sorted({str(path) for path in audio.values()} - clips.keys())
    passed_over += [PassedOver(path=path, reason="audio without a label") for path in unlabelled]
    return finish("IEMOCAP", root, list(clips.values()), passed_over, _EXAMPLE)


def _is_label_file(path: Path) -> bool:
    return path.match("Session[1-5]/dialog/EmoEvaluation/*.txt") and not path.name.startswith(".")


def _is_audio(path: Path) -> bool:
    return path.match("Session[1-5]/sentences/wav/*/*.wav") and not path.name.startswith(".")


def _reason(path: Path) -> str | None:
    """Why a file is neither labels nor audio of a turn; None where it is."""
    if _is_label_file(path) or _is_audio(path):
        return None
    if path.name.startswith("."):
        return HIDDEN
    return "a .wav file outside sentences/wav" if path.suffix.lower() == ".wav" else NO_AUDIO_SUFFIX


def _labels(path: Path, audio: dict[str, Path]) -> Iterator[LabelledClip | PassedOver]:
    """Clips of one label file; its lines about turns begin with a bracket, all others are details of the annotators."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as text: {error}; unpack the corpus again") from error
    for number, line in enumerate(lines, start=1):
        if not line.startswith("["):
            continue
        match = _LABEL.fullmatch(line.rstrip())
        if match is None or match["emotion"] not in _EMOTIONS:
            yield PassedOver(path=f"{path}:{number}", reason="a line that is no label of IEMOCAP")
        elif match["name"] not in audio:
            yield PassedOver(path=f"{path}:{number}", reason="a label without audio")
        else:
            yield LabelledClip(
                path=str(audio[match["name"]]),
                emotion=_EMOTIONS[match["emotion"]],
                gender="female" if match["gender"] == "F" else "male",
                age_years=None,
                speaker=match["session"] + match["gender"],
            )

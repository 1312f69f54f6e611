"""Labelled clips of a corpus, and every file beside them with the reason why it is none.

Enters: nothing but a folder to walk. Leaves: the records that the readers of the corpora fill.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record


class LabelledClip(Record):
    """One audio file with what is known of it."""

    path: str
    emotion: str | None
    """Word for the emotion as zero-shot sentences use it; None where the annotators did not agree."""
    gender: Gender | None
    age_years: int | None
    speaker: str

    @property
    def age_group(self) -> str | None:
        """One of `AGE_GROUPS`; None where the age is unknown."""
        if self.age_years is None:
            return None
        return next((name for limit, name in _AGE_LIMITS if self.age_years < limit), AGE_GROUPS[-1])


class PassedOver(Record):
    """A file, or a line of one, that gives no labelled clip."""

    path: str
    reason: str


class LabelledCorpus(Record):
    """All clips of a corpus, by path; nothing is left out without a reason."""

    name: str
    clips: tuple[LabelledClip, ...]
    passed_over: tuple[PassedOver, ...]

    @property
    def passed_over_by_reason(self) -> dict[str, int]:
        """Number of files for each reason, most frequent first."""
        return dict(Counter(item.reason for item in self.passed_over).most_common())


_AGE_LIMITS = ((20, "child"), (40, "adult"), (60, "middle-aged"))
AGE_GROUPS = (*(name for _, name in _AGE_LIMITS), "elder")
"""Groups with the limits 20, 40 and 60 years. Source: recipe code of CLSP, zero-shot evaluation on CREMA-D."""

NO_AUDIO_SUFFIX = "not a .wav file"
HIDDEN = "hidden file"


def walk(root: Path) -> list[Path]:
    """Every file below a folder, sorted by path; a folder that links lead to twice is walked once.

    Raises:
        SourceError: there is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise SourceError(f"{root} is no folder; give the folder into which the corpus was unpacked")
    files: list[Path] = []
    seen: set[tuple[int, int]] = set()
    try:
        for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                subfolders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            files += [Path(folder, name) for name in names]
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}; check its permissions") from error
    return sorted(files)


def read_named_files(
    name: str, root: Path, interpret: Callable[[Path], LabelledClip | str], example: str
) -> LabelledCorpus:
    """Reads a corpus whose file names tell the labels.

    Args:
        name: of the corpus.
        root: folder that holds it, at any depth.
        interpret: gives the clip behind a `.wav` file, or the reason why it is none.
        example: a file name of the corpus, for the error message.

    Raises:
        SourceError: the folder is missing, or no file in it gives a clip.
    """
    clips: dict[str, LabelledClip] = {}
    passed_over: list[PassedOver] = []
    for path in walk(root):
        clip = _reason_by_name(path, clips) or interpret(path)
        if isinstance(clip, str):
            passed_over.append(PassedOver(path=str(path), reason=clip))
        else:
            clips[path.name] = clip
    return finish(name, root, list(clips.values()), passed_over, example)


def finish(
    name: str, root: Path, clips: Sequence[LabelledClip], passed_over: Sequence[PassedOver], example: str
) -> LabelledCorpus:
    """Puts a corpus together.

    Raises:
        SourceError: there is no clip.
    """
    corpus = LabelledCorpus(
        name=name, clips=tuple(sorted(clips, key=lambda clip: clip.path)), passed_over=tuple(passed_over)
    )
    if not clips:
        found = ", ".join(f"{count} x {reason}" for reason, count in corpus.passed_over_by_reason.items())
        raise SourceError(
            f"{root} holds no file of {name}; expected names such as {example}, found {found or 'no file'}"
        )
    return corpus


def with_emotions(corpus: LabelledCorpus, emotions: Sequence[str], merges: Mapping[str, str]) -> LabelledCorpus:
    """The clips whose emotion, after merging, is one of those given; the others are passed over by name.

    Args:
        corpus: any.
        emotions: the labels of the task.
        merges: emotions that count as another one, such as excited as happy.

    Raises:
        SourceError: no clip has one of the emotions.
    """
    kept: list[LabelledClip] = []
    passed_over = list(corpus.passed_over)
    for clip in corpus.clips:
        emotion = clip.emotion and merges.get(clip.emotion, clip.emotion)
        if emotion in emotions:
            kept.append(clip.model_copy(update={"emotion": emotion}))
        else:
            passed_over.append(PassedOver(path=clip.path, reason=f"emotion {emotion or 'without agreement'}"))
    if not kept:
        raise SourceError(f"no clip of {corpus.name} has one of the emotions {', '.join(emotions)}")
    return LabelledCorpus(name=corpus.name, clips=tuple(kept), passed_over=tuple(passed_over))


def _reason_by_name(path: Path, clips: Mapping[str, LabelledClip]) -> str | None:
    if path.name.startswith("."):
        return HIDDEN
    if path.suffix.lower() != ".wav":
        return NO_AUDIO_SUFFIX
    return "a second file of the same name" if path.name in clips else None


def _raise(error: OSError) -> None:
    raise error

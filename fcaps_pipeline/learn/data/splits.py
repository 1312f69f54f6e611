"""Divides rows into train, dev and test so that no voice, Recording or audio stands in two of them.

Enters: the `splits` of a job, or catalogues. Leaves: `Splits` that were checked.
With shares, rows that have a speaker, a Recording or their samples in common stay together,
directly or through other rows; so a Recording of two speakers keeps both in one split.

Shape suffix: N rows.
"""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.catalogue import Catalogue, RowNames
from fcaps_pipeline.learn.data.config import AnySplits, ReleaseSplits, SharedRuns
from fcaps_pipeline.learn.data.made_once import MANY_ROWS, made_once, mapped_arrays, save_arrays
from fcaps_pipeline.learn.data.row_store import NO_SPEAKER
from fcaps_pipeline.learn.data.sources import missing_audio, read_catalogue
from fcaps_pipeline.release.grouping import Hashes, drawn, grouped

_NOTES = "notes.json"
_SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Splits:
    """Disjoint sets of rows."""

    train: Catalogue
    dev: Catalogue
    test: Catalogue | None
    """None where the job names no test set; the trainer itself never reads it."""
    notes: tuple[str, ...] = ()
    """What every report of these rows says: audio that is missing, what splits have in common."""

    def named(self) -> list[tuple[str, Catalogue]]:
        """The splits there are, with their names."""
        splits = [("train", self.train), ("dev", self.dev), ("test", self.test)]
        return [(name, split) for name, split in splits if split is not None]


def read_splits(section: AnySplits) -> Splits:
    """The splits that a job describes.

    Raises:
        UsageError: a run does not exist, a split is empty, or two have something in common.
        CorruptRunError: a run is not finished, of another version or damaged.
    """
    return divide(section, _sources(section))


def _sources(section: AnySplits) -> tuple[Catalogue, ...]:
    if isinstance(section, SharedRuns):
        return (read_catalogue(section.runs),)
    if isinstance(section, ReleaseSplits):
        names = (section.train, section.dev, section.test)
        return tuple(read_catalogue(section.releases, one) for one in names if one)
    return tuple(read_catalogue(one) for one in (section.train, section.dev, section.test) if one)


def divide(section: AnySplits, sources: Sequence[Catalogue]) -> Splits:
    """The splits of rows; of many rows one process of a node makes and checks them, and the others map them.

    Args:
        section: of the job.
        sources: all rows where these are divided by shares, else those of train, dev and, if any, test.

    Raises:
        UsageError: a split is empty, or two have something in common.
        OutputError: the cache cannot be written.
    """
    if sum(map(len, sources)) < MANY_ROWS:
        return _divided(section, sources)
    told = " ".join([section.model_dump_json(), *(one.identity for one in sources)])

    def make(folder: Path) -> None:
        splits = _divided(section, sources)
        save_arrays(folder, {name: split.place_N for name, split in splits.named()})
        (folder / _NOTES).write_text(json.dumps(splits.notes))

    folder = made_once(f"splits/{hashlib.sha256(told.encode()).hexdigest()[:32]}", make)
    whole = [*sources] * 3 if isinstance(section, SharedRuns) else sources
    places = mapped_arrays(folder)
    found = [
        replace(one, place_N=places[name].astype(np.int32, copy=False))
        for name, one in zip(_SPLITS, whole, strict=False)
        if name in places
    ]
    notes = tuple(json.loads((folder / _NOTES).read_text()))
    return Splits(found[0], found[1], found[2] if len(found) > 2 else None, notes)


def _divided(section: AnySplits, sources: Sequence[Catalogue]) -> Splits:
    if isinstance(section, SharedRuns):
        dev_share, test_share = section.dev_share, section.test_share
        return split_by_share(sources[0], dev_share=dev_share, test_share=test_share, seed=section.seed)
    train, dev, *test = sources
    return split_by_runs(train, dev, test[0] if test else None, section.allow_shared)


def split_by_share(catalogue: Catalogue, *, dev_share: float, test_share: float, seed: int) -> Splits:
    """Splits by a hash of the speaker where a row has one, else of the Recording.

    Which split a speaker falls into does not depend on the other speakers, unless they share
    Recordings or audio.

    Args:
        catalogue: all rows.
        dev_share: expected share of speakers in dev, between 0 and 1.
        test_share: the same for test; 0 for no test split.
        seed: another seed gives another split.

    Raises:
        UsageError: a split is empty.
    """
    draw_N = _draws(catalogue, seed)
    dev_N = draw_N < dev_share
    test_N = ~dev_N & (draw_N < dev_share + test_share)
    splits = Splits(
        notes=tuple(missing_audio(catalogue)),
        train=catalogue.take(np.flatnonzero(~dev_N & ~test_N)),
        dev=catalogue.take(np.flatnonzero(dev_N)),
        test=catalogue.take(np.flatnonzero(test_N)) if test_share else None,
    )
    num_groups = len(np.unique(draw_N))
    advice = (
        f"there are {num_groups} groups of rows that share no speaker, Recording or audio; "
        "change shares or seed, or give separate runs"
    )
    return _checked(splits, advice)


def split_by_runs(
    train: Catalogue, dev: Catalogue, test: Catalogue | None, allow_shared: Collection[str] = ()
) -> Splits:
    """Takes splits that are there already: runs of their own, or the splits of releases.

    Args:
        train: rows to train on.
        dev: rows that choose the checkpoint.
        test: rows that are measured, if any.
        allow_shared: what two splits may have in common; a note says what they have.

    Raises:
        UsageError: a split is empty, or two have a speaker, a Recording or audio in common.
    """
    notes = dict.fromkeys(note for split in (train, dev, test) if split is not None for note in missing_audio(split))
    return _checked(
        Splits(train, dev, test, tuple(notes)),
        "report.json of a run, or excluded/ of a release, tells what became of its Segments",
        allow_shared,
    )


def _checked(splits: Splits, advice: str, allow_shared: Collection[str] = ()) -> Splits:
    for name, split in splits.named():
        if not len(split):
            raise UsageError(f"split {name} is empty; {advice}")
    pairs = list(itertools.combinations(splits.named(), 2))
    for first, second in pairs:
        _refuse_leak(first, second, allow_shared)
    shared = [note for first, second in pairs for note in _shared_notes(first, second, allow_shared)]
    return replace(splits, notes=(*splits.notes, *shared))


def _shared_notes(
    first: tuple[str, Catalogue], second: tuple[str, Catalogue], allow_shared: Collection[str]
) -> Iterator[str]:
    """What two splits have in common because the job allows it."""
    (name, split), (other_name, other) = first, second
    for what in sorted(allow_shared):
        num_rows = int(np.isin(getattr(other, f"{what}_N"), _distinct(getattr(split, f"{what}_N"))).sum())
        if num_rows:
            yield (
                f"{num_rows} of {len(other)} rows of {other_name} have a {what} that stands in {name} too, as "
                "data.splits.allow_shared allows: figures on them flatter"
            )


def _distinct(key_N: Hashes) -> Hashes:
    return np.setdiff1d(key_N, [NO_SPEAKER])


def _refuse_leak(first: tuple[str, Catalogue], second: tuple[str, Catalogue], allow_shared: Collection[str]) -> None:
    """Raises when two splits have anything in common, with an example of it."""
    (name, split), (other_name, other) = first, second
    for what in sorted({"speaker", "recording", "audio"} - set(allow_shared), reverse=True):
        key_N, other_key_N = getattr(split, f"{what}_N"), getattr(other, f"{what}_N")
        shared = _distinct(np.intersect1d(key_N, other_key_N))
        if not len(shared):
            continue
        here = split.names(int(np.argmax(key_N == shared[0])))
        there = other.names(int(np.argmax(other_key_N == shared[0])))
        raise UsageError(
            f"{shown(what, here)} stands in {name} and in {other_name} (Segment {here.segment_id} in {here.shard}, "
            f"Segment {there.segment_id} in {there.shard}), as do {len(shared) - 1} more; results on "
            f"{other_name} would flatter: keep each speaker, Recording and audio in one split, or split with shares"
        )


def shown(what: str, names: RowNames) -> str:
    """What two rows have in common, for messages: `what` is speaker, recording or audio."""
    return {
        "speaker": f"speaker {names.speaker}",
        "recording": f"Recording {names.recording_id}",
        "audio": f"the audio of Segment {names.segment_id}",
    }[what]


def _draws(catalogue: Catalogue, seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) per row, the same for rows that belong together."""
    if not len(catalogue):
        return np.empty(0)
    groups = grouped((catalogue.speaker_N, catalogue.recording_N, catalogue.audio_N))
    key_N = np.where(catalogue.speaker_N != NO_SPEAKER, catalogue.speaker_N, catalogue.recording_N)
    return drawn(groups, key_N, seed)[groups.group_N]

"""Divides rows into train, dev and test so that no voice, Recording or audio stands in two of them.

Enters: the `splits` of a job, or catalogues. Leaves: `Splits` that were checked.
With shares, rows that have a speaker, a Recording or their samples in common stay together,
directly or through other rows; so a Recording of two speakers keeps both in one split.

Shape suffix: N rows.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.resources import resolve_store_path
from fcaps_pipeline.learn.data.catalogue import NO_SPEAKER, Catalogue, RowNames, read_catalogue
from fcaps_pipeline.learn.data.config import AnySplits, ReleaseSplits, SharedRuns
from fcaps_pipeline.release.grouping import drawn, grouped


@dataclass(frozen=True)
class Splits:
    """Disjoint sets of rows."""

    train: Catalogue
    dev: Catalogue
    test: Catalogue | None
    """None where the job names no test set; the trainer itself never reads it."""

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
    if isinstance(section, SharedRuns):
        return split_by_share(
            read_runs(section.runs), dev_share=section.dev_share, test_share=section.test_share, seed=section.seed
        )
    if isinstance(section, ReleaseSplits):
        train, dev = (read_runs(section.releases, names) for names in (section.train, section.dev))
        test = read_runs(section.releases, section.test) if section.test else None
    else:
        train, dev = read_runs(section.train), read_runs(section.dev)
        test = read_runs(section.test) if section.test else None
    return split_by_runs(train, dev, test)


def read_runs(locations: Sequence[str], splits: Collection[str] | None = None) -> Catalogue:
    """The rows of folders of runs and releases as a job names them.

    Args:
        locations: of the folders.
        splits: of releases, the splits whose rows are taken; None for all.

    Raises:
        UsageError: a run or a split does not exist.
        CorruptRunError: a run is not finished, of another version or damaged.
    """
    return read_catalogue([resolve_store_path(location) for location in locations], splits)


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


def split_by_runs(train: Catalogue, dev: Catalogue, test: Catalogue | None) -> Splits:
    """Takes splits that are there already: runs of their own, or the splits of releases.

    Raises:
        UsageError: a split is empty, or two have a speaker, a Recording or audio in common.
    """
    return _checked(
        Splits(train, dev, test), "report.json of a run, or excluded/ of a release, tells what became of its Segments"
    )


def _checked(splits: Splits, advice: str) -> Splits:
    for name, split in splits.named():
        if not len(split):
            raise UsageError(f"split {name} is empty; {advice}")
    for first, second in itertools.combinations(splits.named(), 2):
        _refuse_leak(first, second)
    return splits


def _refuse_leak(first: tuple[str, Catalogue], second: tuple[str, Catalogue]) -> None:
    """Raises when two splits have anything in common, with an example of it."""
    (name, split), (other_name, other) = first, second
    for what in ("speaker", "recording", "audio"):
        key_N, other_key_N = getattr(split, f"{what}_N"), getattr(other, f"{what}_N")
        shared = np.setdiff1d(np.intersect1d(key_N, other_key_N), [NO_SPEAKER])
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

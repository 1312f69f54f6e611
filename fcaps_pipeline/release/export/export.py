"""Makes an export: shard by shard, each in its place only when it is whole, and `export.json` last.

Enters: a Dataset, settings, a folder that is empty or holds the same export unfinished. Leaves: the folder as the
format has it. What is needed to go on after a kill lies in `.unfinished/`: the settings, and a record for each shard
that is in its place; a shard without one is made again and comes out the same.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import FcapsError, StorageError, UsageError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.dataset import Dataset, Part, refuse_inside
from fcaps_pipeline.release.export.clips import Clip, LeftOut, read_clips, read_references
from fcaps_pipeline.release.export.form import UNSPLIT, WORK, ExportSettings, Form, FormatName, ShardRecord, ShardWriter
from fcaps_pipeline.release.export.registry import FORMS
from fcaps_pipeline.release.layout import ReleaseRecord
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.files import sync_folder, write_durably, writing
from fcaps_pipeline.storage.job_folder import claim, refuse_strangers
from fcaps_pipeline.storage.lease import FOLDER as LEASE
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path

_RECORD = "export.json"
_MAX_ROWS = 10_000
"""Of a shard: as many files as the Hub takes in a folder."""


class SplitCounts(Record):
    """What became of the rows of a split."""

    num_rows: int
    num_left_out: int
    """Rows whose sound could not be had."""
    num_shards: int


class ExportRecord(Record):
    """Content of `export.json`."""

    settings: ExportSettings
    fcaps_version: str
    splits: dict[str, SplitCounts]
    num_files: int
    """Beside this record."""
    num_bytes: int

    @property
    def num_rows(self) -> int:
        """Of all splits."""
        return sum(split.num_rows for split in self.splits.values())

    @property
    def num_left_out(self) -> int:
        """Of all splits."""
        return sum(split.num_left_out for split in self.splits.values())


def settings_for(
    name: FormatName,
    dataset: Dataset,
    *,
    splits: tuple[str, ...] | None = None,
    by_reference: bool = False,
    inline_audio: bool = False,
    shard_mb: int = 500,
) -> ExportSettings:
    """The settings of an export, checked against what the format and the dataset can do.

    Raises:
        UsageError: one of them cannot be had.
    """
    audio = FORMS[name].audio
    if by_reference and audio == "written":
        able = ", ".join(other for other, form in FORMS.items() if form.audio != "written")
        raise UsageError(f"clips of {name} come with their audio; --by-reference goes with {able}")
    if inline_audio and name != "labelstudio":
        raise UsageError(f"--inline-audio is for tasks of labelstudio, not for {name}; leave it out")
    known = list(dict.fromkeys(part.split for part in dataset.parts() if part.split is not None))
    for split in splits or ():
        if split not in known:
            found = f"its splits are {', '.join(known)}" if known else "it has no splits"
            raise UsageError(f"{dataset.root} has no split {split}: {found}; correct --split, or leave it out for all")
    return ExportSettings(
        format=name,
        source=_name(dataset),
        index_sha256=dataset.index_sha256,
        splits=splits,
        by_reference=by_reference or audio == "referred",
        inline_audio=inline_audio,
        shard_mb=shard_mb,
    )


def _name(dataset: Dataset) -> str:
    """Tells nobody where a machine keeps its files."""
    content = dataset.content
    if isinstance(content, ReleaseRecord):
        return f"release {content.name} {content.version}"
    return f"run {dataset.root.name}"


def export(
    dataset: Dataset,
    settings: ExportSettings,
    out: Path,
    *,
    max_left_out: int = 0,
    on_left_out: Callable[[LeftOut], None] = lambda _: None,
) -> ExportRecord:
    """Makes the export, or goes on with it; of one that is there already, what its record says.

    Args:
        dataset: what is exported.
        settings: of `settings_for`.
        out: the folder.
        max_left_out: so many rows may be left out because their sound cannot be had.
        on_left_out: told of each.

    Raises:
        UsageError: the folder holds something else, or a row cannot be told in this format.
        CorruptRunError: a file of the dataset is missing or damaged.
        StorageError: more rows than that have no sound.
        OutputError: the folder cannot be written.
    """
    root = store_path(out)
    refuse_inside(root, dataset)
    note = out / WORK / "settings.json"
    with _held_until_whole(out):
        if (found := _finished(out)) is not None and found.settings == settings:
            return _clean(out, found)
        if not note.exists():
            refuse_strangers(root, kind="an unfinished export")
        claim(note, settings)
        work = _Work(dataset, settings, FORMS[settings.format], out, max_left_out, on_left_out)
        with _forgotten_if_nothing(out):
            for split, parts in groupby(dataset.parts(), key=lambda part: part.split):
                if settings.splits is None or split in settings.splits:
                    work.split(split or UNSPLIT, list(parts))
        return _clean(out, work.finish())


@contextmanager
def _held_until_whole(out: Path) -> Iterator[None]:
    """A whole export is for others, to whom nobody says which machine made it."""
    with held(store_path(out), "exporting into"):
        yield
    shutil.rmtree(out / LEASE, ignore_errors=True)


def _finished(out: Path) -> ExportRecord | None:
    content = read_json(store_path(out / _RECORD))
    if content is None:
        return None
    try:
        return ExportRecord.model_validate(content)
    except ValueError as error:
        raise UsageError(f"{out / _RECORD} is no record of this version; choose another --out") from error


def _clean(out: Path, record: ExportRecord) -> ExportRecord:
    shutil.rmtree(out / WORK, ignore_errors=True)
    return record


@contextmanager
def _forgotten_if_nothing(out: Path) -> Iterator[None]:
    """What fails before its first shard leaves the folder as it was, free for other settings."""
    try:
        yield
    except FcapsError:
        if not any((out / WORK).glob("shard-*.json")):
            shutil.rmtree(out / WORK, ignore_errors=True)
        raise


@dataclass
class _Work:
    """An export in the making."""

    dataset: Dataset
    settings: ExportSettings
    form: Form
    out: Path
    max_left_out: int
    on_left_out: Callable[[LeftOut], None]
    shards: list[ShardRecord] = field(default_factory=list)
    counts: dict[str, SplitCounts] = field(default_factory=dict)

    def split(self, split: str, parts: list[Part]) -> None:
        """All rows of a split."""
        done = self._done(split)
        read = read_references if self.settings.by_reference else read_clips
        clips: Iterator[Clip | LeftOut] = read(
            self.dataset, parts, sum(one.num_rows + one.num_left_out for one in done)
        )
        left_out = self._add_all(clips, split, done)
        self.shards += done
        self.counts[split] = SplitCounts(
            num_rows=sum(one.num_rows for one in done),
            num_left_out=sum(one.num_left_out for one in done) + left_out,
            num_shards=len(done),
        )

    def _add_all(self, clips: Iterator[Clip | LeftOut], split: str, done: list[ShardRecord]) -> int:
        """Makes the shards that are missing; how many rows were left out behind the last clip."""
        left_out, shard = 0, None
        try:
            for found in clips:
                if isinstance(found, LeftOut):
                    left_out += 1
                    self._leave_out(found, sum(one.num_left_out for one in done) + left_out)
                    continue
                if shard is None:
                    shard = _OpenShard(self.out, self.form, split, len(done), self.settings)
                shard.add(found)
                if shard.is_full:
                    done.append(shard.close(left_out))
                    left_out, shard = 0, None
            if shard is not None:
                done.append(shard.close(left_out))
                left_out, shard = 0, None
        finally:
            if shard is not None:
                shard.discard()
        return left_out

    def finish(self) -> ExportRecord:
        """What concerns the whole, and the record."""
        with writing(self.out):
            self.form.finish(self.out, self.shards, self.settings)
            sizes = [
                size
                for name, size in store_path(self.out).sizes().items()
                if name.partition("/")[0] not in (WORK, LEASE)
            ]
            record = ExportRecord(
                settings=self.settings,
                fcaps_version=__version__,
                splits=self.counts,
                num_files=len(sizes),
                num_bytes=sum(sizes),
            )
            write_durably(self.out / _RECORD, record.model_dump_json(indent=1) + "\n")
        return record

    def _done(self, split: str) -> list[ShardRecord]:
        """The shards that are in their place, in order."""
        records: list[ShardRecord] = []
        while (content := read_json(store_path(_record_path(self.out, split, len(records))))) is not None:
            records.append(ShardRecord.model_validate(content))
        return records

    def _leave_out(self, found: LeftOut, in_split: int) -> None:
        self.on_left_out(found)
        so_far = in_split + sum(counts.num_left_out for counts in self.counts.values())
        if so_far > self.max_left_out:
            raise StorageError(
                f"the audio of Segment {found.segment_id} cannot be had: {found.detail}; bring it back, or let up to "
                f"N such rows be left out with --max-missing (now {self.max_left_out})"
            )


class _OpenShard:
    """A shard in the making, below a folder of its own."""

    def __init__(self, out: Path, form: Form, split: str, number: int, settings: ExportSettings) -> None:
        self._out, self._split, self._number = out, split, number
        self._folder = out / WORK / f"{split}-{number}"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._max_bytes = settings.shard_mb * 1_000_000
        self._num_rows = self._num_bytes = self._max_global = self._max_fine = 0
        with writing(self._folder):
            self._folder.mkdir(parents=True)
            self._writer: ShardWriter = form.begin(self._folder, split, number, settings)

    def add(self, clip: Clip) -> None:
        """Takes the next row."""
        with writing(self._folder):
            self._writer.add(clip)
        self._num_rows += 1
        self._num_bytes += len(clip.flac)
        self._max_global = max(self._max_global, len(clip.row["global_captions"] or ()))
        self._max_fine = max(self._max_fine, len(clip.row["fine_captions"] or ()))

    @property
    def is_full(self) -> bool:
        """Whether the next row begins another."""
        return self._num_rows >= _MAX_ROWS or self._num_bytes >= self._max_bytes

    def close(self, num_left_out: int) -> ShardRecord:
        """Puts it into its place."""
        record = ShardRecord(
            split=self._split,
            number=self._number,
            num_rows=self._num_rows,
            num_left_out=num_left_out,
            max_global_captions=self._max_global,
            max_fine_captions=self._max_fine,
        )
        with writing(self._folder):
            self._writer.close()
            _put(self._folder, self._out)
            write_durably(_record_path(self._out, self._split, self._number), record.model_dump_json())
        return record

    def discard(self) -> None:
        """Leaves nothing of it."""
        # Ending a file can fail as writing it did; nobody misses it.
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _record_path(out: Path, split: str, number: int) -> Path:
    return out / WORK / f"shard-{split}-{number}.json"


def _put(folder: Path, out: Path) -> None:
    """Moves files to where they belong, whole and synced."""
    folders = set[Path]()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = out / file.relative_to(folder)
        if place.parent not in folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            folders.add(place.parent)
        with file.open("rb") as content:
            os.fsync(content.fileno())
        file.replace(place)
    for changed in folders:
        sync_folder(changed)
    with suppress(OSError):
        shutil.rmtree(folder)

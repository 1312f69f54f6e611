"""Rows of any source as stores: listed once into the cache, then mapped.

Enters: what a job names as runs. Leaves: a `Catalogue`. Runs, releases and Parquet files of the same columns give their
rows as they are, and of sound in the rows the place of its bytes. Cuts of Lhotse as FCaps publishes them, tars of
WebDataset and datasets of the Hub are listed by `annotate.sources`. Sound is not decoded here.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fcaps_pipeline.annotate.sources.archives import find_archives, is_pattern
from fcaps_pipeline.annotate.sources.lhotse_shar import is_shar
from fcaps_pipeline.annotate.sources.parquet import PARQUET_SUFFIXES
from fcaps_pipeline.annotate.sources.source_path import SourcePath, files_below, is_folder, resolved
from fcaps_pipeline.annotate.sources.tar import TAR_SUFFIXES
from fcaps_pipeline.errors import SourceError, UsageError
from fcaps_pipeline.jobs.resources import resolve_store_path
from fcaps_pipeline.jobs.sources import LhotseSource, ParquetSource, SourceConfig, TarSource
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.config import Source
from fcaps_pipeline.learn.data.listed_rows import Missing, described_rows
from fcaps_pipeline.learn.data.made_once import made_once
from fcaps_pipeline.learn.data.row_store import RowStore, write_rows
from fcaps_pipeline.learn.data.shard_rows import RowFile, are_shards, dataset_files, rows_of_files
from fcaps_pipeline.release.dataset import index_of, is_dataset, open_dataset
from fcaps_pipeline.storage.path import StorePath, store_path

_FORMAT = 1
"""Of what lies in the cache; another number lists everything anew."""
_FACTS = "facts.json"
_LISTS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.bz2", ".jsonl.xz")

AnySource = Source | str | Path | StorePath


class _Listing(NamedTuple):
    fingerprint: str
    """Of all that the rows follow from."""
    tables: Callable[[Missing], Iterator[pa.Table]]


def read_catalogue(sources: Sequence[AnySource], splits: Collection[str] | None = None) -> Catalogue:
    """All rows of one or more sources.

    Args:
        sources: as a job names them.
        splits: of releases, the splits whose rows are listed; None for all.

    Raises:
        UsageError: a source does not exist, is given twice or has none of the splits; two have a Segment of one id; or
            more audio is missing than the source may miss.
        CorruptRunError: one is not finished, of another version or damaged.
        OutputError: the cache cannot be written.
    """
    named = [_source(one) for one in sources]
    paths = [resolve_store_path(one.path) for one in named]
    for position, path in enumerate(paths):
        if path in paths[:position]:
            raise UsageError(f"folder {path} is given twice; name it once")
    catalogue = Catalogue.of([_store(one, splits) for one in named], [one.weight for one in named])
    if len(named) > 1:
        _refuse_equal_ids(catalogue)
    return catalogue


def missing_audio(catalogue: Catalogue) -> list[str]:
    """What each source lacked when it was listed, one sentence each."""
    facts = [store.folder / _FACTS for store in catalogue.stores]
    told = [json.loads(path.read_text())["missing"] for path in facts if path.is_file()]
    return [missing for missing in told if missing]


def contents_of_sources(sources: Sequence[AnySource]) -> dict[str, str]:
    """A hash of what each source holds: of its index, or else of how its files look.

    A source that is not there, or a run without index, is refused later, with a better message.
    """
    found = {}
    for one in map(_source, sources):
        path = resolve_store_path(one.path)
        index = index_of(path)
        if index.exists():
            found[str(index)] = hashlib.sha256(index.read()).hexdigest()
        elif not is_dataset(path) and (path.local is None or path.local.exists() or is_pattern(path.local)):
            found[str(path)] = _listing(one, None).fingerprint
    return found


def _source(named: AnySource) -> Source:
    return named if isinstance(named, Source) else Source(path=str(named))


def _store(source: Source, splits: Collection[str] | None) -> RowStore:
    listing = _listing(source, splits)

    def make(folder: Path) -> None:
        missing = Missing(source.path, source.max_missing)
        write_rows(folder, listing.tables(missing))
        (folder / _FACTS).write_text(json.dumps({"source": source.path, "missing": missing.told()}))

    return RowStore(made_once(f"rows/{listing.fingerprint}", make))


def _listing(source: Source, splits: Collection[str] | None) -> _Listing:
    """How to list a source.

    Raises:
        UsageError: there is nothing, or nothing that can be listed.
    """
    root, path = resolve_store_path(source.path), resolved(source.path)
    if source.path.lower().endswith(_LISTS):
        config = LhotseSource(kind="lhotse", path=source.path, audio_root=source.audio_root)
        return _described(config, source, [path])
    if is_dataset(root):
        dataset = open_dataset(root)
        files = dataset_files(dataset, splits)
        stamps = [dataset.index_sha256, *_stamps([file.path.local or file.path for file in files])]
        return _Listing(_fingerprint(source, stamps), lambda _: rows_of_files(files))
    if splits is not None:
        raise UsageError(f"{root} has no split {' or '.join(splits)}: it is no release; correct data.splits")
    if is_folder(path) and is_shar(path):
        return _described(LhotseSource(kind="lhotse", path=source.path), source, files_below(path))
    return _of_files(source, root, path)


def _of_files(source: Source, root: StorePath, path: SourcePath) -> _Listing:
    """Parquet files or tars: one, those of a folder, or those of a pattern."""
    is_many = is_pattern(path) or is_folder(path)
    if root.local is not None and not is_many and not root.local.exists():
        raise UsageError(
            f"{'file' if Path(root.name).suffix else 'folder'} {root} does not exist; give the --out folder of `fcaps "
            "annotate` or of `fcaps release build`, or Parquet, JSONL of Lhotse cuts or tars that have captions"
        )
    try:
        files = find_archives(source.path, (*PARQUET_SUFFIXES, *TAR_SUFFIXES), "Parquet file or tar").files
    except SourceError as error:
        raise UsageError(f"{root} is neither a run nor a release, and {error}") from error
    if any(file.name.lower().endswith(TAR_SUFFIXES) for file in files):
        return _described(TarSource(kind="tar", path=source.path, fields=source.fields), source, files)
    shards = [store_path(file) for file in files]
    if are_shards(shards[0]):
        rows = [RowFile(file) for file in shards]
        return _Listing(_fingerprint(source, _stamps(files)), lambda _: rows_of_files(rows))
    config = ParquetSource(kind="parquet", path=source.path, fields=source.fields, audio_root=source.audio_root)
    return _described(config, source, files)


def _described(config: SourceConfig, source: Source, files: Sequence[SourcePath]) -> _Listing:
    return _Listing(_fingerprint(source, _stamps(files)), partial(described_rows, config))


def _fingerprint(source: Source, stamps: Sequence[object]) -> str:
    told = [_FORMAT, str(resolve_store_path(source.path)), source.model_dump(exclude={"path", "weight"}), *stamps]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _stamps(files: Sequence[SourcePath]) -> list[tuple[str, int | None, int | None]]:
    """What files looked like."""
    stamps = []
    for file in files:
        if isinstance(file, Path):
            status = file.stat() if file.exists() else None
            stamps.append((str(file), status and status.st_size, status and status.st_mtime_ns))
        else:
            stamps.append((str(file), file.num_bytes(), None))
    return stamps


def _refuse_equal_ids(catalogue: Catalogue) -> None:
    segment_N = catalogue.segment_N
    order = np.argsort(segment_N, kind="stable")
    doubled = np.flatnonzero(segment_N[order[1:]] == segment_N[order[:-1]])
    if not len(doubled):
        return
    first, second = (catalogue.names(int(order[doubled[0] + step])) for step in (0, 1))
    raise UsageError(
        f"Segment {first.segment_id} stands in {first.shard} and in {second.shard}, as do {len(doubled) - 1} more; "
        "name only one of the sources, or take the rows of one out of the other"
    )

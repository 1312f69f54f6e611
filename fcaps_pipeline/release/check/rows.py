"""Rows of a release: each once, in one split with all that belongs to it, none that was taken back, none too large.

Enters: rows of `data`, a stretch at a time. Leaves: findings. Of ids only hashes are kept, 8 bytes each; names of
those at fault are looked up afterwards.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.card_header import excluded_files
from fcaps_pipeline.release.check.findings import Faults, Finding
from fcaps_pipeline.release.columns import read_columns
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, ReleaseShard
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstones

_MB = 1e6
_MAX_ROW_MB = 2.0
"""What the viewer of the Hub shows of a row."""
_SURELY_SMALL_S = 30.0
"""Samples of that length are half of what a row may have, however badly FLAC does."""
_BYTES_PER_S = 32_000
_NAMED = 5


class OnceCheck:
    """No two rows have one id, or the same samples."""

    columns: tuple[str, ...] = ("segment_id", "audio_sha256")

    def __init__(self, layout: ReleaseLayout, record: ReleaseRecord) -> None:
        self._layout, self._record = layout, record
        self._hashes: dict[str, list[Hashes]] = {name: [] for name in self.columns}

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`."""
        for name, hashes in self._hashes.items():
            hashes.append(id_hashes(table[name]))

    def findings(self) -> Iterator[Finding]:
        """Samples may stand twice where the recipe keeps duplicates; then it is only told."""
        are_kept = self._record.recipe["rows"]["duplicates"] == "keep"
        for name, check in (
            ("segment_id", "segment ids that stand twice"),
            ("audio_sha256", "rows with samples of another"),
        ):
            ordered = np.sort(np.concatenate([*self._hashes[name], np.empty(0, np.uint64)]))
            doubled = ordered[1:][ordered[1:] == ordered[:-1]]
            faults = Faults()
            if len(doubled):
                faults.add(_named(self._layout, self._record, name, np.unique(doubled)), len(doubled))
            yield faults.finding(check, is_hard=name == "segment_id" or not are_kept)


class DivisionCheck:
    """Speakers, Recordings and samples stand in one split each, and rows in the files of theirs."""

    columns: tuple[str, ...] = ("speaker", "recording_id", "recording_sha256", "audio_sha256", "split")

    def __init__(self, layout: ReleaseLayout, record: ReleaseRecord) -> None:
        self._layout, self._record = layout, record
        self._splits = list(dict.fromkeys([*record.splits, *(shard.split for shard in record.shards)]))
        self._seen: dict[str, list[tuple[int, Hashes]]] = {name: [] for name in self.columns[:-1]}
        self._misplaced = Faults()

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`."""
        number = self._splits.index(shard.split)
        for name, seen in self._seen.items():
            seen.append((number, id_hashes(pc.drop_null(pc.unique(table[name])))))
        stated = pc.fill_null(table["split"], "")
        num_wrong = pc.sum(pc.not_equal(stated, shard.split)).as_py() or 0
        if num_wrong:
            others = ", ".join(sorted(set(pc.unique(stated).to_pylist()) - {shard.split}))
            self._misplaced.add([f"{shard.path} has rows of {others or 'none'}"], num_wrong)

    def findings(self) -> Iterator[Finding]:
        """A speaker may stand in several splits where the recipe divides by Recording."""
        yield self._misplaced.finding("rows in a file of another split", is_hard=True)
        by_speaker = self._record.recipe["splits"]["by"] == "speaker"
        for name, what, is_hard in (
            ("speaker", "speakers in several splits", by_speaker),
            ("recording_id", "recordings in several splits", True),
            ("recording_sha256", "files of recordings in several splits", False),
            ("audio_sha256", "samples in several splits", True),
        ):
            divided = self._divided(name)
            faults = Faults()
            if len(divided):
                faults.add(_named(self._layout, self._record, name, divided), len(divided))
            yield faults.finding(what, is_hard=is_hard)

    def _divided(self, name: str) -> Hashes:
        """Hashes of values that stand in more than one split."""
        numbers = range(len(self._splits))
        own = [[hashes for number, hashes in self._seen[name] if number == one] for one in numbers]
        once = [np.unique(np.concatenate([*hashes, np.empty(0, np.uint64)])) for hashes in own]
        values, counts = np.unique(np.concatenate([*once, np.empty(0, np.uint64)]), return_counts=True)
        divided: Hashes = values[counts > 1]
        return divided


class TombstoneCheck:
    """No row was taken back."""

    columns: tuple[str, ...] = tuple(dict.fromkeys(COLUMN_OF.values()))

    def __init__(self, layout: ReleaseLayout, record: ReleaseRecord, tombstones: Tombstones) -> None:
        self._layout, self._record, self._tombstones = layout, record, tombstones
        self._faults = Faults()

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`."""
        self._look(shard.path, table)

    def findings(self) -> Iterator[Finding]:
        """Rows of `candidates` and `excluded` count as well."""
        for shard in self._record.shards:
            if shard.table == "candidates":
                for table in read_columns(self._layout, shard, ("segment_id",)):
                    self._look(shard.path, table)
        for file in excluded_files(self._record):
            path = self._layout.root / file.path
            with reading(path), open_parquet(path) as parquet:
                for batch in parquet.iter_batches():
                    self._look(file.path, pa.Table.from_batches([batch]))
        yield self._faults.finding("rows that were taken back", is_hard=True)

    def _look(self, path: str, table: pa.Table) -> None:
        fallen: npt.NDArray[np.bool_] = np.zeros(len(table), bool)
        kinds: list[Kind] = [kind for kind in KINDS if COLUMN_OF[kind] in table.column_names]
        for kind in kinds:
            fallen |= self._tombstones.fallen(kind, table[COLUMN_OF[kind]]).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(fallen)
        ids = table["segment_id"].take(pa.array(places[:_NAMED])).to_pylist()
        self._faults.add((f"{path}: {one}" for one in ids), len(places))


class RowSizeCheck:
    """No row is larger than the viewer of the Hub takes."""

    columns: tuple[str, ...] = ("segment_id", "duration_s", "recording_transcript", "extra")

    def __init__(self, layout: ReleaseLayout, record: ReleaseRecord) -> None:
        self._layout = layout
        self._is_embedded = record.recipe["audio"] == "embed"
        self._largest = (0.0, "")
        self._to_read: dict[str, ReleaseShard] = {}

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`. Samples are taken as uncompressed, unless that alone might be too large."""
        texts = sum(pc.fill_null(pc.binary_length(table[name]), 0).to_numpy() for name in self.columns[2:])
        sizes = texts.astype(np.float64)
        if self._is_embedded:
            duration_s = pc.fill_null(table["duration_s"], 0.0).to_numpy()
            if duration_s.max(initial=0.0) > _SURELY_SMALL_S:
                self._to_read[shard.path] = shard
            sizes += np.where(duration_s > _SURELY_SMALL_S, 0.0, duration_s * _BYTES_PER_S)
        self._take(sizes, table["segment_id"])

    def findings(self) -> Iterator[Finding]:
        """What is too large is cut off in the viewer, and does no other harm."""
        for shard in self._to_read.values():
            path = self._layout.shard(shard)
            with reading(path), open_parquet(path) as parquet:
                for batch in parquet.iter_batches(64, columns=["segment_id", "audio"]):
                    lengths = pc.binary_length(pc.struct_field(batch["audio"], "bytes"))
                    self._take(
                        pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype(float), batch["segment_id"]
                    )
        yield Finding(
            check="largest row, MB at most",
            found=round(self._largest[0] / _MB, 3),
            bound=_MAX_ROW_MB,
            is_hard=False,
            examples=(self._largest[1],) if self._largest[1] else (),
        )

    def _take(self, sizes: npt.NDArray[np.float64], ids: pa.ChunkedArray | pa.Array) -> None:
        if len(sizes):
            place = int(np.argmax(sizes))
            self._largest = max(self._largest, (float(sizes[place]), ids[place].as_py()))


def _named(layout: ReleaseLayout, record: ReleaseRecord, name: str, hashes: Hashes) -> Iterator[str]:
    """The values with these hashes, each with the files that it stands in; the first ones only."""
    wanted = hashes[:_NAMED]
    found: dict[str, dict[str, None]] = {}
    for shard in record.shards:
        if shard.table == "data":
            for table in read_columns(layout, shard, (name,)):
                values = pc.drop_null(pc.unique(table[name]))
                for value in values.filter(pa.array(np.isin(id_hashes(values), wanted))).to_pylist():
                    found.setdefault(value, {})[shard.path] = None
    return (f"{value} in {', '.join(paths)}" for value, paths in found.items())

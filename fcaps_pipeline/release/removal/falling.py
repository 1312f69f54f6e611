"""What of a run falls under its tombstones: Recordings of the plan, and Segments of each unit.

Enters: a run and tombstones. Leaves: ids, which stay in memory and are written nowhere. A Recording falls whole where
its own id, speaker, source, license or file was taken back, or all of its declared Segments were; else Segments fall.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.release.removal.search import SHORTEST
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.plan import load_tables
from fcaps_pipeline.shards.reader import read_commits, read_unit_columns
from fcaps_pipeline.shards.taken_back import LeftOut
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstone, Tombstones

_COLUMNS = [COLUMN_OF[kind] for kind in KINDS]
Mask = npt.NDArray[np.bool_]


@dataclass
class UnitFalling:
    """What of a unit falls."""

    segments: set[str] = field(default_factory=set)
    recordings: set[str] = field(default_factory=set)
    losing: set[str] = field(default_factory=set)
    """Recordings that stay and lose Segments."""
    num_rows: Counter[Table] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.segments or self.recordings)


@dataclass
class Falling:
    """What of a run falls."""

    recordings: set[str] = field(default_factory=set)
    """Whole."""
    sources: set[str] = field(default_factory=set)
    """Of these, with the places that they were read from."""
    trimmed: set[str] = field(default_factory=set)
    """Recordings that lose declared Segments, and stay."""
    units: dict[int, UnitFalling] = field(default_factory=dict)
    """Those of which anything falls."""

    @property
    def num_recordings(self) -> int:
        """Whole ones."""
        return len(self.recordings)

    @property
    def num_segments(self) -> int:
        """Of all units."""
        return sum(len(unit.segments) for unit in self.units.values())

    @property
    def num_rows(self) -> Counter[Table]:
        """By table."""
        return sum((unit.num_rows for unit in self.units.values()), Counter[Table]())

    def __bool__(self) -> bool:
        return bool(self.recordings or self.trimmed or self.units)

    def names(self) -> Iterator[str]:
        """Ids and sources of all of it; the id of a Recording is found in those of its Segments."""
        yield from self.recordings
        yield from self.sources
        for unit in self.units.values():
            for segment_id in unit.segments:
                recording_id = segment_id.rsplit("-", 3)[0]
                if len(recording_id) < SHORTEST or recording_id not in self.recordings:
                    yield segment_id


def falling(layout: RunLayout, tombstones: Tombstones) -> Falling:
    """What of a run falls under tombstones.

    Raises:
        CorruptRunError: plan, records or tables cannot be read.
    """
    found = Falling(recordings=_by_file(layout, tombstones))
    for table in load_tables(layout):
        gone, _, trimmed = part(table, tombstones, found.recordings)
        found.recordings.update(gone["recording_id"].to_pylist())
        found.sources.update(gone["source"].to_pylist(), gone["location"].to_pylist())
        found.trimmed.update(trimmed)
    for commit in read_commits(layout):
        if unit := _of_unit(layout, commit, tombstones, found.recordings):
            found.units[commit.unit_index] = unit
    return found


def part(table: pa.Table, tombstones: Tombstones, recordings: set[str]) -> tuple[pa.Table, pa.Table, list[str]]:
    """Rows of the plan that fall, the others as they stay, and the ids of those that lose declared Segments.

    Args:
        table: of Recordings.
        tombstones: what was taken back.
        recordings: ids of Recordings that fall for reasons that the plan does not tell.
    """
    (kept,) = LeftOut(tombstones).pass_on([table])
    kept = kept.filter(pc.invert(_is_in(kept["recording_id"], recordings)))
    stays = pc.is_in(table["recording_id"], value_set=kept["recording_id"])
    before = table.filter(stays)["num_cuts"]
    trimmed = pc.fill_null(pc.not_equal(before, kept["num_cuts"]), fill_value=False)
    return table.filter(pc.invert(stays)), kept, kept["recording_id"].filter(trimmed).to_pylist()


def entries_for(layout: RunLayout, request: Request, tombstones: Tombstones) -> list[Tombstone]:
    """What must not return, so that a request comes true: its values, and what they were of, under any other name.

    A license may be given back, so only its name counts. Of all else the ids are kept, the samples, and the files
    of which no Recording stays.

    Args:
        layout: of the run.
        request: what is taken back.
        tombstones: of the run, whose key is used.
    """
    named = [request.tombstone(tombstones, value) for value in request.values]
    if request.what == "license":
        return named
    found = falling(layout, Tombstones(key=tombstones.key, entries=tuple(named)))
    samples, segments = _samples(layout, found)
    values: dict[Kind, Iterable[str]] = {
        "recording": found.recordings,
        "file": _files_of_nobody_else(layout, found.recordings),
        "segment": segments,
        "audio": samples,
    }
    others = [
        Tombstone(what=kind, digest=tombstones.digest(kind, value), reason=request.reason)
        for kind, some in values.items()
        for value in sorted(some)
    ]
    return [*named, *others]


def _samples(layout: RunLayout, found: Falling) -> tuple[set[str], set[str]]:
    """The samples of what falls, and the Segments that have them and are not of Recordings that fall."""
    samples, segments = set[str](), set[str]()
    for commit in read_commits(layout):
        unit = found.units.get(commit.unit_index)
        for table in _outcomes(layout, commit) if unit is not None else ():
            fallen = table.filter(_is_in(table["segment_id"], unit.segments if unit else ()))
            samples.update(pc.drop_null(fallen["audio_sha256"]).to_pylist())
            of_others = pc.invert(_is_in(fallen["recording_id"], found.recordings))
            segments.update(fallen["segment_id"].filter(of_others).to_pylist())
    wanted = pa.array(samples, pa.string())
    for commit in read_commits(layout) if samples else ():
        for table in _outcomes(layout, commit):
            same = table.filter(pc.is_in(table["audio_sha256"], value_set=wanted))
            same = same.filter(pc.invert(_is_in(same["recording_id"], found.recordings)))
            segments.update(pc.drop_null(same["segment_id"]).to_pylist())
    return samples, segments


def _files_of_nobody_else(layout: RunLayout, recordings: set[str]) -> set[str]:
    """Checksums of files of which all Recordings fall: one long file may be of many."""
    fallen, staying = set[str](), set[str]()
    for table in _recordings(layout) if recordings else ():
        is_fallen = _is_in(table["recording_id"], recordings)
        fallen.update(pc.drop_null(table["recording_sha256"].filter(is_fallen)).to_pylist())
        known = table["recording_sha256"].filter(pc.invert(is_fallen))
        staying.update(pc.drop_null(known).to_pylist())
    return fallen - staying


def _by_file(layout: RunLayout, tombstones: Tombstones) -> set[str]:
    """Recordings whose file was taken back; what it is was known when it was read."""
    found = set[str]()
    for table in _recordings(layout) if tombstones.has("file") else ():
        found.update(table["recording_id"].filter(tombstones.fallen("file", table["recording_sha256"])).to_pylist())
    return found


def _recordings(layout: RunLayout) -> Iterator[pa.Table]:
    columns = ["recording_id", "recording_sha256"]
    return (read_unit_columns(layout, commit, "recordings", columns) for commit in read_commits(layout))


def _of_unit(layout: RunLayout, commit: UnitCommit, tombstones: Tombstones, recordings: set[str]) -> UnitFalling:
    unit = UnitFalling()
    for table, rows in zip(OUTCOME_TABLES, _outcomes(layout, commit), strict=True):
        falls = _is_in(rows["recording_id"], recordings).to_numpy()
        is_segment = rows["segment_id"].is_valid().to_numpy()
        for kind in KINDS:
            falls = falls | (is_segment & tombstones.fallen(kind, rows[COLUMN_OF[kind]]).to_numpy())
        fallen = rows.filter(pa.array(falls))
        unit.segments.update(pc.drop_null(fallen["segment_id"]).to_pylist())
        unit.losing.update(set(fallen["recording_id"].to_pylist()) - recordings)
        unit.num_rows[table] += len(fallen)
    candidates = read_unit_columns(layout, commit, "candidates", ["segment_id"])["segment_id"]
    unit.num_rows["candidates"] += pc.sum(_is_in(candidates, unit.segments)).as_py() or 0
    ids = read_unit_columns(layout, commit, "recordings", ["recording_id"])["recording_id"]
    unit.recordings.update(ids.filter(_is_in(ids, recordings)).to_pylist())
    unit.num_rows["recordings"] += len(unit.recordings)
    return unit


def _outcomes(layout: RunLayout, commit: UnitCommit) -> Iterator[pa.Table]:
    return (read_unit_columns(layout, commit, table, _COLUMNS) for table in OUTCOME_TABLES)


def _is_in(column: pa.ChunkedArray, values: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(values, pa.string()))

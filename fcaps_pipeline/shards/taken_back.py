"""What was taken back before, left out of Recordings and Segments on their way into a run.

Enters: tables of Recordings, as sources list them and plans store them, or a Segment with its Recording. Leaves: the
same without what stands in the tombstones of a run, and how much that was, never its names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.records.audio import Channel, Cut, Recording, Segment, SegmentAudio
from fcaps_pipeline.shards.recording_table import recordings_of, table_of
from fcaps_pipeline.shards.tombstones import Kind, Tombstones

WARNING = "taken_back"
"""Under which a Recording counts its Segments that were left out."""
_PLANNED: dict[Kind, str] = {
    "recording": "recording_id",
    "speaker": "speaker",
    "source": "source",
    "license": "license",
    "file": "sha256",
}
"""Kinds that the columns of a Recording tell."""
_OF_CUTS: tuple[Kind, ...] = ("speaker", "segment", "audio")
_TRIMMED = ("cuts", "num_cuts", "transcript")
"""Columns of a Recording that change with the Cuts it loses: the words of the whole hold theirs."""
_HEARD: tuple[Channel, ...] = (*range(16), "mix")
"""Channels that a Cut may be heard on whose source names none."""


@dataclass
class LeftOut:
    """Passes Recordings on, and counts what falls away."""

    tombstones: Tombstones | None
    num_recordings: int = 0
    num_segments: int = 0
    """Those that sources declare of Recordings that stay."""

    def pass_on(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The tables without what was taken back; a Recording all of whose declared Segments were, was too."""
        if self.tombstones is None:
            yield from tables
            return
        for table in tables:
            yield self._kept(table, self.tombstones)

    def line(self) -> str | None:
        """What was left out, in one line; None where nothing was."""
        parts = [
            f"{number} {noun}{'' if number == 1 else 's'}"
            for number, noun in ((self.num_recordings, "recording"), (self.num_segments, "declared segment"))
            if number
        ]
        return f"{' and '.join(parts)} of the source taken back before: left out" if parts else None

    def _kept(self, table: pa.Table, tombstones: Tombstones) -> pa.Table:
        falls = fallen_recordings(tombstones, table)
        trimmed: dict[int, Recording] = {}
        if any(map(tombstones.has, _OF_CUTS)):
            rows = np.flatnonzero(~falls & table["cuts"].is_valid().to_numpy())
            for row, recording in zip(rows, recordings_of(table.take(rows)), strict=True):
                cuts = recording.cuts or ()
                kept = tuple(cut for cut in cuts if not _cut_falls(tombstones, recording, cut))
                if len(kept) == len(cuts):
                    continue
                if kept:
                    self.num_segments += len(cuts) - len(kept)
                    trimmed[int(row)] = recording.model_copy(update={"cuts": kept, "transcript": None})
                falls[row] = not kept
        self.num_recordings += int(falls.sum())
        table = _with(table, trimmed) if trimmed else table
        return table.filter(pa.array(~falls)) if falls.any() else table


def fallen_recordings(tombstones: Tombstones, table: pa.Table) -> npt.NDArray[np.bool_]:
    """Of each row of a table of Recordings, whether what its columns tell was taken back."""
    falls = np.zeros(len(table), bool)
    for kind, name in _PLANNED.items():
        if tombstones.has(kind):
            falls |= tombstones.fallen(kind, table[name]).to_numpy()
    return falls


def is_taken_back(tombstones: Tombstones, audio: SegmentAudio) -> bool:
    """Whether a Segment, its samples, its speaker or its Recording were taken back."""
    recording, segment = audio.recording, audio.segment
    known: dict[Kind, str | None] = {
        "segment": segment.segment_id,
        "recording": recording.recording_id,
        "speaker": segment.speaker or recording.speaker,
        "source": recording.source,
        "license": recording.license,
        "file": recording.sha256,
    }
    if tombstones.finds(known) is not None:
        return True
    return tombstones.has("audio") and tombstones.find("audio", audio.samples_sha256) is not None


def _cut_falls(tombstones: Tombstones, recording: Recording, cut: Cut) -> bool:
    if tombstones.finds({"speaker": cut.speaker, "audio": cut.samples_sha256}) is not None:
        return True
    if not tombstones.has("segment"):
        return False
    channels = _HEARD if cut.channel is None else (cut.channel,)
    ids = (Segment.make_id(recording.recording_id, channel, cut.start_samples, cut.end_samples) for channel in channels)
    return any(tombstones.find("segment", one) is not None for one in ids)


def _with(table: pa.Table, changed: dict[int, Recording]) -> pa.Table:
    """The table with other Cuts in some rows."""
    now = table_of(list(changed.values()))
    for name in _TRIMMED:
        values = table[name].to_pylist()
        for row, value in zip(changed, now[name].to_pylist(), strict=True):
            values[row] = value
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table

"""One unit without what falls: a further attempt at it, with the rows that stay as they were.

A Segment that is taken back becomes neither Rejection nor Failure. Its Recording stays with one fewer, and counts it
under the warning `taken_back`; what was decoded and found of the Recording stays as it was told.
"""

from collections import Counter

from fcaps_pipeline.release.removal.falling import UnitFalling
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RecordingOutcome, RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_unit_columns, read_unit_rows
from fcaps_pipeline.shards.taken_back import WARNING
from fcaps_pipeline.shards.writer import UnitWriter

_CARRIED: tuple[Table, ...] = (*OUTCOME_TABLES, "candidates")


def rewrite_unit(
    layout: RunLayout, commit: UnitCommit, unit: UnitFalling, trimmed: set[str], row_group_bytes: int
) -> UnitCommit:
    """Commits a unit without what falls.

    Args:
        layout: of the run.
        commit: the attempt that counts.
        unit: what falls.
        trimmed: Recordings that lose declared Segments: their words as a whole go with those of the Segments.
        row_group_bytes: as the job says.

    Raises:
        OutputError: the run folder cannot be written.
    """
    lost = _num_lost(layout, commit, unit)
    outcomes = tuple(_outcome(one, lost) for one in _staying(layout, commit, unit))
    with UnitWriter(layout, commit.unit_index, row_group_bytes=row_group_bytes) as writer:
        for table in _CARRIED:
            for row in read_unit_rows(layout, commit, table):
                if row["segment_id"] in unit.segments or row.get("recording_id") in unit.recordings:
                    continue
                if row.get("recording_id") in trimmed:
                    row["recording_transcript"] = None
                writer.carry(table, row)
        return writer.commit(outcomes, sum(one.num_segments for one in outcomes), commit.duration_s)


def _staying(layout: RunLayout, commit: UnitCommit, unit: UnitFalling) -> list[RecordingOutcome]:
    return [one for one in read_outcomes(layout, commit) if one.recording_id not in unit.recordings]


def _num_lost(layout: RunLayout, commit: UnitCommit, unit: UnitFalling) -> Counter[str]:
    """Segments that fall, by Recording."""
    lost = Counter[str]()
    for table in OUTCOME_TABLES:
        rows = read_unit_columns(layout, commit, table, ["segment_id", "recording_id"])
        for segment_id, recording_id in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
            lost[recording_id] += segment_id in unit.segments
    return lost


def _outcome(one: RecordingOutcome, lost: Counter[str]) -> RecordingOutcome:
    if not (num_lost := lost[one.recording_id]):
        return one
    warnings = dict(Counter(one.warnings) + Counter({WARNING: num_lost}))
    return one.model_copy(update={"num_segments": one.num_segments - num_lost, "warnings": warnings})

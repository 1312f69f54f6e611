"""What became of each Recording of a unit: rows of `recordings`, and what a commit record sums of them.

Commit records hold sums alone, so that a run of many units is opened without a word about its millions of Recordings;
who needs to know of one reads the table of its unit.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fcaps_pipeline import __version__
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_unit_rows
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, Row

_SAME = frozenset(RecordingOutcome.model_fields) - {"sha256", "notes", "warnings"}
"""Fields whose columns have their names and values."""


def read_outcomes(layout: RunLayout, commit: UnitCommit) -> Iterator[RecordingOutcome]:
    """What became of the Recordings of a unit, in its order.

    Raises:
        CorruptRunError: the file is missing or damaged.
    """
    for row in read_unit_rows(layout, commit, "recordings"):
        yield RecordingOutcome(
            **{name: row[name] for name in _SAME},
            sha256=row["recording_sha256"],
            notes=tuple(row["notes"] or ()),
            warnings={one["name"]: one["count"] for one in row["warning_counts"] or ()},
        )


def outcome_row(outcome: RecordingOutcome) -> Row:
    """Row of `recordings`."""
    return {
        **outcome.model_dump(include=set(_SAME)),
        "recording_sha256": outcome.sha256,
        "notes": list(outcome.notes),
        "warning_counts": [{"name": name, "count": count} for name, count in outcome.warnings.items()],
        "schema_version": SCHEMA_VERSIONS["recordings"],
        "fcaps_version": __version__,
    }


def outcome_sums(outcomes: Sequence[RecordingOutcome]) -> dict[str, Any]:
    """What a commit record says of the Recordings of its unit."""
    by_outcome = Counter(one.outcome for one in outcomes)
    return {
        "num_recordings": len(outcomes),
        "num_recordings_no_speech": by_outcome["no_speech"],
        "num_recordings_too_short": by_outcome["too_short"],
        "num_recordings_too_long": by_outcome["too_long"],
        "audio_s": sum(one.duration_s for one in outcomes),
        "speech_s": sum(one.speech_s for one in outcomes),
        "num_discarded": sum(one.num_discarded for one in outcomes),
        "discarded_s": sum(one.discarded_s for one in outcomes),
        "warnings": dict(sum((Counter(one.warnings) for one in outcomes), Counter())),
    }

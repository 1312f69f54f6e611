"""What the commit records of a run come to, taken in one by one, so that memory does not grow with the run."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.shards.layout import ClaimCounts, Totals, UnitCommit

MAX_LISTED = 1000
"""Failures, and units without Segments, that are named one by one."""
_COUNTED = (
    "num_recordings",
    "num_recordings_no_speech",
    "num_recordings_too_short",
    "num_recordings_too_long",
    "num_segments",
    "num_annotations",
    "num_rejections",
    "num_segment_failures",
    "num_candidates",
    "num_discarded",
    "num_output_tokens",
)
"""Numbers with one name in commit records and totals."""
_TIMED = {
    "audio_hours": "audio_s",
    "speech_hours": "speech_s",
    "annotated_hours": "annotated_s",
    "discarded_hours": "discarded_s",
}


@dataclass
class CommitSums:
    """Sums over commit records, and the first of what is named."""

    num_units: int = 0
    rejection_reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    claims: dict[str, ClaimCounts] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    without_segments: list[UnitCommit] = field(default_factory=list)
    """Units with a Recording that has no Segment and did not fail."""
    _counts: Counter[str] = field(default_factory=Counter)
    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_TIMED.values(), 0.0))

    def add(self, commit: UnitCommit) -> None:
        """Takes in one record.

        Raises:
            AccountingError: the Segments of the unit are not what its outcomes add up to.
        """
        outcomes = commit.num_annotations + commit.num_rejections + commit.num_segment_failures
        if outcomes != commit.num_segments:
            raise AccountingError(
                f"unit {commit.unit_index}: {commit.num_segments} Segments, but {outcomes} outcomes; "
                "run annotate again with --repair to do the unit again, and report this defect"
            )
        self.num_units += 1
        self.rejection_reasons.update(commit.rejection_reasons)
        self.warnings.update(commit.warnings)
        for name, counts in commit.claims.items():
            self.claims[name] = self.claims.get(name, ClaimCounts()) + counts
        self.failures += commit.failure_messages[: MAX_LISTED - len(self.failures)]
        if len(self.without_segments) < MAX_LISTED and _num_without_segments(commit):
            self.without_segments.append(commit)
        self._counts.update({name: getattr(commit, name) for name in _COUNTED})
        self._counts["num_recordings_failed"] += commit.num_recording_failures
        for name in _TIMED.values():
            self._seconds[name] += getattr(commit, name)

    def totals(self) -> Totals:
        """The sums."""
        counts = {name: self._counts[name] for name in (*_COUNTED, "num_recordings_failed")}
        return Totals(**counts, **{hours: self._seconds[name] / 3600 for hours, name in _TIMED.items()})


def sum_up(commits: Iterable[UnitCommit]) -> CommitSums:
    """Sums over commit records.

    Raises:
        AccountingError: see `CommitSums.add`.
    """
    sums = CommitSums()
    for commit in commits:
        sums.add(commit)
    return sums


def total(commits: Iterable[UnitCommit]) -> Totals:
    """The totals alone.

    Raises:
        AccountingError: see `CommitSums.add`.
    """
    return sum_up(commits).totals()


def _num_without_segments(commit: UnitCommit) -> int:
    return commit.num_recordings_no_speech + commit.num_recordings_too_short + commit.num_recordings_too_long

"""What a release holds, in figures: read once from the light columns of its files, never from its audio.

Enters: the shards of a release. Leaves: `Statistics`, which the card, the pictures, `croissant.json` and the checks
share and which stands in the release as `statistics.json`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity, Profile
from fcaps_pipeline.release.columns import read_columns
from fcaps_pipeline.release.distributions import ColumnValues, DistinctIds, Spread, StepCounter, ValueCounter
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, SplitSums, Writer
from fcaps_pipeline.release.writers import WRITER_COLUMNS, WriterCounts

COUNTED = ("corpus", "license", "language", "speaker_gender", *Profile.model_fields)
"""Columns whose values are counted."""
MEASURED = {"duration_s": 0.1, "f0_median_hz": 1.0, "articulation_syllables_per_s": 0.05, "snr_db": 0.5}
"""Columns whose spread is told, and the steps that values are rounded to."""
FILLED = ("speaker", "transcript", "recording_transcript", "events", "recording_sha256", "tags")
"""Columns of which it is counted how many rows have something there."""
CAPTION_COLUMNS: dict[Granularity, str] = {
    Granularity.GLOBAL: "global_captions",
    Granularity.FINE: "fine_captions",
}
DURATION_BIN_S, PITCH_BIN_HZ, LENGTH_BIN = 1.0, 10.0, 25.0
_DATA_COLUMNS = (
    "recording_id",
    *COUNTED,
    *MEASURED,
    *FILLED,
    *CAPTION_COLUMNS.values(),
    "missing",
    "warnings",
)


class CaptionStatistics(Record):
    """The captions of one granularity."""

    num_captions: int
    characters: Spread | None
    words: Spread | None
    rows_by_number: dict[int, int]
    """How many rows have so many captions."""


class Answers(Record):
    """What the candidates of one granularity came to."""

    num_candidates: int
    num_kept: int
    dropped: dict[str, int]
    """How often each reason was given, commonest first; an answer may have several."""


class Statistics(Record):
    """Content of `statistics.json`."""

    format: Literal[1] = 1
    splits: dict[str, SplitSums]
    all: SplitSums
    values: dict[str, ColumnValues]
    """By column."""
    spreads: dict[str, Spread | None]
    """By column; None where no row was measured."""
    filled: dict[str, int]
    """By column, how many rows have something there."""
    captions: dict[Granularity, CaptionStatistics]
    answers: dict[Granularity, Answers]
    """Empty where the release has no candidates."""
    writers: tuple[Writer, ...]
    """Models alone, most captions first."""
    corrections: dict[str, int]
    """By person, how many captions are theirs; most first. Empty where the release has no candidates."""
    missing: dict[str, int]
    """By field that was asked for, how many rows did not get it."""
    warnings: dict[str, int]
    """By warning about the sound, how many rows it bears on."""
    durations: dict[str, dict[float, int]]
    """Rows of each split by the lower edge of a bin of a second."""
    pitch_by_gender: dict[str, dict[float, int]]
    """Rows of each gender of the profile by the lower edge of a bin of 10 Hz of their median F0."""
    caption_lengths: dict[Granularity, dict[float, int]]
    """Captions by the lower edge of a bin of 25 characters."""


def measure(layout: ReleaseLayout, record: ReleaseRecord) -> Statistics:
    """Reads the files of a release once.

    Args:
        layout: of the release.
        record: what `release.json` says, or will say.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    rows, answers = _RowSums(), _AnswerSums()
    for shard in record.shards:
        if shard.table == "data":
            rows.name_split(shard.split)
            for table in read_columns(layout, shard, _DATA_COLUMNS):
                rows.add(shard.split, table)
        else:
            for table in read_columns(layout, shard, (*WRITER_COLUMNS, "kept", "reasons")):
                answers.add(table)
    return rows.statistics(answers, record.writers)


class _SplitCounts:
    """Running sums over the rows of a split, or of all."""

    def __init__(self) -> None:
        self.recordings, self.speakers = DistinctIds(), DistinctIds()
        self.num_rows = 0
        self.duration_s = 0.0
        self.num_captions: Counter[Granularity] = Counter()

    def add(self, table: pa.Table) -> None:
        self.num_rows += len(table)
        self.duration_s += pc.sum(table["duration_s"]).as_py() or 0.0
        self.recordings.add(table["recording_id"])
        self.speakers.add(table["speaker"])
        for granularity, column in CAPTION_COLUMNS.items():
            self.num_captions[granularity] += pc.sum(pc.list_value_length(table[column])).as_py() or 0

    def sums(self) -> SplitSums:
        return SplitSums(
            num_rows=self.num_rows,
            num_recordings=self.recordings.count,
            num_speakers=self.speakers.count,
            duration_s=round(self.duration_s, 3),
            num_global_captions=self.num_captions[Granularity.GLOBAL],
            num_fine_captions=self.num_captions[Granularity.FINE],
        )


class _CaptionSums:
    """Running counts over the captions of one granularity."""

    def __init__(self) -> None:
        self.characters, self.words = StepCounter(1.0), StepCounter(1.0)
        self.rows_by_number: Counter[int] = Counter()

    def add(self, captions: pa.ChunkedArray) -> None:
        numbers = pc.fill_null(pc.list_value_length(captions), 0)
        self.rows_by_number.update(dict(_counted(numbers)))
        texts = pc.list_flatten(captions)
        self.characters.add(pc.utf8_length(texts))
        self.words.add(pc.list_value_length(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(texts))))

    def statistics(self) -> CaptionStatistics:
        spread = self.characters.spread()
        return CaptionStatistics(
            num_captions=0 if spread is None else spread.num,
            characters=spread,
            words=self.words.spread(),
            rows_by_number=dict(sorted(self.rows_by_number.items())),
        )


class _RowSums:
    """Running sums over rows of `data`."""

    def __init__(self) -> None:
        self._splits: defaultdict[str, _SplitCounts] = defaultdict(_SplitCounts)
        self._all = _SplitCounts()
        self._values = {name: ValueCounter() for name in COUNTED}
        self._spreads = {name: StepCounter(step) for name, step in MEASURED.items()}
        self._filled = dict.fromkeys(FILLED, 0)
        self._captions = {one: _CaptionSums() for one in CAPTION_COLUMNS}
        self._missing: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._durations: defaultdict[str, StepCounter] = defaultdict(_steps_of("duration_s"))
        self._pitch: defaultdict[str, StepCounter] = defaultdict(_steps_of("f0_median_hz"))

    def name_split(self, split: str) -> None:
        """Takes note of a split, which may have no rows."""
        self._splits[split]

    def add(self, split: str, table: pa.Table) -> None:
        for sums in (self._splits[split], self._all):
            sums.add(table)
        for name, values in self._values.items():
            values.add(split, table[name])
        for name, steps in self._spreads.items():
            steps.add(table[name])
        for name in self._filled:
            self._filled[name] += _num_filled(table[name])
        for granularity, captions in self._captions.items():
            captions.add(table[CAPTION_COLUMNS[granularity]])
        self._missing.update(dict(_names_by_row(table["missing"], "field")))
        self._warnings.update(dict(_names_by_row(table["warnings"], "name")))
        self._durations[split].add(table["duration_s"])
        for gender in pc.drop_null(pc.unique(table["gender"])).to_pylist():
            self._pitch[gender].add(table.filter(pc.equal(table["gender"], gender))["f0_median_hz"])

    def statistics(self, answers: "_AnswerSums", writers: tuple[Writer, ...]) -> Statistics:
        return Statistics(
            splits={name: sums.sums() for name, sums in self._splits.items()},
            all=self._all.sums(),
            values={name: values.values() for name, values in self._values.items()},
            spreads={name: steps.spread() for name, steps in self._spreads.items()},
            filled=self._filled,
            captions={one: captions.statistics() for one, captions in self._captions.items()},
            answers=answers.answers(),
            writers=(*answers.writers.models(), *writers),
            corrections=answers.writers.people(),
            missing=dict(_commonest(self._missing)),
            warnings=dict(_commonest(self._warnings)),
            durations={name: steps.histogram(DURATION_BIN_S) for name, steps in self._durations.items()},
            pitch_by_gender={name: steps.histogram(PITCH_BIN_HZ) for name, steps in sorted(self._pitch.items())},
            caption_lengths={one: sums.characters.histogram(LENGTH_BIN) for one, sums in self._captions.items()},
        )


class _AnswerSums:
    """Running sums over rows of `candidates`."""

    def __init__(self) -> None:
        self._num: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._dropped: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.writers = WriterCounts()

    def add(self, table: pa.Table) -> None:
        for granularity, count in _counted(table["granularity"]):
            self._num[granularity] += count
            reasons = table.filter(pc.equal(table["granularity"], granularity))["reasons"]
            self._dropped[granularity].update(dict(_counted(pc.list_flatten(reasons))))
        kept = table.filter(table["kept"])
        self._kept.update(dict(_counted(kept["granularity"])))
        self.writers.add(kept)

    def answers(self) -> dict[Granularity, Answers]:
        return {
            Granularity(name): Answers(
                num_candidates=self._num[name],
                num_kept=self._kept[name],
                dropped=dict(_commonest(self._dropped[name])),
            )
            for name in sorted(self._num)
        }


def _steps_of(column: str) -> Callable[[], StepCounter]:
    return lambda: StepCounter(MEASURED[column])


def _counted(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    return [(one["values"], one["counts"]) for one in pc.value_counts(column).to_pylist()]


def _commonest(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _num_filled(column: pa.ChunkedArray) -> int:
    """Rows with something in a column; an empty list is nothing, except of events, which somebody looked for."""
    if pa.types.is_list(column.type) and not pa.types.is_struct(column.type.value_type):
        return int(pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)
    return int(len(column) - column.null_count)


def _names_by_row(column: pa.ChunkedArray, field: str) -> list[tuple[Any, int]]:
    """In how many rows each name stands in a list of records, once or more."""
    parents = pc.list_parent_indices(column.combine_chunks())
    names = pc.struct_field(pc.list_flatten(column.combine_chunks()), field)
    pairs = pa.table({"row": parents, "name": names}).group_by(["row", "name"]).aggregate([])
    return _counted(pairs["name"])

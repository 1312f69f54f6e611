"""Writes finished runs of given rows with the real shard writer."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.records.annotations import Annotation, SegmentOutcome
from fcaps_pipeline.records.audio import Segment, SegmentAudio, seconds_to_samples
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, table_schema
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.shards.table_writer import writer_options
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented

Annotate = Callable[[SegmentAudio], Annotation]
MakeAudio = Callable[..., SegmentAudio]


@dataclass(frozen=True)
class Spoken:
    """One row to be."""

    recording: str
    speaker: str | None
    num_samples: int = 1600
    noise_seed: int | None = None
    """Rows with the same one have the same audio; None for audio of its own."""


@dataclass(frozen=True)
class RunWriter:
    """Builds runs in one folder from the outcomes that all tests share."""

    make_audio: MakeAudio
    annotate: Annotate

    def audio(self, spoken: Spoken, index: int) -> SegmentAudio:
        template = self.make_audio(index, spoken.num_samples)
        start = index * 1_000_000
        recording = template.recording.model_copy(
            update={"recording_id": spoken.recording, "source": f"{spoken.recording}.wav", "speaker": spoken.speaker}
        )
        segment = Segment(
            segment_id=Segment.make_id(spoken.recording, 0, start, start + spoken.num_samples),
            recording_id=spoken.recording,
            channel=0,
            start_samples=start,
            end_samples=start + spoken.num_samples,
        )
        return replace(template, recording=recording, segment=segment, pcm_T=noise(spoken, index))

    def write(
        self,
        root: Path,
        rows: Sequence[Spoken],
        *,
        unit_rows: int = 7,
        row_group_bytes: int = 10_000,
        change: Callable[[Annotation], SegmentOutcome] = lambda annotation: annotation,
    ) -> Path:
        """A finished run; each unit becomes one shard."""
        layout = RunLayout(root)
        starts = range(0, len(rows), unit_rows) if rows else [0]
        for unit_index, start in enumerate(starts):
            with UnitWriter(layout, unit_index, row_group_bytes=row_group_bytes) as writer:
                chosen = rows[start : start + unit_rows]
                for index, spoken in enumerate(chosen, start):
                    audio = self.audio(spoken, index)
                    writer.add(change(self.annotate(audio)), audio)
                writer.commit((segmented(len(chosen)),), len(chosen), 1.0)
        write_index(layout)
        return root


def noise(spoken: Spoken, index: int) -> npt.NDArray[np.int16]:
    """The samples of a row."""
    seed = index if spoken.noise_seed is None else spoken.noise_seed
    return np.random.default_rng([seed, len(spoken.recording)]).integers(-3000, 3000, spoken.num_samples, np.int16)


def corpus(num_rows: int, num_speakers: int = 5, seed: int = 0) -> list[Spoken]:
    """Rows of 0.05 to 2.5 s; each speaker has two Recordings."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(num_rows):
        speaker = int(rng.integers(num_speakers))
        rows.append(Spoken(f"r{speaker}-{index % 2}", f"s{speaker}", int(rng.integers(800, 40_000))))
    return rows


def data_shard(run: Path, unit_index: int) -> Path:
    """The rows of a unit that was done once."""
    (shard,) = (run / "data").glob(f"unit-{unit_index:05d}-1-*.parquet")
    return shard


def rewrite_shard(shard: Path, change: Callable[[pa.Table], pa.Table], row_group_rows: int) -> None:
    """Replaces a shard by a changed copy."""
    _write(change(pq.read_table(shard)), shard, row_group_rows)


def spoil_first_rows(run: Path, num_rows: int) -> None:
    """Claims another checksum for the audio of the first rows of a run."""
    for shard in sorted((run / "data").glob("*.parquet")):
        table = pq.read_table(shard)
        sums = table["audio_sha256"].to_pylist()
        spoilt = [hashlib.sha256(one.encode()).hexdigest() for one in sums[:num_rows]]
        place = table.schema.get_field_index("audio_sha256")
        column = pa.array(spoilt + sums[len(spoilt) :])
        _write(table.set_column(place, table.schema.field(place), column), shard, 20)
        num_rows -= len(spoilt)


def _write(table: pa.Table, shard: Path, row_group_rows: int) -> None:
    """As shards are written: sound plain and uncompressed."""
    pq.write_table(table, shard, row_group_size=row_group_rows, **writer_options(table.schema))


def with_events(events: Sequence[list[dict[str, Any]] | None]) -> Callable[[pa.Table], pa.Table]:
    """Fills the column of timed events, given in seconds."""
    kind = table_schema("data").field("events")
    stored = [None if one is None else [_in_samples(event) for event in one] for one in events]

    def change(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index("events"), kind, pa.array(stored, kind.type))

    return change


def _in_samples(event: dict[str, Any]) -> dict[str, Any]:
    start, end = (seconds_to_samples(event[name]) for name in ("start_s", "end_s"))
    return {"phrase": event["phrase"], "start_samples": start, "end_samples": end, "source": "test"}


def write_index(layout: RunLayout) -> None:
    """Writes the index of a run anew."""
    layout.index.on_disk().write_text(_index(list(read_commits(layout))).model_dump_json())


def _index(commits: list[UnitCommit]) -> DatasetIndex:
    return DatasetIndex(
        schema_versions=SCHEMA_VERSIONS,
        fcaps_version="0.1.0",
        job_sha256="0" * 64,
        plan_sha256="1" * 64,
        totals=total(commits),
        shards=tuple(file for commit in commits for file in commit.files),
    )

"""What a corpus of ten million recordings costs: planning it, opening, watching and finishing its run, finding a card.

Enters: a folder and numbers of recordings, units and rows. Leaves: seconds and peak memory of each part, each done in a
process of its own. The manifest tells lengths, none of its files exists; the units of the run are committed with rows
that hold ids only, so that nothing but their number counts. Verifying is measured on smaller runs with sound in them.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.run.annotate import annotate
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.drift import drift_line
from fcaps_pipeline.annotate.run.inspection import find, overview
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity
from fcaps_pipeline.lab.bench.alone import alone, peak_bytes
from fcaps_pipeline.records.audio import Recording, Segment
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.commits import commit_text
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import TABLES, RecordingOutcome, RunLayout, ShardFile, Table, UnitCommit
from fcaps_pipeline.shards.plan import load, load_units
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.rows import segment_columns, versions
from fcaps_pipeline.shards.run_folder import opened
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.shards.writer import UnitWriter

_NUM_CARDS = 20
_VERIFIED_ROWS = 200
"""Of each unit."""
_AUDIO_BYTES = 30_000
_LINES_AT_ONCE = 50_000
_COMMAND = "from fcaps_pipeline.cli.main import main; main()"


class Size(Record):
    """How large the corpus is."""

    num_recordings: int
    num_units: int
    num_rows: int

    @property
    def unit_recordings(self) -> int:
        """Recordings of a unit."""
        return max(1, self.num_recordings // self.num_units)

    @property
    def unit_rows(self) -> int:
        """Rows of a unit."""
        return max(1, self.num_rows // self.num_units)


class Part(Record):
    """One thing that was measured."""

    name: str
    seconds: float
    peak_bytes: int | None
    """Of its process; None for a command, which is timed from outside."""


def bench_plan(folder: Path, size: Size) -> list[Part]:
    """Measures everything; at the default size the folder needs some 5 GB."""
    manifest, run = folder / "manifest.jsonl", folder / "run"
    columns = folder / "manifest.parquet"
    _write_manifest(manifest, size)
    alone(partial(_write_columns, manifest, columns))
    parts = [
        _part("plan from JSONL", partial(_plan, manifest, run, size)),
        _part("plan from Parquet", partial(_plan, columns, folder / "run-parquet", size)),
        _part("plan again, manifest unchanged", partial(_plan, manifest, run, size)),
        _part("read all units back", partial(_read_units, run)),
    ]
    assert load(RunLayout(run)).sha256 == load(RunLayout(folder / "run-parquet")).sha256
    alone(partial(_commit_units, run, size))
    job = _job(manifest, size)
    parts += [
        _part("status", partial(_status, run)),
        _part("start and finish, all units committed", partial(_annotate, job, run)),
        _part("start, run finished", partial(_annotate, job, run)),
        _part(f"show, {_NUM_CARDS} cards by chance", partial(_show, run, size)),
        _command("fcaps show RUN ID", "show", str(run), _segment_id(size, size.num_units // 2, 0), "--json"),
    ]
    for num_units in (1 + size.num_units // 5000, 1 + size.num_units // 500):
        layout = RunLayout(folder / f"verified-{num_units}")
        alone(partial(_write_sound, layout.root.on_disk(), num_units))
        num_bytes = sum(file.num_bytes for commit in read_commits(layout) for file in commit.files)
        parts.append(_part(f"verify, {num_bytes / 1e6:.0f} MB", partial(_verify, layout.root.on_disk())))
    return parts


def _part(name: str, work: Callable[[], None]) -> Part:
    seconds, peak = alone(partial(_timed, work))
    return Part(name=name, seconds=seconds, peak_bytes=peak)


def _timed(work: Callable[[], None]) -> tuple[float, int]:
    begun_s = time.monotonic()
    work()
    return time.monotonic() - begun_s, peak_bytes()


def _command(name: str, *arguments: str) -> Part:
    begun_s = time.monotonic()
    subprocess.run([sys.executable, "-c", _COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
    return Part(name=name, seconds=time.monotonic() - begun_s, peak_bytes=None)


def _recording_id(number: int) -> str:
    return f"speaker{number % 9973:04d}-utt_{number:08d}"


def _segment_id(size: Size, unit_index: int, row: int) -> str:
    number = unit_index * size.unit_recordings + row * size.unit_recordings // size.unit_rows
    return Segment.make_id(_recording_id(number), 0, 16_000 * row, 16_000 * (row + 1))


def _write_manifest(path: Path, size: Size) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, size.num_recordings, _LINES_AT_ONCE):
            numbers = range(start, min(start + _LINES_AT_ONCE, size.num_recordings))
            file.writelines(
                f'{{"path": "part{number % 97:02d}/utt_{number:08d}.flac", "id": "{_recording_id(number)}", '
                f'"duration_s": {3 + number % 1700 / 100:.2f}, "transcript": "good day to all of you and welcome", '
                f'"speaker": "speaker{number % 9973:04d}", "language": "en"}}\n'
                for number in numbers
            )


def _write_columns(manifest: Path, path: Path) -> None:
    """The same manifest as Parquet."""
    with pj.open_json(manifest) as lines, pq.ParquetWriter(path, lines.schema) as writer:
        for batch in lines:
            writer.write_batch(batch)


def _job(manifest: Path, size: Size) -> Job:
    return Job.model_validate(
        {
            "source": {"kind": "manifest", "path": str(manifest)},
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
            "shards": {"unit_hours": 1e6, "unit_recordings": size.unit_recordings},
        }
    )


def _plan(manifest: Path, run: Path, size: Size) -> None:
    job = _job(manifest, size)
    with opened(run, job_identity(job)) as layout:
        plan = load_or_make(layout, job)
        assert drift_line(layout, job, plan) is None
    assert plan.num_recordings == size.num_recordings


def _read_units(run: Path) -> None:
    layout = RunLayout(run)
    assert sum(len(unit.recordings) for unit in load_units(layout)) == load(layout).num_recordings


def _commit_units(run: Path, size: Size) -> None:
    """Writes what a run leaves; not durably, which is no part of what is measured."""
    layout = RunLayout(run)
    plan = load(layout)
    for table in TABLES:
        _shard(layout, table, 0).parent.mkdir()
    layout.commits.on_disk().mkdir()
    empty = pa.BufferOutputStream()
    pq.write_table(pa.table({"segment_id": pa.array([], pa.string())}), empty)
    content = empty.getvalue().to_pybytes()
    for unit_index in range(plan.num_units):
        ids = [_segment_id(size, unit_index, row) for row in range(size.unit_rows)]
        pq.write_table(pa.table({"segment_id": ids, "recording_id": ids}), _shard(layout, "data", unit_index))
        for table in TABLES[1:]:
            _shard(layout, table, unit_index).write_bytes(content)
        num_recordings = min(size.unit_recordings, size.num_recordings - unit_index * size.unit_recordings)
        commit = _commit(layout, unit_index, num_recordings, len(ids))
        layout.commit(unit_index).on_disk().write_text(commit_text(commit), encoding="utf-8")


def _shard(layout: RunLayout, table: Table, unit_index: int) -> Path:
    return layout.root.on_disk() / layout.shard_name(table, unit_index, 1, _sha256(unit_index))


def _sha256(unit_index: int) -> str:
    return f"{unit_index:064x}"


def _commit(layout: RunLayout, unit_index: int, num_recordings: int, num_rows: int) -> UnitCommit:
    paths = [_shard(layout, table, unit_index) for table in TABLES]
    files = [
        ShardFile(
            table=table,
            path=f"{table}/{path.name}",
            num_rows=num_rows,
            num_bytes=path.stat().st_size,
            sha256=_sha256(unit_index),
        )
        for table, path in zip(TABLES, paths, strict=True)
    ]
    counts = {name: 0 for name, field in UnitCommit.model_fields.items() if field.annotation in {int, float}}
    counts |= {"unit_index": unit_index, "attempt": 1, "num_recordings": num_recordings, "num_annotations": num_rows}
    others = {"fcaps_version": __version__, "warnings": {}, "rejection_reasons": {}, "failure_messages": ()}
    return UnitCommit.model_validate({**counts, "num_segments": num_rows, **others, "files": tuple(files)})


def _status(run: Path) -> None:
    seen = overview(RunLayout(run)).progress
    assert seen is not None
    assert seen.num_units_done == seen.plan.num_units


def _annotate(job: Job, run: Path) -> None:
    assert annotate(job, run, RunCallback()).num_units_done == load(RunLayout(run)).num_units


def _show(run: Path, size: Size) -> None:
    rng = np.random.default_rng(0)
    layout, num_units = RunLayout(run), load(RunLayout(run)).num_units
    for _ in range(_NUM_CARDS):
        name = _segment_id(size, int(rng.integers(num_units)), int(rng.integers(size.unit_rows)))
        assert find(layout, name)["segment_id"] == name


def _write_sound(run: Path, num_units: int) -> None:
    layout, rng = RunLayout(run), np.random.default_rng(0)
    for unit_index in range(num_units):
        name = f"utt_{unit_index:04d}"
        recording = Recording(recording_id=name, location=f"/{name}.flac", source=f"{name}.flac")
        with UnitWriter(layout, unit_index, row_group_bytes=64_000_000) as writer:
            for row in range(_VERIFIED_ROWS):
                start, end = 16_000 * row, 16_000 * (row + 1)
                segment = Segment(
                    segment_id=Segment.make_id(name, 0, start, end),
                    recording_id=name,
                    channel=0,
                    start_samples=start,
                    end_samples=end,
                )
                audio = {"bytes": rng.bytes(_AUDIO_BYTES), "path": f"{row}.flac"}
                told = {"segment_id": segment.segment_id, "audio": audio, "audio_sha256": "0" * 64, "captions": []}
                writer.add_annotated({**told, **segment_columns(segment, recording), **versions("data")})
            writer.commit((_outcome(name),), _VERIFIED_ROWS, 1.0)
    commits = list(read_commits(layout))
    lines = (line for commit in commits for line in index_lines(commit))
    write_index(layout, total(commits), lines, job_sha256="0" * 64, plan_sha256="0" * 64)


def _outcome(name: str) -> RecordingOutcome:
    return RecordingOutcome(
        recording_id=name,
        source=f"{name}.flac",
        outcome="segmented",
        num_segments=_VERIFIED_ROWS,
        duration_s=float(_VERIFIED_ROWS),
        speech_s=float(_VERIFIED_ROWS),
        num_discarded=0,
        discarded_s=0.0,
        num_forced_cuts=0,
    )


def _verify(run: Path) -> None:
    assert sum(1 for _ in verify(RunLayout(run)))

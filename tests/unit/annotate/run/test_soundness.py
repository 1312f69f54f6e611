"""What a run wrote is found changed or lost, named, and done again."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.annotate.run.soundness import (
    damaged_units,
    drop_orphans,
    keep_verified,
    last_verified,
    strays,
    verify,
)
from fcaps_pipeline.annotate.run.unit_soundness import side_by_side
from fcaps_pipeline.errors import AccountingError, CorruptRunError
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.commits import read_commit, write_commit
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.lease import held
from tests.conftest import Typed
from tests.hub_server import contents, entered, hub_server
from tests.outcomes import segmented
from tests.unit.learn.training.written_runs import RunWriter, corpus, write_index

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]


@pytest.fixture
def run(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> RunLayout:
    """Two units of three rows."""
    return RunLayout(RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(6), unit_rows=3))


def test_a_sound_run_says_so_until_it_changes(run: RunLayout) -> None:
    assert len(list(verify(run))) == 6
    assert last_verified(run) is None
    keep_verified(run)
    assert last_verified(run) is not None
    index = json.loads(run.index.read_text())
    run.index.on_disk().write_text(json.dumps({**index, "fcaps_version": "other"}))
    assert last_verified(run) is None


def test_a_run_on_the_hub_is_verified_where_it_lies(
    run: RunLayout, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_server() as hub, entered(hub, monkeypatch):
        files = {**contents(run.root.on_disk()), "job.json": b"{}"}
        repository = hub.repository(files)
        code, out, err = typed("verify", repository.uri)
        assert (code, "6 files with" in out, "the result is not kept: hf://" in err) == (0, True, True)
        name = next(name for name in files if name.startswith("data/"))
        repository.commit({**files, name: b"!" + files[name][1:]})
        code, _, err = typed("verify", f"{repository.uri}@{repository.names['main']}")
        assert (code, f"{name}" in err.replace("\n", "")) == (1, True)


@pytest.mark.parametrize("table", ["data", "candidates", "recordings"])
@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"!" + path.read_bytes()[1:])]
)
def test_only_the_unit_whose_file_changed_is_damaged(
    run: RunLayout, table: str, damage: Callable[[Path], object]
) -> None:
    damage(next((run.root / table).on_disk().glob("unit-00001-1-*.parquet")))
    found = damaged_units(run)
    assert list(found) == [1]
    assert f"{table}/unit-00001-1-" in found[1]
    assert [commit.unit_index for commit in read_commits(run, without=found.keys())] == [0]
    with pytest.raises(CorruptRunError, match="--repair"):
        list(verify(run))


def test_a_unit_whose_record_is_damaged_is_done_again_beside_it(
    run: RunLayout, make_audio: MakeAudio, annotate: Annotate
) -> None:
    run.commit(1).on_disk().write_text("{}")
    assert list(damaged_units(run)) == [1]
    with UnitWriter(run, 1, row_group_bytes=1000) as writer:
        writer.add(annotate(make_audio()), make_audio())
        commit = writer.commit((segmented(1),), 1, 1.0)
    assert commit.attempt == 2
    assert damaged_units(run) == {}


def test_what_a_later_attempt_replaced_goes_and_what_nobody_wrote_is_named(
    run: RunLayout, make_audio: MakeAudio, annotate: Annotate
) -> None:
    with UnitWriter(run, 1, row_group_bytes=1000) as writer:
        writer.add(annotate(make_audio()), make_audio())
        writer.commit((segmented(1),), 1, 1.0)
    (run.root / "data" / "copy of unit.parquet").on_disk().write_text("?")
    assert strays(run) == ["data/copy of unit.parquet"]
    drop_orphans(run, {file.path for commit in read_commits(run) for file in commit.files})
    assert sorted(
        path.name.removesuffix(".parquet").rpartition("-")[0] or path.name
        for path in (run.root / "data").on_disk().iterdir()
    ) == [
        "copy of unit.parquet",
        "unit-00000-1",
        "unit-00001-2",
    ]


def test_a_record_that_sums_its_recordings_up_wrongly_is_a_defect(run: RunLayout) -> None:
    last = list(read_commits(run))[-1]
    write_commit(run, last.model_copy(update={"attempt": 2, "speech_s": last.speech_s + 1.0}))
    write_index(run)
    with pytest.raises(AccountingError, match=r"unit 1: speech_s is 41\.0 in its record and 40\.0 in its table"):
        list(verify(run))


def test_a_segment_in_two_units_is_a_defect(run: RunLayout, make_audio: MakeAudio, annotate: Annotate) -> None:
    for unit_index in (0, 1):
        with UnitWriter(run, unit_index, row_group_bytes=1000) as writer:
            writer.add(annotate(make_audio()), make_audio())
            writer.commit((segmented(1),), 1, 1.0)
    write_index(run)
    with pytest.raises(AccountingError, match="stands 2 times"):
        list(verify(run))


@pytest.mark.parametrize(
    ("table", "change", "expected"),
    [
        (
            "candidates",
            lambda rows: rows.set_column(0, rows.schema.field(0), pa.array(["nobody"] * len(rows))),
            r"candidate \S+ of Segment nobody stands twice",
        ),
        (
            "candidates",
            lambda rows: rows.slice(0, 1).set_column(0, rows.schema.field(0), pa.array(["nobody"])),
            r"candidate \S+ is of Segment nobody, which is in no table",
        ),
        ("candidates", lambda rows: rows.slice(1), r"caption \S+ of Segment r\S+ is no candidate"),
        ("data", lambda rows: rows.slice(1), "3 Segments recorded, 2 found in the tables"),
        ("recordings", lambda rows: rows.slice(1), "num_recordings is 1 in its record and 0 in its table"),
    ],
)
def test_tables_that_contradict_each_other_are_a_defect(
    run: RunLayout, table: str, change: Callable[[pa.Table], pa.Table], expected: str
) -> None:
    commit = read_commit(run.commit(1))
    path = (run.root / next(one.path for one in commit.files if one.table == table)).on_disk()
    rows = change(pq.read_table(path))
    pq.write_table(rows, path)
    told = {
        "num_rows": len(rows),
        "num_bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    run.commit(1).delete()
    files = tuple(one.model_copy(update=told if one.table == table else {}) for one in commit.files)
    write_commit(run, commit.model_copy(update={"files": files}))
    write_index(run)
    with pytest.raises(AccountingError, match=f"unit 1: {expected}"):
        list(verify(run))


def test_orphans_are_removed_when_asked_for_and_nobody_works_in_the_run(run: RunLayout, typed: Typed) -> None:
    run.job.put("{}")
    orphan = run.root / run.shard_name("data", 1, 1, "0" * 64)
    orphan.put(b"left by a writer that was killed")
    root = run.root.on_disk()
    assert f"stray: data/{orphan.name} belongs to no unit" in typed("verify", root)[2]
    with held(run.root, "annotating into"):
        code, _, messages = typed("verify", root, "--orphans")
        assert (code, "another process is working in" in " ".join(messages.split())) == (2, True)
    assert orphan.exists(), "it may be on its way to its commit"
    code, said, messages = typed("verify", root, "--orphans")
    assert (code, f"removed: data/{orphan.name}" in messages) == (0, True)
    assert "6 files with" in said
    assert strays(run) == []


def test_checks_run_side_by_side_in_order_and_an_error_comes_through() -> None:
    def check(number: int) -> int:
        if number == 70:
            raise CorruptRunError("unit 70")
        return number

    assert list(side_by_side(check, range(60))) == list(range(60))
    found = side_by_side(check, range(100))
    assert [next(found) for _ in range(70)] == list(range(70))
    with pytest.raises(CorruptRunError, match="unit 70"):
        next(found)

"""What people corrected stands in the release, and who corrected it stands beside it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.release import Listener, build_release
from fcaps_pipeline.release.overrides import Override, read_overrides, write_overrides
from fcaps_pipeline.storage.path import store_path
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken
from tests.unit.release.test_build import recipe, rows_of

OLD = "A man begins softly and grows louder."
WHOLE = "A man with a low voice speaks softly at a measured pace."


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def run(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> Path:
    return RunWriter(make_audio, annotate).write(tmp_path / "run", [Spoken("a", "s1"), Spoken("b", "s2")])


def override(row: dict[str, Any], **changed: str) -> Override:
    return Override.model_validate(
        {
            "segment_id": row["segment_id"],
            "granularity": "fine",
            "old_text": OLD,
            "new_text": "A man starts softly, then shouts.",
            "author": "ann",
            "reason": "he shouts",
            "time": "2026-11-30T12:00:00Z",
            **changed,
        }
    )


def with_table(tmp_path: Path, *overrides: Override) -> str:
    write_overrides(store_path(tmp_path / "fixes.csv"), overrides)
    return str(tmp_path / "fixes.csv")


def test_a_corrected_caption_is_in_the_row_and_its_author_among_the_candidates(run: Path, tmp_path: Path) -> None:
    first, second = rows_of(run)
    one = override(first)
    build_release(recipe(run, overrides=with_table(tmp_path, one)), tmp_path / "out")
    rows = {row["segment_id"]: row for row in rows_of(tmp_path / "out")}
    corrected = rows[first["segment_id"]]
    assert corrected["fine_captions"] == [one.new_text]
    assert corrected["global_captions"] == [WHOLE]
    assert {"granularity": "fine", "text": one.new_text, "candidate_id": one.candidate_id} in corrected["captions"]
    assert rows[second["segment_id"]]["fine_captions"] == [OLD]
    answers = {
        row["candidate_id"]: row
        for row in rows_of(tmp_path / "out", "candidates")
        if row["segment_id"] == first["segment_id"]
    }
    new = answers.pop(one.candidate_id)
    assert (new["engine"], new["model"], new["kept"], new["text"]) == ("human", "ann", True, one.new_text)
    assert json.loads(new["trajectory"])["reason"] == "he shouts"
    (old,) = [row for row in answers.values() if row["text"] == OLD]
    assert (old["kept"], old["reasons"]) == (False, ["override"])
    assert old["details"] == ["ann, 2026-11-30T12:00:00Z: he shouts"]
    assert {row["text"]: row["kept"] for row in answers.values()} == {
        OLD: False,
        WHOLE: True,
        "No noise is heard.": False,
    }


def test_corrections_follow_each_other_and_a_row_without_captions_is_left_out(run: Path, tmp_path: Path) -> None:
    first, second = rows_of(run)
    again = override(first, old_text="A man starts softly, then shouts.", new_text="He shouts in the end.")
    gone = [
        override(second, new_text=""),
        override(second, granularity="global", old_text=WHOLE, new_text=""),
    ]
    table = with_table(tmp_path, override(first), again, *gone)
    record = build_release(recipe(run, overrides=table), tmp_path / "out").record
    (row,) = rows_of(tmp_path / "out")
    assert row["fine_captions"] == ["He shouts in the end."]
    human = [one for one in rows_of(tmp_path / "out", "candidates") if one["engine"] == "human"]
    assert [(one["text"], one["kept"]) for one in human] == [
        ("A man starts softly, then shouts.", False),
        ("He shouts in the end.", True),
    ]
    assert record.num_excluded == {"override": 1}


def test_a_correction_of_what_is_not_there_is_refused_and_one_of_an_absent_segment_named(
    run: Path, tmp_path: Path
) -> None:
    first, _ = rows_of(run)
    with pytest.raises(UsageError, match=r"fixes\.csv: Segment a-.* has no caption 'Nothing'"):
        build_release(recipe(run, overrides=with_table(tmp_path, override(first, old_text="Nothing"))), tmp_path / "no")
    said: list[str] = []
    table = with_table(tmp_path, override(first, segment_id="elsewhere"))
    build_release(recipe(run, overrides=table), tmp_path / "out", Listener(on_remark=said.append))
    assert any("does not have: elsewhere" in line for line in said)


def test_tables_of_three_kinds_say_the_same(run: Path, tmp_path: Path) -> None:
    first, second = rows_of(run)
    overrides = (override(first, new_text='He says "no",\nthen shouts.'), override(second, new_text=""))
    csv, lines, parquet = (store_path(tmp_path / f"fixes.{kind}") for kind in ("csv", "jsonl", "parquet"))
    write_overrides(csv, overrides)
    lines.put("\n".join(one.model_dump_json() for one in overrides) + "\n")
    pq.write_table(pa.Table.from_pylist([one.model_dump() for one in overrides]), tmp_path / "fixes.parquet")
    assert read_overrides(csv) == read_overrides(lines) == read_overrides(parquet) == overrides


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("fixes.csv", "segment_id,granularity\na,fine\n", "row 1: old_text: Field required"),
        ("fixes.csv", "segment_id,mood\na,fine\n", "row 1: .*a correction has segment_id, granularity"),
        ("fixes.jsonl", "{]\n", r"fixes\.jsonl:1: not JSON"),
        ("fixes.jsonl", "[]\n", "expected an object"),
        ("fixes.xlsx", "", r"expected a name that ends in \.csv, \.jsonl or \.parquet"),
    ],
)
def test_what_is_no_table_of_corrections_is_told_in_one_line(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=said):
        read_overrides(store_path(tmp_path / name))

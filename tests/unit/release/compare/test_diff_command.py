"""`fcaps release diff`: what it prints and writes, its exit codes, and bad input in one line each."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.release.compare.differences import Differences
from fcaps_pipeline.release.layout import Removal
from fcaps_pipeline.shards.tombstones import Tombstone, no_tombstones, write_tombstones
from fcaps_pipeline.storage.path import store_path
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import RunWriter, Spoken, corpus
from tests.unit.release.compare.small_pairs import ALSO_LOW, HIGH, LOW, row, written

EVIL = "A man <script>alert(1)</script> | `speaks` in a \x1b[31mlow-pitched\u202e voice."


class Tags(HTMLParser):
    """What a page is made of, and what it asks a browser to load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [name for name, _ in attrs if name in {"src", "href", "srcset", "action", "style"}]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two releases with a row of most classes."""
    rows = [row("claims", LOW), row("reworded", LOW), row("evil", EVIL), row("gone", LOW), row("same", LOW)]
    newer = [row("claims", HIGH), row("reworded", ALSO_LOW), row("evil", HIGH), row("same", LOW), row("new", LOW)]
    written(tmp_path / "a", rows)
    written(tmp_path / "b", newer, "1.0.1")
    return tmp_path / "a", tmp_path / "b"


def test_both_texts_stand_in_the_page_with_changed_words_marked_and_nothing_of_strangers_is_markup(
    typed: Typed, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    files = tmp_path / "page.html", tmp_path / "page.md"
    code, out, _ = typed("release", "diff", *pair, "--page", files[0], "--markdown", files[1])
    assert code == 3
    assert "rows that vanished without a reason: 1" in out
    assert (
        "a MAJOR change, version 2.0.0 or higher: 1 row removed, 2 rows of which captions state something else" in out
    )
    assert "\x1b" not in out
    page, markdown = (file.read_text() for file in files)
    assert "speaks in a <del>low-pitched</del> voice." in page
    assert "speaks in a <ins>high-pitched</ins> voice." in page
    assert "gone: pitch low (fine)" in page
    found = Tags(page)
    assert "script" not in found.tags
    assert {"del", "ins", "table"} <= found.tags
    assert found.loaded == []
    assert "&lt;script&gt;" in page
    for text in (page, markdown):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "removed" in text
    assert "| claims | 2 |" in markdown


def test_the_record_is_printed_as_json_alone(typed: Typed, pair: tuple[Path, Path]) -> None:
    code, out, _ = typed("release", "diff", *pair, "--json")
    found = Differences.model_validate(json.loads(out))
    assert code == 3
    assert (found.counts["added"], found.counts["reworded"], found.counts["same"]) == (1, 1, 1)
    assert found.removed == {"no reason": 1}
    assert found.needed.lowest == "2.0.0"
    (example,) = [one for one in found.examples if one.change == "reworded"]
    assert (example.captions_a, example.captions_b) == ((LOW,), (ALSO_LOW,))


def test_what_is_on_file_is_a_reason(typed: Typed, tmp_path: Path) -> None:
    a = written(tmp_path / "a", [row("kept", LOW), row("x", LOW, speaker="anna"), row("y", LOW), row("z", LOW)])
    b = written(tmp_path / "b", [row("kept", LOW)])
    assert a.root != b.root
    excluded = pq.read_table(tmp_path / "b" / "excluded" / "00000.parquet")
    ids = {"x-0-0-1": "y", "y-0-0-1": "z"}
    content = excluded.set_column(
        0, excluded.schema.field(0), [[ids[one] for one in excluded["segment_id"].to_pylist()]]
    )
    record = json.loads((tmp_path / "b" / "release.json").read_text())
    pq.write_table(content, tmp_path / "b" / "excluded" / "00000.parquet")
    record["files"] = [{"path": "excluded/00000.parquet", "num_bytes": 1, "sha256": ""}]
    (tmp_path / "b" / "release.json").write_text(json.dumps(record))
    graves = no_tombstones()
    stone = Tombstone(what="speaker", digest=graves.digest("speaker", "anna"), reason="she asked")
    write_tombstones(store_path(tmp_path / "b" / "tombstones.json"), graves.having([stone], is_unfinished=False))
    code, out, _ = typed("release", "diff", tmp_path / "a", tmp_path / "b", "--json")
    found = Differences.model_validate(json.loads(out))
    assert found.removed == {"license": 1, "rejected": 1, "taken back": 1}
    assert code == 0
    whys = {one.segment_id: one.what for one in found.examples}
    assert whys["x"] == ("taken back: speaker: she asked",)
    assert whys["y"] == ("license: all rights reserved",)
    code, out, _ = typed("release", "diff", tmp_path / "b", tmp_path / "a", "--json")
    assert code == 0
    assert Differences.model_validate(json.loads(out)).added == {"license": 1, "rejected": 1, "taken back": 1}


def test_runs_are_compared_with_runs_and_with_releases(typed: Typed, run_writer: RunWriter, tmp_path: Path) -> None:
    spoken = [*corpus(8), Spoken("other", None)]
    run_writer.write(tmp_path / "a", spoken)
    run_writer.write(tmp_path / "b", spoken[:-1], unit_rows=3)
    code, out, _ = typed("release", "diff", tmp_path / "a", tmp_path / "b", "--json")
    found = Differences.model_validate(json.loads(out))
    assert code == 3
    assert (found.counts["same"], found.counts["removed"]) == (8, 1)
    assert found.needed.lowest is None
    assert [one.split for one in found.splits] == [None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "b/nothing", "is neither a run nor a release"),
        (lambda _: "a", "are both"),
        (
            lambda root: (root / "b" / "job.json").write_text("{}") and (root / "b" / "release.json").unlink(),
            "not finished",
        ),
        (lambda root: _record(root, schema_versions={"data": 1}), "has schema version 1 of data"),
        (lambda root: (root / "b" / "data" / "train-00000.parquet").write_bytes(b"PAR1"), "cannot be read"),
        (lambda root: (root / "b" / "data" / "train-00000.parquet").unlink(), "train-00000.parquet"),
    ],
)
def test_bad_input_is_one_line(
    typed: Typed, pair: tuple[Path, Path], tmp_path: Path, change: object, message: str
) -> None:
    assert callable(change)
    given = change(tmp_path)
    code, out, messages = typed("release", "diff", pair[0], tmp_path / given if isinstance(given, str) else pair[1])
    assert code in (1, 2)
    assert out == ""
    (line,) = [one for one in messages.splitlines() if one.startswith("error: ")]
    assert message in messages.replace("\n", " ")
    assert "internal error" not in line


def test_a_segment_with_two_rows_is_told(typed: Typed, tmp_path: Path) -> None:
    written(tmp_path / "a", [row("one", LOW)])
    written(tmp_path / "b", [row("one", LOW), row("one", HIGH)])
    code, _, messages = typed("release", "diff", tmp_path / "a", tmp_path / "b")
    assert code == 1
    assert "the Segment one has two rows, expected one" in messages


def test_where_tombstones_are_not_at_hand_it_is_said(typed: Typed, tmp_path: Path) -> None:
    written(tmp_path / "a", [row("one", LOW), row("two", LOW)])
    removal = Removal(version="2.0.0", what="speaker", num_rows=1, reason="asked")
    written(tmp_path / "b", [row("one", LOW)], "2.0.0", removals=(removal,))
    code, out, _ = typed("release", "diff", tmp_path / "a", tmp_path / "b")
    assert code == 3
    assert "1 rows were taken back from B and the versions before it" in out


def test_other_names_are_allowed_and_said(typed: Typed, tmp_path: Path) -> None:
    written(tmp_path / "a", [row("one", LOW)])
    written(tmp_path / "b", [row("one", LOW)], name="other")
    code, out, _ = typed("release", "diff", tmp_path / "a", tmp_path / "b")
    assert code == 0
    assert "these are different datasets: tales and other" in out


def _record(root: Path, **changes: object) -> None:
    path = root / "b" / "release.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

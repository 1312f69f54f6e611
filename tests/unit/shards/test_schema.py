"""The columns are documented, what readers accept, and what they say of other versions."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from fcaps_pipeline.cli.column_page import check_column_page, write_column_page
from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.shards.layout import TABLES, RunLayout, Table
from fcaps_pipeline.shards.reader import read_index
from fcaps_pipeline.shards.schema import (
    COLUMNS,
    SCHEMA_VERSIONS,
    missing_columns,
    table_schema,
    version_mismatch,
    with_all_columns,
)


def test_every_column_has_a_meaning_and_stands_in_the_readme(tmp_path: Path) -> None:
    assert all(column.meaning for columns in COLUMNS.values() for column in columns)
    check_column_page()
    page = tmp_path / "README.md"
    page.write_text("A story.\n\n| column | type |\n|---|---|\n| `mood` | `string` |\n")
    with pytest.raises(UsageError, match="fcaps schema"):
        check_column_page(page)
    check_column_page(write_column_page(page))
    assert page.read_text().startswith("A story.")


@pytest.mark.parametrize("table", TABLES)
def test_a_file_may_have_columns_of_its_own_but_must_have_ours(table: Table) -> None:
    schema = table_schema(table)
    assert missing_columns(table, schema.append(pa.field("mood", pa.string()))) == []
    needed = schema.get_field_index("schema_version")
    assert missing_columns(table, schema.remove(needed)) == ["schema_version"]
    other = schema.set(0, pa.field(schema.names[0], pa.int64()))
    assert missing_columns(table, other) == [schema.names[0]]
    assert {"schema_version", "fcaps_version"} <= set(schema.names)


def test_a_column_that_came_later_is_null_in_the_rows_before_it() -> None:
    schema = table_schema("data")
    earlier = schema.remove(schema.get_field_index("modulation_hz"))
    assert missing_columns("data", earlier) == []
    rows = with_all_columns("data", pa.table({"segment_id": ["a", "b"]}), ["segment_id", "modulation_hz"])
    assert rows.to_pylist() == [{"segment_id": name, "modulation_hz": None} for name in "ab"]
    assert set(with_all_columns("data", earlier.empty_table()).column_names) == set(schema.names)


def test_another_version_is_named_with_what_changed() -> None:
    assert version_mismatch("data", SCHEMA_VERSIONS["data"]) is None
    assert "candidates became a table of their own" in str(version_mismatch("data", 1))
    assert "update fcaps-pipeline" in str(version_mismatch("data", 99))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"schema_version": 1, "shards": []}, "version 2: candidates became a table"),
        ({"schema_versions": {"rejections": 99}}, "schema version 99 of rejections"),
        ({"rows": 3}, "names no schema version"),
        ([1], "names no schema version"),
        ({"schema_versions": SCHEMA_VERSIONS}, "not an index of this version"),
    ],
)
def test_an_index_of_another_version_is_refused_in_one_line(tmp_path: Path, content: object, expected: str) -> None:
    layout = RunLayout(tmp_path)
    layout.index.on_disk().write_text(json.dumps(content))
    with pytest.raises(CorruptRunError, match=expected):
        read_index(layout)

"""Corrections of captions by people: a table that a build applies, and that stays visible in what it makes.

Enters: CSV, JSONL or Parquet with the columns of `Override`. Leaves: records, and the row of `candidates` that each
new text becomes. Label Studio's answers come back as such a table.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.reader import reading
from fcaps_pipeline.shards.rows import versions
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import StorePath

ENGINE = "human"
"""In `engine` of the candidates that people wrote."""
REASON = "override"
"""Against a candidate whose text was corrected or deleted, and against a row that keeps none."""
_FORMAT = "1"
_ID_DIGITS = 24

Text = Annotated[str, Field(min_length=1)]


class Override(Record):
    """One caption of one Segment, and what stands there from now on."""

    segment_id: Text
    granularity: Literal["global", "fine"]
    old_text: Text
    """The caption as the run has it."""
    new_text: str
    """Empty where the caption is deleted; blanks in a table are empty."""
    author: Text
    """Who corrected it."""
    reason: str
    time: Text
    """When, as ISO 8601."""

    @property
    def request_key(self) -> str:
        """Tells this correction from every other."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def candidate_id(self) -> str:
        """Of the new text."""
        return f"{self.request_key[:_ID_DIGITS]}-0"

    @property
    def why(self) -> str:
        """Who corrected it, when and why, in one line."""
        return f"{self.author}, {self.time}: {self.reason}"

    def candidate_row(self, warnings: list[Row] | None) -> Row:
        """The new text as a row of `candidates`: who wrote it stands where the model stands.

        Args:
            warnings: about the sound of the Segment.
        """
        return {
            "segment_id": self.segment_id,
            "candidate_id": self.candidate_id,
            "granularity": self.granularity,
            "text": self.new_text,
            "kept": True,
            "reasons": [],
            "details": [],
            "scores": [],
            "trajectory": json.dumps({name: getattr(self, name) for name in ("old_text", "reason", "time")}),
            "attempt": 1,
            "request_key": self.request_key,
            "completion_index": 0,
            "finish_reason": "stop",
            "num_prompt_tokens": 0,
            "num_output_tokens": 0,
            "engine": ENGINE,
            "engine_version": _FORMAT,
            "model": self.author,
            "model_revision": self.time,
            "prompt_name": REASON,
            "prompt_version": 1,
            "prompt_sha256": hashlib.sha256(self.old_text.encode()).hexdigest(),
            "sampling": "{}",
            "warnings": warnings,
            **versions("candidates"),
        }


def read_overrides(path: StorePath) -> tuple[Override, ...]:
    """The corrections of a table, in its order.

    Raises:
        UsageError: it is of no known kind, a row is not a correction, or two contradict each other.
        MissingFileError: there is no such file.
        CorruptRunError: a Parquet file is damaged.
    """
    found: dict[tuple[str, str, str], Override] = {}
    for number, row in enumerate(_rows(path), 1):
        try:
            new_text = row.get("new_text") or ""
            is_blank = isinstance(new_text, str) and not new_text.strip()
            one = Override.model_validate({**row, "new_text": "" if is_blank else new_text})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise UsageError(
                f"{path}: row {number}: {name}: {first['msg']}; a correction has {', '.join(Override.model_fields)}"
            ) from error
        if found.setdefault((one.segment_id, one.granularity, one.old_text), one) != one:
            raise UsageError(
                f"{path}: row {number} corrects a {one.granularity} caption of {one.segment_id} a second time, in "
                "another way; keep one of the two"
            )
    return tuple(found.values())


def write_overrides(path: StorePath, overrides: Iterable[Override]) -> None:
    """Writes corrections as CSV.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(Override.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.model_dump() for one in overrides)
    path.put(text.getvalue())


def _rows(path: StorePath) -> Iterator[dict[str, Any]]:
    """Rows of a table as plain values."""
    match path.name.rpartition(".")[2].lower():
        case "csv":
            yield from csv.DictReader(io.StringIO(_text(path), newline=""), restkey="further columns")
        case "jsonl":
            for number, line in enumerate(_text(path).splitlines(), 1):
                if line.strip():
                    yield _object(path, number, line)
        case "parquet":
            with reading(path), path.open() as file:
                rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
            yield from rows
        case _:
            raise UsageError(
                f"{path} is no table of corrections; expected a name that ends in .csv, .jsonl or .parquet"
            )


def _text(path: StorePath) -> str:
    try:
        return path.read_text().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8; save it as such") from error


def _object(path: StorePath, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}:{number}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}:{number}: expected an object with {', '.join(Override.model_fields)}")
    return found

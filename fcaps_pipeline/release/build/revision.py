"""Captions as a release has them: corrected by people first, then chosen by rules.

Enters: rows of `data`. Leaves: the same rows with the captions of the release, and what became of the others. The
selection counts with it, and the writing of shards does it again.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.build.captions import COLUMNS, LeftOut, choose_captions
from fcaps_pipeline.release.overrides import REASON, Override
from fcaps_pipeline.release.recipe import CaptionRules
from fcaps_pipeline.shards.schema import Row


@dataclass(frozen=True)
class Revised:
    """Rows after corrections and rules."""

    rows: pa.Table
    left_out: LeftOut
    corrected: list[tuple[int, Override]]
    """Number of a row, and a new text that it has."""
    missed: dict[int, str]
    """By number of the row, an old text that should stand there and does not."""
    emptied: list[int]
    """Numbers of rows of which people deleted every caption."""


class Revision:
    """The corrections and rules of one recipe."""

    def __init__(self, rules: CaptionRules, overrides: Iterable[Override]) -> None:
        self._rules = rules
        self._by_segment: dict[str, list[Override]] = defaultdict(list)
        for one in overrides:
            self._by_segment[one.segment_id].append(one)
        self._corrected = pa.array(list(self._by_segment), pa.string())

    def apply(self, rows: pa.Table) -> Revised:
        """Corrects and chooses.

        Args:
            rows: with `segment_id` and the columns of captions; others stay as they are.
        """
        revised = Revised(rows, {}, [], {}, [])
        touched = pc.indices_nonzero(pc.is_in(rows["segment_id"], self._corrected)).to_pylist()
        if touched:
            captions, segments = rows["captions"].to_pylist(), rows["segment_id"].to_pylist()
            for row in touched:
                captions[row] = list(captions[row] or ())
                for one in self._by_segment[segments[row]]:
                    if not _correct(captions[row], one, revised.left_out):
                        revised.missed[row] = one.old_text
                    elif one.new_text:
                        revised.corrected.append((row, one))
                if not captions[row] and row not in revised.missed:
                    revised.emptied.append(row)
            rows = _with_captions(rows, captions)
        judged = choose_captions(rows, self._rules)
        return replace(revised, rows=judged.rows, left_out={**revised.left_out, **judged.left_out})


def _correct(captions: list[Row], override: Override, left_out: LeftOut) -> bool:
    """Puts the new text in place of the old one; whether that stood there."""
    for place, caption in enumerate(captions):
        if caption["candidate_id"] == override.candidate_id:
            return True  # by a release that this one is made from
        if (caption["granularity"], caption["text"]) == (override.granularity, override.old_text):
            left_out[override.segment_id, caption["candidate_id"]] = (REASON, override.why)
            new = {"granularity": override.granularity, "text": override.new_text}
            captions[place : place + 1] = [{**new, "candidate_id": override.candidate_id}] if override.new_text else []
            return True
    return False


def _with_captions(rows: pa.Table, captions: list[list[Row] | None]) -> pa.Table:
    """The rows with other captions, their three columns in accord."""
    by_granularity = {
        f"{granularity}_captions": [
            None if of_row is None else [one["text"] for one in of_row if one["granularity"] == granularity]
            for of_row in captions
        ]
        for granularity in ("global", "fine")
    }
    for name, values in zip(COLUMNS, (captions, *by_granularity.values()), strict=True):
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))
    return rows

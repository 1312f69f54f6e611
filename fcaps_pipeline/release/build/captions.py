"""Caption rules: which captions of rows a release takes.

Enters: rows of `data` with `captions`, `global_captions` and `fine_captions`, and rules. Leaves: the same rows with
fewer captions, the three columns in accord, and what was left out and why. Whole columns are judged at once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.recipe import CaptionRules

COLUMNS = ("captions", "global_captions", "fine_captions")
RULE = "release"
"""Reason against a candidate that a caption rule of the release left out."""


LeftOut = dict[tuple[str, str], tuple[str, str]]
"""Reason and detail of captions that a release has not, by Segment and candidate."""


@dataclass(frozen=True)
class Judged:
    """Rows after the rules."""

    rows: pa.Table
    left_out: LeftOut


def check_patterns(rules: CaptionRules) -> None:
    """Makes sure that every regular expression is one.

    Raises:
        JobError: naming the first that is not.
    """
    for pattern in rules.without:
        try:
            pc.match_substring_regex(pa.array([""]), pattern, ignore_case=True)
        except pa.ArrowInvalid as error:
            cause = " ".join(str(error).split())
            raise JobError(f"rows.captions.without: {pattern} is no regular expression of RE2: {cause}") from error


def choose_captions(rows: pa.Table, rules: CaptionRules) -> Judged:
    """Applies the rules about single captions and about how many a row has at most.

    Args:
        rows: with `segment_id` and the three columns of captions; others stay as they are.
        rules: of the recipe; how many captions a row needs is left to the caller.
    """
    if rules == CaptionRules(min_global=rules.min_global, min_fine=rules.min_fine):
        return Judged(rows, {})
    captions = rows["captions"].combine_chunks()
    owner = pc.list_parent_indices(captions).to_numpy()
    flat = captions.flatten()
    is_global = pc.equal(flat.field("granularity"), Granularity.GLOBAL.value).to_numpy(zero_copy_only=False)
    why = _reasons(flat.field("text"), is_global, rules)
    for chosen, most in ((is_global, rules.max_global), (~is_global, rules.max_fine)):
        if most is not None:
            surplus = _beyond(owner, (why == "") & chosen, most)
            why[surplus] = f"more than {most}"
    kept = why == ""
    segments = rows["segment_id"].combine_chunks().take(pa.array(owner[~kept])).to_pylist()
    candidates = flat.field("candidate_id").filter(pa.array(~kept)).to_pylist()
    reasons = [(RULE, one) for one in why[~kept].tolist()]
    left_out = dict(zip(zip(segments, candidates, strict=True), reasons, strict=True))
    for name, column in (
        ("captions", _relisted(flat, owner, kept, len(rows))),
        ("global_captions", _relisted(flat.field("text"), owner, kept & is_global, len(rows))),
        ("fine_captions", _relisted(flat.field("text"), owner, kept & ~is_global, len(rows))),
    ):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), column.cast(rows.schema.field(name).type))
    return Judged(rows, left_out)


def left_out_candidates(candidates: pa.Table, left_out: LeftOut) -> pa.Table:
    """Rows of `candidates` that say of captions which were left out that they are not kept, and why."""
    if not left_out:
        return candidates
    keys = zip(candidates["segment_id"].to_pylist(), candidates["candidate_id"].to_pylist(), strict=True)
    why = [left_out.get(key) for key in keys]
    if not any(why):
        return candidates
    changes = {
        "kept": [kept and one is None for kept, one in zip(candidates["kept"].to_pylist(), why, strict=True)],
        "reasons": _appended(candidates["reasons"], [one and one[0] for one in why]),
        "details": _appended(candidates["details"], [one and one[1] for one in why]),
    }
    for name, values in changes.items():
        field = candidates.schema.field(name)
        candidates = candidates.set_column(candidates.schema.get_field_index(name), field, pa.array(values, field.type))
    return candidates


def _appended(column: pa.ChunkedArray, added: list[str | None]) -> list[list[str]]:
    lists = column.to_pylist()
    return [[*(found or ()), *([] if one is None else [one])] for found, one in zip(lists, added, strict=True)]


def _reasons(texts: pa.Array, is_global: npt.NDArray[np.bool_], rules: CaptionRules) -> npt.NDArray[np.object_]:
    """Why each caption is left out; empty text where it is not."""
    why = np.full(len(texts), "", object)
    for pattern in reversed(rules.without):
        why[_true(pc.match_substring_regex(texts, pattern, ignore_case=True))] = f"has {pattern}"
    length = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    if rules.max_characters is not None:
        why[~is_global & (length > rules.max_characters)] = f"longer than {rules.max_characters} characters"
    why[~is_global & (length < rules.min_characters)] = f"shorter than {rules.min_characters} characters"
    return why


def _true(column: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return found


def _beyond(owner: npt.NDArray[np.int64], counted: npt.NDArray[np.bool_], most: int) -> npt.NDArray[np.bool_]:
    """Which of the counted captions are not among the first ones of their row."""
    if not len(owner):
        return counted
    before: npt.NDArray[np.int64] = np.cumsum(counted) - counted
    is_first = np.r_[True, owner[1:] != owner[:-1]]
    before_row = before[is_first][np.cumsum(is_first) - 1]
    beyond: npt.NDArray[np.bool_] = counted & (before - before_row >= most)
    return beyond


def _relisted(flat: pa.Array, owner: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], num_rows: int) -> pa.Array:
    counts = np.bincount(owner[kept], minlength=num_rows)
    offsets = np.r_[0, np.cumsum(counts)].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat.filter(pa.array(kept)))

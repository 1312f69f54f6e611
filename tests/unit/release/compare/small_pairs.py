"""Small releases of few rows by reference, and a comparison of two of them as one would do it by hand."""

from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.release.compare.differences import Change
from fcaps_pipeline.release.dataset import Dataset, open_dataset
from fcaps_pipeline.shards.schema import Row
from tests.unit.release.laid_out import lay_out

LOW, ALSO_LOW, HIGH, NOTHING = (
    "A man speaks in a low-pitched voice.",
    "The low-pitched voice of a man.",
    "A man speaks in a high-pitched voice.",
    "It is a recording.",
)
_CAPTIONS = ("global_captions", "fine_captions")
_TEXTS = st.lists(st.sampled_from([LOW, ALSO_LOW, HIGH, NOTHING]), max_size=2)


@st.composite
def small_row(draw: st.DrawFn, index: int) -> Row:
    """One row with its answers, of few values, so that two of them are often alike."""
    dropped = {text: draw(st.sampled_from([["absence"], ["length"], ["override"]])) for text in draw(_TEXTS)}
    return {
        "segment_id": f"s{index}",
        "split": draw(st.sampled_from(["train", "test"])),
        "audio_sha256": draw(st.sampled_from(["f" * 64, "0" * 64])),
        "global_captions": draw(_TEXTS),
        "fine_captions": draw(_TEXTS),
        "tags": draw(st.sampled_from([None, [], ["a, b"], ["a", "b"]])),
        "transcript": draw(st.sampled_from([None, "", "words"])),
        "snr_db": draw(st.sampled_from([None, 0.0, 1.5])),
        "location": draw(st.sampled_from(["here", "there"])),
        "dropped": dropped,
    }


@st.composite
def small_pair(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Rows of two datasets; many are in both, and few things differ in them."""
    ids = range(draw(st.integers(1, 5)))
    a = [draw(small_row(index)) for index in ids if draw(st.booleans()) or index == 0]
    b = []
    for index in ids:
        known = next((row for row in a if row["segment_id"] == f"s{index}"), None)
        other = draw(small_row(index))
        if known is None:
            b.append(other)
        elif not draw(st.sampled_from([False, False, False, True])):
            changed = draw(st.sets(st.sampled_from(sorted(other)), max_size=2))
            b.append({name: other[name] if name in changed else known[name] for name in known})
    return a, b or [draw(small_row(99))]


def row(name: str, *fine: str, **changes: object) -> Row:
    """A row with its captions."""
    plain: Row = {
        "segment_id": name,
        "split": "train",
        "audio_sha256": "0" * 64,
        "global_captions": [],
        "fine_captions": list(fine),
        "location": "here",
        "dropped": {},
    }
    return plain | changes


def written(
    root: Path, rows: list[Row], version: str = "1.0.0", *, without: tuple[str, ...] = (), **changes: Any
) -> Dataset:
    """A finished release of such rows."""
    answers = [one for row in rows for one in _answers(row)]
    made = lay_out(root, {"data": [_full(row) for row in rows], "candidates": answers}, without_columns=without)
    record = made.draft.model_copy(update={"version": version, "files": (), **changes})
    made.layout.record.put(record.model_dump_json())
    return open_dataset(root)


def class_by_hand(a: Row | None, b: Row | None) -> Change:
    """What a pair of rows falls under, read off the definitions one by one."""
    if a is None:
        return "added"
    if b is None:
        return "removed"
    same_answers = {one["candidate_id"] for one in _answers(a)} == {one["candidate_id"] for one in _answers(b)}
    what: dict[Change, bool] = {
        "moved": a["split"] != b["split"],
        "audio": a["audio_sha256"] != b["audio_sha256"],
        "claims": any(_statements(a[name]) != _statements(b[name]) for name in _CAPTIONS),
        "verdict": any(_verdicts(b).get(answer, verdict) != verdict for answer, verdict in _verdicts(a).items()),
        "reworded": any(a[name] != b[name] for name in _CAPTIONS),
        "columns": any(a[name] != b[name] for name in ("tags", "transcript", "snr_db")),
        "provenance": a["location"] != b["location"] or not same_answers,
    }
    return next((change for change, is_so in what.items() if is_so), "same")


def counted_by_hand(a: list[Row], b: list[Row]) -> Counter[Change]:
    """Rows of the union by class."""
    rows_a, rows_b = ({row["segment_id"]: row for row in rows} for rows in (a, b))
    return Counter(class_by_hand(rows_a.get(name), rows_b.get(name)) for name in {**rows_a, **rows_b})


def _statements(texts: list[str]) -> set[tuple[str, str]]:
    found = set()
    for text in texts:
        for name, value in read_attributes(text).model_dump(exclude_defaults=True).items():
            found |= {(name, str(one)) for one in (value if isinstance(value, tuple) else [value]) if one is not None}
    return found


def _answers(row: Row) -> list[Row]:
    """Each text is one answer, which is a caption or was dropped."""
    kept: dict[str, list[str]] = {text: [] for name in _CAPTIONS for text in row[name]}
    return [
        {"segment_id": row["segment_id"], **_BLANK, "candidate_id": text, "kept": text in kept, "reasons": reasons}
        for text, reasons in {**row["dropped"], **kept}.items()
    ]


def _verdicts(row: Row) -> dict[str, str]:
    """By answer, without what people corrected."""
    found = {one["candidate_id"]: "".join(one["reasons"]) for one in _answers(row)}
    return {answer: reasons.replace("override", "") for answer, reasons in found.items()}


_BLANK = dict.fromkeys(
    (
        "granularity",
        "text",
        "request_key",
        "finish_reason",
        "engine",
        "engine_version",
        "model",
        "model_revision",
        "prompt_name",
        "prompt_sha256",
        "sampling",
        "fcaps_version",
    ),
    "",
) | dict.fromkeys(
    ("attempt", "completion_index", "num_prompt_tokens", "num_output_tokens", "prompt_version", "schema_version"), 0
)


def _full(row: Row) -> Row:
    captions = [{"candidate_id": text} for text in (*row["global_captions"], *row["fine_captions"])]
    own = {name: value for name, value in row.items() if name != "dropped"}
    return {
        "recording_id": row["segment_id"],
        "source": "a.wav",
        "speaker": None,
        "duration_s": 2.0,
        "captions": captions,
        "schema_version": 2,
        "fcaps_version": "0.1.0",
        **own,
    }

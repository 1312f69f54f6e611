"""What a comparison found, as lines and tables that every output shares, and as Markdown.

Enters: `Differences`. Leaves: plain text cells; whoever shows them makes them harmless there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fcaps_pipeline.release.compare.differences import MEANINGS, Differences, Side
from fcaps_pipeline.release.markdown import block, code, escaped, table


@dataclass(frozen=True)
class Section:
    """A table with its title."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def facts(found: Differences) -> Iterator[str]:
    """What stands above the tables, a line each."""
    yield f"A: {_side(found.a)}"
    yield f"B: {_side(found.b)}"
    if found.a.name is not None and found.b.name is not None and found.a.name != found.b.name:
        yield f"these are different datasets: {found.a.name} and {found.b.name}"
    for names, who in ((found.new_columns, "B"), (found.lost_columns, "A")):
        if names:
            yield f"only {who} has {', '.join(names)}"
    needed = found.needed
    at_least = "" if needed.lowest is None else f", version {needed.lowest} or higher"
    yield f"a {needed.level.upper()} change{at_least}: {needed.because}"
    yield from found.notes
    if found.num_unexplained:
        yield f"rows that vanished without a reason: {found.num_unexplained}"


def sections(found: Differences) -> list[Section]:
    """Every table that has something to say."""
    return [section for section in (*_changes(found), *_both_sides(found)) if section.rows]


def _changes(found: Differences) -> Iterator[Section]:
    num_rows = sum(found.counts.values())
    yield Section(
        "Rows of A and B",
        ("class", "rows", "share", "meaning"),
        [
            (change, str(count), _share(count / num_rows), MEANINGS[change])
            for change, count in found.counts.items()
            if count
        ],
    )
    for title, header, counts in (
        ("Removed rows: why, as far as B has it on file", "reason", found.removed),
        ("Added rows: what A has on file about them", "reason", found.added),
        ("Columns that differ in rows of that class", "column", found.columns),
    ):
        yield Section(title, (header, "rows"), [(name, str(count)) for name, count in counts.items()])
    yield Section(
        "Moves between splits",
        ("from", "to", "rows"),
        [(one.split_a, one.split_b, str(one.num_rows)) for one in found.moves],
    )


def _both_sides(found: Differences) -> Iterator[Section]:
    yield Section(
        "Splits",
        ("split", "rows A", "rows B", "hours A", "hours B", "speakers A", "speakers B"),
        [
            (
                one.split or "all",
                *_pair(one.num_rows),
                *(f"{hours:.3f}" for hours in one.hours),
                *_pair(one.num_speakers),
            )
            for one in found.splits
        ],
    )
    yield Section(
        "Captions, lengths in characters",
        ("granularity", "number A", "number B", "mean A", "mean B", "median A", "median B", "p95 A", "p95 B"),
        [
            (one.granularity, *_pair(one.num_captions), *_pair(one.mean), *_pair(one.median), *_pair(one.p95))
            for one in found.captions
        ],
    )
    yield Section(
        "Attributes of the profile, largest shift first",
        ("attribute", "value", "share A", "share B", "difference"),
        [
            (
                one.attribute.replace("_", " "),
                "left open" if one.value is None else one.value,
                _share(one.share_a),
                _share(one.share_b),
                f"{100 * (one.share_b - one.share_a):+.2f}",
            )
            for one in found.shifts
        ],
    )


def markdown(found: Differences) -> str:
    """All of it as a page of Markdown."""
    lines = ["# Differences", "", *(f"- {escaped(line)}" for line in facts(found))]
    for section in sections(found):
        rows = [[escaped(cell) for cell in row] for row in section.rows]
        lines += ["", f"## {section.title}", "", *table(section.header, rows)]
    if found.examples:
        lines += ["", "## Largest changes of each class"]
    for example in found.examples:
        lines += ["", f"### {example.change}: {code(example.segment_id)}", ""]
        lines += [f"- {escaped(line)}" for line in example.what]
        for side, captions in (("A", example.captions_a), ("B", example.captions_b)):
            if captions:
                lines += ["", f"{side}:", "", *block("\n".join(captions))]
    return "\n".join(lines) + "\n"


def _side(side: Side) -> str:
    what = "a run" if side.name is None else f"{side.name} {side.version}"
    return f"{what}, {side.num_rows} rows, {side.where}"


def _pair(values: tuple[float | None, float | None]) -> tuple[str, str]:
    a, b = ("" if value is None else f"{value}" if isinstance(value, int) else f"{value:.0f}" for value in values)
    return a, b


def _share(share: float) -> str:
    return f"{100 * share:.2f} %"

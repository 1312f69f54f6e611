"""`CHANGES.md`: what each version changed, the newest first.

Enters: the record of a version, its differences from the parent, and the parent's own page. Leaves: Markdown.
"""

from collections.abc import Iterator

from fcaps_pipeline.release.compare.differences import MEANINGS, Differences
from fcaps_pipeline.release.layout import ReleaseRecord
from fcaps_pipeline.release.markdown import code, escaped, table

_MARK = "\n## "
_MAX_SHIFTS = 10
_NOTED_SHIFT = 0.01


def changes_text(record: ReleaseRecord, differences: Differences | None, former: str | None) -> str:
    """The page of a version.

    Args:
        record: what `release.json` says, or will say.
        differences: from its parent; None where it has none.
        former: the page of the parent; None where it has none.
    """
    lines = [f"# Changes of {escaped(record.name)}", "", f"## {record.version}", "", *_version(record, differences)]
    earlier = "" if former is None else _MARK + former.partition(_MARK)[2]
    return "\n".join(lines).rstrip("\n") + "\n" + earlier.rstrip("\n") + ("\n" if earlier else "")


def _version(record: ReleaseRecord, differences: Differences | None) -> Iterator[str]:
    num_rows = sum(split.num_rows for split in record.splits.values())
    if record.parent is None:
        yield f"The first version: {num_rows} rows."
    else:
        yield f"Follows {escaped(record.parent.name)} {escaped(record.parent.version)}; {num_rows} rows."
    if differences is not None:
        yield ""
        yield from _differences(differences)
    if record.num_excluded:
        yield ""
        reasons = ", ".join(f"{code(reason)} {count}" for reason, count in record.num_excluded.items())
        yield f"Left out of what the runs had, in rows: {reasons}."
    removals = [one for one in record.removals if one.version == record.version]
    if removals:
        yield ""
        yield "Taken back; copies of earlier versions should be removed:"
        yield ""
        yield from table(
            ("by", "rows", "reason"), [(code(one.what), str(one.num_rows), escaped(one.reason)) for one in removals]
        )


def _differences(found: Differences) -> Iterator[str]:
    yield f"A {found.needed.level} change: {escaped(found.needed.because)}."
    yield ""
    rows = [(code(change), str(count), MEANINGS[change]) for change, count in found.counts.items() if count]
    yield from table(("rows", "number", "meaning"), rows)
    for title, reasons in (("Removed rows, by reason", found.removed), ("Added rows", found.added)):
        if reasons:
            yield ""
            yield f"{title}: {', '.join(f'{escaped(reason)} {count}' for reason, count in reasons.items())}."
    for title, columns in (("New columns", found.new_columns), ("Columns that are gone", found.lost_columns)):
        if columns:
            yield ""
            yield f"{title}: {', '.join(map(code, columns))}."
    shifts = [one for one in found.shifts if abs(one.share_b - one.share_a) >= _NOTED_SHIFT][:_MAX_SHIFTS]
    if shifts:
        yield ""
        yield "Shares of rows that shifted by a hundredth or more:"
        yield ""
        cells = [
            (
                one.attribute.replace("_", " "),
                "left open" if one.value is None else code(one.value),
                f"{100 * one.share_a:.1f} %",
                f"{100 * one.share_b:.1f} %",
            )
            for one in shifts
        ]
        yield from table(("attribute", "value", "before", "now"), cells)

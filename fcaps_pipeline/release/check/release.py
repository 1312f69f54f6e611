"""Checks a release: one finding for each thing that it should be, with a number and a bound.

Enters: a release. Leaves: findings, one at a time. Memory does not grow with the rows, but for hashes of their ids.
"""

from collections.abc import Iterable, Iterator

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.release.check.answers import CaptionFormCheck, check_answers
from fcaps_pipeline.release.check.descriptions import check_descriptions
from fcaps_pipeline.release.check.files import DAMAGED, MISFIT, check_files, check_shapes
from fcaps_pipeline.release.check.findings import Finding, RowCheck
from fcaps_pipeline.release.check.leaks import LeakCheck
from fcaps_pipeline.release.check.rows import DivisionCheck, OnceCheck, RowSizeCheck, TombstoneCheck
from fcaps_pipeline.release.columns import read_columns
from fcaps_pipeline.release.dataset import read_release
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord
from fcaps_pipeline.shards.tombstones import read_tombstones
from fcaps_pipeline.storage.path import Where


def check_release(where: Where) -> Iterator[Finding]:
    """Looks at all of a release; where files are damaged or lack columns, at their rows no more.

    Raises:
        UsageError: there is none.
        CorruptRunError: its record or a file cannot be read.
    """
    layout, record = ReleaseLayout(where), read_release(where)
    for findings in (check_files(layout, record), check_shapes(layout, record)):
        is_readable = True
        for finding in findings:
            is_readable = is_readable and not (finding.refuses and finding.check in (DAMAGED, MISFIT))
            yield finding
        if not is_readable:
            return
    yield from _check_rows(layout, record)
    yield from check_answers(layout, record)
    yield from check_descriptions(layout, record)


def require_sound(where: Where, findings: Iterable[Finding]) -> None:
    """Makes sure that a release may go out.

    Raises:
        CorruptRunError: checks refuse it.
    """
    seen = list(findings)
    refusing = [one for one in seen if one.refuses]
    if refusing:
        shown = "; ".join(f"{one.check}: {', '.join(one.examples[:1]) or f'{one.found:g}'}" for one in refusing)
        raise CorruptRunError(
            f"{where}: {len(refusing)} of {len(seen)} checks refuse this release ({shown}); `fcaps verify` shows all; "
            "build it again under another version, or restore its files from a copy"
        )


def _check_rows(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[Finding]:
    checks: list[RowCheck] = [
        OnceCheck(layout, record),
        DivisionCheck(layout, record),
        CaptionFormCheck(),
        LeakCheck(),
        RowSizeCheck(layout, record),
    ]
    tombstones = read_tombstones(layout.tombstones)
    if tombstones is not None:
        checks.append(TombstoneCheck(layout, record, tombstones))
    columns = list(dict.fromkeys(name for check in checks for name in check.columns))
    for shard in record.shards:
        if shard.table == "data":
            for table in read_columns(layout, shard, columns):
                for check in checks:
                    check.add(shard, table)
    for check in checks:
        yield from check.findings()

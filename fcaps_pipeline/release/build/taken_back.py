"""What was taken back from the sources of a release since the version before, as its record tells it.

Enters: the inputs of a build. Leaves: for each kind of value and each reason, how many rows of the version before fell.
"""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.release.layout import Removal
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import with_all_columns
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstones


def taken_back_since(inputs: Inputs) -> tuple[Removal, ...]:
    """Removals that the version before does not know of; none where there is none before.

    Raises:
        CorruptRunError: a file of the version before is missing or damaged.
    """
    if inputs.parent is None or inputs.tombstones is None:
        return ()
    known = inputs.parent.tombstones
    before = set() if known is None else {(one.what, one.key or known.key, one.digest) for one in known.entries}
    entries = tuple(
        one
        for one in inputs.tombstones.entries
        if (one.what, one.key or inputs.tombstones.key, one.digest) not in before
    )
    if not entries:
        return ()
    counts: Counter[tuple[Kind, str]] = Counter()
    new = Tombstones(key=inputs.tombstones.key, entries=entries)
    for rows in _rows(inputs.parent):
        counts.update(_falls(new, rows))
    version = inputs.recipe.version
    return tuple(
        Removal(version=version, what=what, num_rows=num_rows, reason=reason)
        for (what, reason), num_rows in sorted(counts.items())
    )


def _falls(tombstones: Tombstones, rows: pa.Table) -> Iterator[tuple[Kind, str]]:
    """For each row that falls, by what and why; the first kind counts."""
    columns = {what: rows[COLUMN_OF[what]].to_pylist() for what in KINDS if tombstones.has(what)}
    for row in range(len(rows)):
        found = tombstones.finds({what: values[row] for what, values in columns.items()})
        if found is not None:
            yield found.what, found.reason


def _rows(release: Dataset) -> Iterator[pa.Table]:
    columns = list(dict.fromkeys(COLUMN_OF.values()))
    for part in release.parts():
        path = release.root / part.files["data"].path
        with reading(path):
            parquet = open_parquet(path)
        with parquet:
            for group in range(parquet.num_row_groups):
                with reading(path, group):
                    present = [name for name in columns if name in parquet.schema_arrow.names]
                    found = parquet.read_row_group(group, columns=present, use_threads=False)
                yield with_all_columns("data", found, columns)

"""Rows on their way into columns: Recordings one by one become blocks of some thousands.

Enters: what a source yields. Leaves: Blocks, in the same order.
"""

from collections.abc import Iterable, Iterator

from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.shards.recording_table import table_of

_BLOCK_ROWS = 8192


def blocks_of(entries: Iterable[Located | Block]) -> Iterator[Block]:
    """Rows become blocks, those before a mistake too."""
    rows: list[Located] = []
    try:
        for entry in entries:
            if rows and (isinstance(entry, Block) or len(rows) == _BLOCK_ROWS):
                yield _block(rows)
                rows = []
            if isinstance(entry, Block):
                yield entry
            else:
                rows.append(entry)
    except SourceError:
        if rows:
            yield _block(rows)
        raise
    if rows:
        yield _block(rows)


def _block(rows: list[Located]) -> Block:
    return Block(table_of([one.recording for one in rows]), where=lambda row: rows[row].where)

"""Recordings of a JSONL manifest: one JSON object per line, fields as in `ManifestLine`.

Enters: a ManifestSource with its resolved path. Leaves: Recordings, in columns where lines are plain, one by one where
they are not.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.jsonl import line_blocks, parsed
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.manifest import ManifestLine, ManifestLines, root_of
from fcaps_pipeline.annotate.sources.manifest_columns import plain_table
from fcaps_pipeline.jobs.sources import ManifestSource


def list_manifest(source: ManifestSource, path: Path) -> Iterator[Located | Block]:
    """Yields one Recording per line, or per run of lines that are segments of one file.

    Raises:
        SourceError: a line is not a ManifestLine, or the manifest is empty.
    """
    fields, root = FieldNames(source.fields), root_of(source.audio_root, path)
    manifest = ManifestLines(root, path)
    for block in line_blocks(path):
        table = None if source.fields else plain_table(block.content, root)
        if table is None:
            for number, line in parsed(block.lines(), path, ManifestLine, fields):
                yield from manifest.take(number, line)
        else:
            yield from manifest.take_others()
            yield Block(table, partial(_where, path, block.first_number))
    yield from manifest.end()
    fields.check_met(str(path))


def _where(path: Path, first_number: int, row: int) -> str:
    return f"{path}:{first_number + row}"

"""The samples of rows that only refer to them, so that a release can hold them.

Enters: rows of `data`. Leaves: the same rows, each with its samples, which are those that were annotated.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from fcaps_pipeline.annotate.run.attachment import AudioState, CheckedRow, check_rows
from fcaps_pipeline.errors import CorruptRunError, MissingFileError
from fcaps_pipeline.records.audio import AudioFile
from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import ChannelMaps
from fcaps_pipeline.shards.rows import audio_value
from fcaps_pipeline.shards.schema import Row

_ROWS_AT_ONCE = 256

FilesOf = Callable[[Row], tuple[AudioFile, ...] | None]


def files_of(dataset: Dataset) -> FilesOf:
    """Tells in what files the channels of Recordings lie; a release has no plan that would say so."""
    return ChannelMaps(RunLayout(dataset.root)).of if dataset.kind == "run" else lambda _: None


def with_sound(rows: pa.Table, where: FilesOf) -> Iterator[pa.Table]:
    """Rows in pieces, each with its samples.

    Args:
        rows: with all columns that tell where their audio lies.
        where: tells in what files the channels of a Recording lie.

    Raises:
        MissingFileError: audio is not where a row says.
        CorruptRunError: the samples are not those that were annotated.
        StorageError: the storage of the audio fails.
    """
    if rows["audio"].null_count == 0:
        yield rows
        return
    place = rows.schema.get_field_index("audio")
    field = rows.schema.field(place)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        piece = rows.slice(start, _ROWS_AT_ONCE)
        found = [_value(one) for one in check_rows(piece.to_pylist(), where)]
        yield piece.set_column(place, field, pa.array(found, field.type))


def _value(one: CheckedRow) -> dict[str, Any]:
    if one.pcm_T is not None:
        return audio_value(one.row["segment_id"], one.pcm_T)
    if one.state is AudioState.EMBEDDED:
        embedded: dict[str, Any] = one.row["audio"]
        return embedded
    error = MissingFileError if one.state is AudioState.MISSING else CorruptRunError
    raise error(
        f"the release is to hold the audio of {one.row['segment_id']}, which is {one.state.value}: {one.detail}; "
        "restore it and run the same command again to go on, or set `audio: reference`"
    )

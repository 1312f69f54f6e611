"""Recordings of an earlier run or of a release: its rows are the corpus, their intervals are Segments as they are.

Enters: the folder. Leaves: a Recording per recording of the rows, whose Cuts know the checksum of their samples. Where
rows hold their samples, these are read from the shard; where they refer to them, from the files that the plan of the
run names. Only annotated Segments are taken; how many others the run has is noted.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from fcaps_pipeline.annotate.sources.located import Located
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.records.audio import Cut, Recording
from fcaps_pipeline.shards.layout import RunLayout, ShardFile
from fcaps_pipeline.shards.plan import ChannelMaps
from fcaps_pipeline.shards.reader import check_size, open_parquet, read_index, reading
from fcaps_pipeline.shards.schema import Row, channel_of
from fcaps_pipeline.storage.path import StorePath, Where

_AUDIO_NAME = "audio.path"
_LENGTHS = ["recording_id", "duration_s"]
_COLUMNS = [
    "recording_id",
    _AUDIO_NAME,
    "audio_sha256",
    "location",
    "source",
    "corpus",
    "recording_transcript",
    "language",
    "tags",
    "license",
    "extra",
    "num_channels",
    "channel",
    "start_samples",
    "end_samples",
    "speaker",
    "speaker_gender",
    "transcript",
]


def is_run(path: Where) -> bool:
    """Whether a folder is a run that is finished, or a release."""
    return RunLayout(path).index.exists()


def list_run(path: Where, passed_over: PassedOver) -> Iterator[Located]:
    """Yields the Recordings of the rows, in their order.

    Raises:
        SourceError: the folder is no run.
        CorruptRunError: the run is not finished, of another schema version, or a file of it is missing or damaged,
            its plan among them where audio cannot be found without.
    """
    layout = RunLayout(path)
    if not layout.index.exists() and not layout.job.exists():
        raise SourceError(f"{path} is no run folder: it has neither index.json nor job.json")
    index, channel_maps = read_index(layout), ChannelMaps(layout)
    for data, others in _units(index.shards):
        lengths: dict[str, float] = {}
        for file in (data, *others):
            check_size(layout, file)
            if file.table == "recordings":
                lengths |= {row["recording_id"]: row["duration_s"] for row in _rows(layout.root / file.path, _LENGTHS)}
        shard = layout.root / data.path
        for _, rows in groupby(_rows(shard, _COLUMNS), key=lambda row: row["recording_id"]):
            yield _located(list(rows), shard, lengths, channel_maps)
    num_others = index.totals.num_segments - index.totals.num_annotations
    if num_others:
        passed_over.note(f"{path}: {num_others} segments that it did not annotate are no part of this source")


def _units(files: Sequence[ShardFile]) -> Iterator[tuple[ShardFile, list[ShardFile]]]:
    """The file of rows of each unit, and what follows it in the index: the other tables of the unit."""
    starts = [number for number, file in enumerate(files) if file.table == "data"]
    for start, end in pairwise((*starts, len(files))):
        yield files[start], list(files[start + 1 : end])


def _rows(shard: StorePath, columns: list[str]) -> Iterator[Row]:
    with reading(shard):
        parquet = open_parquet(shard)
    for group in range(parquet.num_row_groups):
        with reading(shard, group):
            table = parquet.read_row_group(group, columns=columns)
        yield from table.to_pylist()


def _located(rows: list[Row], shard: StorePath, lengths: dict[str, float], channel_maps: ChannelMaps) -> Located:
    first = rows[0]
    holds_audio = all(row["audio"] is not None for row in rows)
    recording = Recording(
        recording_id=first["recording_id"],
        location=first["location"],
        source=first["source"],
        files=next(filter(None, map(channel_maps.of, rows)), None),
        shard=str(shard) if holds_audio else None,
        duration_s=lengths.get(first["recording_id"]),
        cuts=tuple(map(_cut, rows)),
        transcript=first["recording_transcript"],
        language=first["language"],
        tags=tuple(first["tags"] or ()),
        license=first["license"],
        corpus=first["corpus"],
    )
    return Located(recording, f"{shard}, recording {first['recording_id']}")


def _cut(row: Row) -> Cut:
    return Cut(
        start_samples=row["start_samples"],
        end_samples=row["end_samples"],
        channel=channel_of(row),
        transcript=row["transcript"],
        speaker=row["speaker"],
        speaker_gender=row["speaker_gender"],
        samples_sha256=row["audio_sha256"],
        extra=row["extra"],
    )

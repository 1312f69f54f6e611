"""A run and a release whose captions tell which clip they belong to, in texts that break careless formats."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import soundfile

from fcaps_pipeline.records.annotations import Annotation, CaptionSet
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.dataset import Dataset, open_dataset
from fcaps_pipeline.release.export.export import ExportRecord, export, settings_for
from fcaps_pipeline.release.export.form import FormatName
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.schema import Row
from tests.unit.learn.training.written_runs import RunWriter, Spoken
from tests.unit.release.laid_out import lay_out

SPLIT_OF = {"zoe": "train", "ada": "validation", "kim": "test", None: "train"}
SPOKEN = [
    Spoken(name, speaker, 900 + 37 * index)
    for index, (name, speaker) in enumerate(
        [("z9", "zoe"), ("a10", "zoe"), ("a2", "ada"), ("B_1", None), ("b-1", "kim"), ("A2", "kim"), ("a02", "zoe")] * 2
    )
]
"""Ids that sort otherwise than they come, in two units of seven."""


def caption(segment_id: str, granularity: str, place: int) -> str:
    """What the caption of a clip at a place says."""
    return f"{segment_id} {granularity} {place}: «Grüße, 声»,\nshe says \"so\" & <b>'it'</b></script>\t✓\\"


def number_of_captions(segment_id: str, granularity: str) -> int:
    """0 to 2, by the id; never none of both."""
    digest = hashlib.sha256(segment_id.encode()).digest()[0]
    return (digest % 3) if granularity == "global" else 2 - (digest % 3)


def captions(segment_id: str, granularity: str) -> list[str]:
    """All captions of a clip."""
    return [caption(segment_id, granularity, place) for place in range(number_of_captions(segment_id, granularity))]


def told(annotation: Annotation) -> Annotation:
    """The annotation with the captions that belong to its clip."""
    segment_id = annotation.segment.segment_id
    sets = []
    for granularity in Granularity:
        template = next(
            one for found in annotation.caption_sets for one in found.kept if one.granularity is granularity
        )
        texts = captions(segment_id, granularity.value)
        made = tuple(
            template.model_copy(update={"text": text, "completion_index": place}) for place, text in enumerate(texts)
        )
        if made:
            sets.append(CaptionSet(granularity=granularity, candidates=made, attempts=1))
    return annotation.model_copy(update={"caption_sets": tuple(sets)})


def write_run(writer: RunWriter, root: Path) -> Path:
    """A run of two units."""
    return writer.write(root, SPOKEN, change=told)


def write_release(writer: RunWriter, root: Path) -> Path:
    """A release of three splits, with audio."""
    run = write_run(writer, root / "run")
    tables: tuple[Table, ...] = ("data", "candidates")
    rows: dict[Table, list[Row]] = {
        table: [row for file in sorted((run / table).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
        for table in tables
    }
    for row in rows["data"]:
        row.update(split=SPLIT_OF[row["speaker"]], transcript='A "line"\nand </script> another')
    rows["data"].sort(key=lambda row: list(SPLIT_OF.values()).index(row["split"]))
    made = lay_out(root / "release", rows, row_group_rows=2)
    made.finish([])
    return made.layout.root.on_disk()


def rows_of(dataset: Dataset) -> dict[str, Row]:
    """All rows by their id."""
    paths = [dataset.root.on_disk() / part.files["data"].path for part in dataset.parts()]
    return {row["segment_id"]: row for path in paths for row in pq.read_table(path).to_pylist()}


def exported(where: Path, out: Path, name: FormatName, **options: Any) -> ExportRecord:
    """Makes an export."""
    dataset = open_dataset(where)
    return export(dataset, settings_for(name, dataset, **options), out)


def sha256_of(flac: bytes) -> str:
    """Of the samples in a FLAC file."""
    pcm_T, _ = soundfile.read(io.BytesIO(flac), dtype="int16")
    return sha256_of_samples(pcm_T)


def sha256_of_samples(pcm_T: Any) -> str:
    """Of 16-bit samples; floats are those of full scale 1."""
    samples_T = np.asarray(pcm_T)
    if samples_T.dtype.kind == "f":
        samples_T = np.round(samples_T * 32768)
    return hashlib.sha256(samples_T.astype("<i2").tobytes()).hexdigest()


Read = tuple[str, list[str], list[str], str]
"""What a library reads of a clip: id, global captions, fine captions, sha256 of the samples."""


def assert_same(read: Iterable[Read], expected: dict[str, Row]) -> None:
    """Every caption is on its own clip, and none is lost."""
    found = {segment_id: rest for segment_id, *rest in read}
    assert len(found) == len(expected)
    for segment_id, row in expected.items():
        global_captions, fine_captions, sha256 = found[segment_id]
        assert global_captions == captions(segment_id, "global") == row["global_captions"]
        assert fine_captions == captions(segment_id, "fine") == row["fine_captions"]
        assert sha256 == row["audio_sha256"], segment_id

"""Large finished runs by reference, made from whole columns, and the same with a few rows changed.

Enters: a folder, a number of rows, and which of two versions. Leaves: a run with `data` and `candidates` of every row.
Nothing was heard and no audio exists; only the size and the kind of the tables are those of a real run.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fcaps_pipeline import __version__
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics
from fcaps_pipeline.shards.index import write_index
from fcaps_pipeline.shards.layout import RunLayout, ShardFile, Table, Totals
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, table_schema
from fcaps_pipeline.shards.table_writer import writer_options

_UNIT_ROWS = 10_000
_GROUP_ROWS = 1000
_SEGMENTS_PER_RECORDING = 20
_ROWS_PER_SPEAKER = 500
_WORDS: dict[str, tuple[str, ...]] = {
    "gender": ("female", "male"),
    "age_group": ("child", "young adult", "middle-aged", "elderly"),
    "pitch": ("low", "medium", "high"),
    "rate": ("slow", "measured", "fast"),
    "volume": ("soft", "moderate", "loud"),
    "timbre": ("warm", "bright", "rough", "breathy", "nasal"),
    "emotion": ("calm", "happy", "sad", "angry", "tense"),
    "accent": ("unknown", "American", "British"),
}
_BEGINS = ("starts quietly", "begins briskly", "opens with a pause", "sets in loudly", "comes in hesitantly")
_ENDS = ("ends in a whisper", "grows louder", "slows down", "breaks off", "fades away", "rises at the end")
_LICENSES = ("cc-by-4.0", "cc0-1.0", "cc-by-nc-4.0")

Numbers = npt.NDArray[np.int64]


def write_run(root: Path, num_rows: int, *, is_later: bool) -> None:
    """Writes a finished run.

    Args:
        root: its folder.
        num_rows: of `data`.
        is_later: whether of every hundred rows one is reworded, and of every thousand five are gone and five new.
    """
    layout = RunLayout(root)
    files: list[ShardFile] = []
    for unit_index, start in enumerate(range(0, num_rows, _UNIT_ROWS)):
        numbers = np.arange(start, min(start + _UNIT_ROWS, num_rows))
        if is_later:
            gone = numbers % 200 == 3
            numbers = np.where(gone, numbers + 10 * num_rows, numbers)
        data, candidates = _unit(numbers, is_later=is_later)
        files.append(_write(layout, "data", unit_index, data))
        files.append(_write(layout, "candidates", unit_index, candidates))
    counts = dict.fromkeys(Totals.model_fields, 0)
    totals = Totals.model_validate({**counts, "num_segments": num_rows, "num_annotations": num_rows})
    lines = (file.model_dump_json() for file in files)
    write_index(layout, totals, lines, job_sha256="0" * 64, plan_sha256="1" * 64)


def _write(layout: RunLayout, table: Table, unit_index: int, columns: dict[str, pa.Array]) -> ShardFile:
    schema = table_schema(table)
    num_rows = len(columns["segment_id"])
    arrays = [columns.get(field.name, pa.nulls(num_rows, field.type)).cast(field.type) for field in schema]
    temporary = layout.root.on_disk() / f"{table}.parquet"
    temporary.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_arrays(arrays, schema=schema)
    pq.write_table(rows, temporary, row_group_size=_GROUP_ROWS, **writer_options(schema))
    sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
    name = layout.shard_name(table, unit_index, 1, sha256)
    num_bytes = temporary.stat().st_size
    (layout.root / name).on_disk().parent.mkdir(exist_ok=True)
    temporary.rename((layout.root / name).on_disk())
    return ShardFile(table=table, path=name, num_rows=num_rows, num_bytes=num_bytes, sha256=sha256)


def _unit(numbers: Numbers, *, is_later: bool) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """The columns of both tables."""
    count = len(numbers)
    rng = np.random.default_rng(int(numbers[0]))
    start = numbers % _SEGMENTS_PER_RECORDING * 10 * SAMPLE_RATE_HZ
    end = start + 2 * SAMPLE_RATE_HZ + numbers * 7919 % (6 * SAMPLE_RATE_HZ)
    recording = _text("utt", numbers // _SEGMENTS_PER_RECORDING)
    segment = _joined(recording, "-c0-", _digits(start), "-", _digits(end))
    profile = {name: _drawn(numbers, words, place) for place, (name, words) in enumerate(_WORDS.items(), 1)}
    whole, fine, other = _captions(numbers, profile, is_later=is_later)
    ids = [_joined(_text(name, numbers), "-0") for name in ("w", "f", "o", "x")]
    wordings = pa.array(["{}"] * count)
    data = {
        "segment_id": segment,
        "audio_sha256": pa.array([hashlib.sha256(b"%d" % number).hexdigest() for number in numbers.tolist()]),
        "recording_id": recording,
        "source": _joined(recording, ".flac"),
        "location": _joined("/speech/", recording, ".flac"),
        "speaker": _text("voice", numbers // _ROWS_PER_SPEAKER),
        "language": pa.array(["en"] * count),
        "license": _drawn(numbers // _ROWS_PER_SPEAKER, _LICENSES, 0),
        "extra": wordings,
        "channel": pa.array(["0"] * count),
        "num_channels": pa.array([1] * count),
        "start_samples": pa.array(start),
        "end_samples": pa.array(end),
        "start_s": pa.array(start / SAMPLE_RATE_HZ),
        "end_s": pa.array(end / SAMPLE_RATE_HZ),
        "duration_s": pa.array((end - start) / SAMPLE_RATE_HZ),
        "sample_rate_hz": pa.array([SAMPLE_RATE_HZ] * count),
        **{name: pa.array(rng.integers(0, 1000, count) / 10).cast(pa.float32()) for name in Acoustics.model_fields},
        "num_pauses": pa.array(rng.integers(0, 5, count)),
        **profile,
        "global_captions": _lists(whole),
        "fine_captions": _lists(fine, other),
        "captions": _captions_with_ids([("global", whole, ids[0]), ("fine", fine, ids[1]), ("fine", other, ids[2])]),
        **_versions("data", count),
    }
    return data, _candidates(segment, profile, ids, [whole, fine, other, pa.array(["No noise is heard."] * count)])


def _captions(numbers: Numbers, profile: dict[str, pa.Array], *, is_later: bool) -> tuple[pa.Array, ...]:
    gender, age, pitch, rate = (profile[name] for name in ("gender", "age_group", "pitch", "rate"))
    reworded = pa.array((numbers % 100 == 7) & is_later)
    speaks = pc.if_else(reworded, "talks", "speaks")
    whole = _joined("A ", age, " ", gender, " voice with a ", pitch, " pitch ", speaks, " at a ", rate, " pace, ")
    whole = _joined(whole, profile["timbre"], " and ", profile["emotion"], " throughout the whole recording.")
    begins, ends = _drawn(numbers, _BEGINS, 11), _drawn(numbers, _ENDS, 12)
    fine = _joined(
        "The ", gender, " speaker ", begins, ", stays ", profile["volume"], " for a while, and then ", ends, "."
    )
    other = _joined("At first the voice ", begins, "; it is ", profile["timbre"], ", and after a pause it ", ends, ".")
    return whole, fine, other


def _candidates(
    segment: pa.Array, profile: dict[str, pa.Array], ids: list[pa.Array], texts: list[pa.Array]
) -> dict[str, pa.Array]:
    """Four answers about each row, of which the last was dropped."""
    count, per_row = len(segment), len(texts)
    order = pa.array(np.arange(count * per_row).reshape(per_row, count).T.ravel())
    rows = count * per_row
    is_global, is_kept = (np.tile(flags, count) for flags in ([True] + [False] * 3, [True] * 3 + [False]))
    same = {
        "engine": "vllm",
        "engine_version": "0.32.0",
        "model": "Qwen/Qwen3-Omni-30B-A3B-Captioner",
        "model_revision": "a" * 40,
        "prompt_name": "fine",
        "prompt_sha256": "b" * 64,
        "sampling": '{"temperature":0.6,"top_p":0.95,"top_k":20,"max_tokens":512,"repetition_penalty":1.0}',
        "finish_reason": "stop",
    }
    none, dropped = pa.array([[]], pa.list_(pa.string())), pa.array([["absence"]], pa.list_(pa.string()))
    reasons = pa.concat_arrays([none, dropped]).take(pa.array(np.where(is_kept, 0, 1)))
    keys = pa.concat_arrays(ids).take(order)
    fields = {name: pc.if_else(pa.array(is_global), _repeated(one, per_row), None) for name, one in profile.items()}
    return {
        "segment_id": _repeated(segment, per_row),
        "candidate_id": keys,
        "granularity": pc.if_else(pa.array(is_global), "global", "fine"),
        "text": pa.concat_arrays(texts).take(order),
        **fields,
        "kept": pa.array(is_kept),
        "reasons": reasons,
        "details": reasons,
        "attempt": pa.array(np.ones(rows, np.int32)),
        "request_key": _joined(keys, "0" * 40),
        "completion_index": pa.array(np.zeros(rows, np.int32)),
        "num_prompt_tokens": pa.array(np.full(rows, 160, np.int32)),
        "num_output_tokens": pa.array(np.full(rows, 60, np.int32)),
        "prompt_version": pa.array(np.ones(rows, np.int32)),
        **{name: pa.array([value] * rows) for name, value in same.items()},
        **_versions("candidates", rows),
    }


def _versions(table: Table, count: int) -> dict[str, pa.Array]:
    return {
        "schema_version": pa.array([SCHEMA_VERSIONS[table]] * count),
        "fcaps_version": pa.array([__version__] * count),
    }


def _repeated(column: pa.Array, times: int) -> pa.Array:
    return column.take(pa.array(np.repeat(np.arange(len(column)), times)))


def _drawn(numbers: Numbers, words: tuple[str, ...], place: int) -> pa.Array:
    """A word for each number, the same in every run."""
    mixed = (numbers.astype(np.uint64) + np.uint64(place * 1_000_003)) * np.uint64(0x9E3779B97F4A7C15)
    return pa.array(words).take(pa.array(((mixed >> np.uint64(33)) % np.uint64(len(words))).astype(np.int64)))


def _digits(numbers: Numbers) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _text(prefix: str, numbers: Numbers) -> pa.Array:
    return _joined(prefix, _digits(numbers))


def _joined(*parts: str | pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _lists(*columns: pa.Array) -> pa.Array:
    """A list per row, with a value of each column."""
    count, width = len(columns[0]), len(columns)
    order = pa.array(np.arange(count * width).reshape(width, count).T.ravel())
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays(columns).take(order))


def _captions_with_ids(captions: list[tuple[str, pa.Array, pa.Array]]) -> pa.Array:
    columns = [
        pa.StructArray.from_arrays(
            [pa.array([granularity] * len(texts)), texts, ids], ["granularity", "text", "candidate_id"]
        )
        for granularity, texts, ids in captions
    ]
    return _lists(*columns)

"""The columns of the five tables of a run: names, types, meaning, versions.

`data` has one row per Annotation, `rejections` one per Rejection, `failures` one per Failure, `candidates` one per
Candidate of any of them, keyed by segment_id, `recordings` one per Recording, whatever became of it. The columns that
describe a Segment are the same in all of them. This is the one place that names them: writers, readers, and the tables
of `README.md`, follow it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics, Channel
from fcaps_pipeline.records.base import as_files_say
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.shards.layout import Table

SCHEMA_VERSIONS: dict[Table, int] = {"data": 2, "rejections": 2, "failures": 2, "candidates": 2, "recordings": 2}

SCHEMA_CHANGES: dict[int, str] = {
    2: "candidates became a table of their own; the profile, corpus, split, location and warnings became columns; "
    "licence is called license; events are in samples",
}
"""What each version changed in the tables, for those who hold rows of an earlier one."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    kind: pa.DataType
    meaning: str
    nullable: bool = True

    @property
    def field(self) -> pa.Field:
        """As Arrow has it."""
        return pa.field(self.name, self.kind, nullable=self.nullable)


def _needed(name: str, kind: pa.DataType, meaning: str) -> Column:
    return Column(name, kind, meaning, nullable=False)


def _in_a_table(docstring: str) -> str:
    """A docstring as the meaning of a column: None is null there."""
    return as_files_say(docstring.rstrip("."))


_TEXT, _COUNT, _LONG, _SHARE = pa.string(), pa.int32(), pa.int64(), pa.float32()
_SECONDS = pa.float64()

_WARNINGS = Column(
    "warnings",
    pa.list_(
        pa.struct([("name", _TEXT), ("detail", _TEXT), ("start_samples", _LONG), ("end_samples", _LONG)]),
    ),
    "what is doubtful about the sound, from the start of the Recording; samples are null where it concerns all of it, "
    "the list is empty where nothing is doubtful",
)
_VERSIONS = [
    _needed("schema_version", _COUNT, "version of this table's columns"),
    _needed("fcaps_version", _TEXT, "version of this package that wrote the row"),
]

_RECORDING_ID = _needed("recording_id", _TEXT, "id of the Recording, from the manifest or the relative path")
_RECORDING_SHA256 = Column("recording_sha256", _TEXT, "sha256 of the file's bytes; null where it could not be read")
_SOURCE = _needed("source", _TEXT, "path of the audio relative to the root of the source")

_RECORDING = [
    _RECORDING_ID,
    _RECORDING_SHA256,
    _SOURCE,
    _needed("location", _TEXT, "where the audio was read from; `source` in a release that holds the samples"),
    Column("corpus", _TEXT, "name of the corpus, where the source gives one"),
    Column("split", _TEXT, "null in a run; a release sets it"),
    Column("source_rate_hz", _COUNT, "sampling rate of the file"),
    Column("num_channels", _COUNT, "channels of the file"),
    Column("recording_transcript", _TEXT, "words of the whole Recording, where the source says so"),
    Column("language", _TEXT, "BCP 47 tag of what is spoken"),
    Column("tags", pa.list_(_TEXT), "human tags of the style"),
    Column("license", _TEXT, "license of the Recording"),
    Column("extra", _TEXT, "the manifest's own fields, as a JSON object"),
]

_SEGMENT = [
    Column("channel", _TEXT, "channel counted from 0, or `mix`"),
    Column("start_samples", _LONG, "first sample in the Recording, at 16 kHz"),
    Column("end_samples", _LONG, "sample after the last, at 16 kHz"),
    Column("start_s", _SECONDS, "start in seconds"),
    Column("end_s", _SECONDS, "end in seconds"),
    Column("duration_s", _SECONDS, "length in seconds"),
    Column("sample_rate_hz", _COUNT, "rate of the samples, 16000"),
    Column("speaker", _TEXT, "who speaks, where the source says so"),
    Column("speaker_gender", _TEXT, "gender of the speaker, where the source says so"),
    Column("transcript", _TEXT, "words of the Segment; null where unknown"),
]

_ACOUSTICS = [
    Column(name, _COUNT if info.annotation is int else _SHARE, _in_a_table(info.description or ""))
    for name, info in Acoustics.model_fields.items()
]

_PROFILE_OF_ROW = [
    Column(name, _TEXT, f"{name.replace('_', ' ')} that most global captions state; null where unknown")
    for name in Profile.model_fields
]
_PROFILE_OF_CANDIDATE = [
    Column(name, _TEXT, f"{name.replace('_', ' ')} as this answer fills the field; null for prose and invalid answers")
    for name in Profile.model_fields
]

_SPAN = [("start_samples", _LONG), ("end_samples", _LONG)]
_EVIDENCE = pa.struct(
    [
        *[(name, _TEXT) for name in ("tool", "tier", "value", "unit", "expected")],
        ("interval", pa.struct(_SPAN)),
        ("confidence", _SHARE),
    ]
)
_CLAIM = pa.struct(
    [
        ("attribute", _TEXT),
        ("value", _TEXT),
        ("span", pa.struct([("start", _COUNT), ("end", _COUNT)])),
        ("interval", pa.struct(_SPAN)),
        ("result", _TEXT),
        ("evidence", pa.list_(_EVIDENCE)),
    ]
)

_SEGMENT_ID = _needed("segment_id", _TEXT, "recording, channel, first and last sample")
_AUDIO_SHA256 = Column("audio_sha256", _TEXT, "sha256 of the samples as 16-bit little-endian PCM at 16 kHz")

COLUMNS: dict[Table, tuple[Column, ...]] = {
    "data": (
        _SEGMENT_ID,
        Column(
            "audio",
            pa.struct([("bytes", pa.binary()), ("path", _TEXT)]),
            "FLAC, mono, 16 bit, 16 kHz, and a file name for it; null where the job says `audio: reference`",
        ),
        _needed("audio_sha256", _TEXT, _AUDIO_SHA256.meaning),
        *_RECORDING,
        *_SEGMENT,
        *_ACOUSTICS,
        *_PROFILE_OF_ROW,
        Column("global_captions", pa.list_(_TEXT), "kept captions of the voice as a whole, best first"),
        Column("fine_captions", pa.list_(_TEXT), "kept captions of the delivery in time, best first"),
        Column(
            "captions",
            pa.list_(pa.struct([("granularity", _TEXT), ("text", _TEXT), ("candidate_id", _TEXT)])),
            "the same captions with their ids in `candidates`",
        ),
        Column(
            "missing",
            pa.list_(pa.struct([("field", _TEXT), ("reason", _TEXT)])),
            "fields of this row that were asked for and stayed empty, and why",
        ),
        Column(
            "events",
            pa.list_(
                pa.struct([("phrase", _TEXT), *_SPAN, ("source", _TEXT), ("confidence", _SHARE)]),
            ),
            "phrases true of an interval, in samples from the start of the Segment; null where nobody looked",
        ),
        _WARNINGS,
        *_VERSIONS,
    ),
    "rejections": (
        _SEGMENT_ID,
        _AUDIO_SHA256,
        *_RECORDING,
        *_SEGMENT,
        *_ACOUSTICS,
        _needed("reason", _TEXT, "granularity and rules, most frequent first"),
        _needed("attempts", _COUNT, "how often the Segment was asked about, at most"),
        _WARNINGS,
        *_VERSIONS,
    ),
    "failures": (
        Column("segment_id", _TEXT, "null where the whole Recording failed"),
        _AUDIO_SHA256,
        *_RECORDING,
        *_SEGMENT,
        *_ACOUSTICS,
        _needed("stage", _TEXT, "`decode`, `segment`, `caption` or `verify`"),
        _needed("error", _TEXT, "class of the error"),
        _needed("message", _TEXT, "what happened"),
        _needed("attempts", _COUNT, "how often it was tried"),
        _WARNINGS,
        *_VERSIONS,
    ),
    "candidates": (
        _SEGMENT_ID,
        _needed(
            "candidate_id", _TEXT, "the same answer to the same question has one id in every run; unique in a Segment"
        ),
        _needed("granularity", _TEXT, "`global` or `fine`"),
        _needed("text", _TEXT, "the caption; the raw answer where it could not be parsed"),
        Column("answer", _TEXT, "the raw answer; null where it is the text"),
        *_PROFILE_OF_CANDIDATE,
        _needed("kept", pa.bool_(), "whether it is a caption of the row"),
        Column("reasons", pa.list_(_TEXT), "rules against it"),
        Column("details", pa.list_(_TEXT), "for each reason, what gave rise to it"),
        Column(
            "scores",
            pa.list_(
                pa.struct(
                    [
                        *[(name, _TEXT) for name in ("attribute", "value", "measure")],
                        ("measured", _SHARE),
                        ("score", _SHARE),
                    ]
                ),
            ),
            "how far each checked statement lies from its measurement: share of true statements as far out or further",
        ),
        Column(
            "claims", pa.list_(_CLAIM), "what the caption states, with result and evidence; null where not taken apart"
        ),
        Column(
            "repairs",
            pa.list_(_TEXT),
            "sentences deleted from the answer, each with what spoke against it; null in runs of earlier versions",
        ),
        Column("trajectory", _TEXT, "steps of a verifier as JSON; null where none was asked"),
        _needed("attempt", _COUNT, "how often the Segment had been asked then, from 1"),
        _needed(
            "request_key", _TEXT, "sha256 of the question: samples, prompt, model, sampling, seed, attempt, grammar"
        ),
        _needed("completion_index", _COUNT, "place among the answers to the request, from 0"),
        Column("seed", _LONG, "seed of the answer; null where it was drawn without"),
        _needed("finish_reason", _TEXT, "`stop`, `length` or `repetition`"),
        _needed("num_prompt_tokens", _COUNT, "tokens of audio and prompt"),
        _needed("num_output_tokens", _COUNT, "tokens of the answer"),
        _needed("engine", _TEXT, "kind of engine"),
        _needed("engine_version", _TEXT, "its version"),
        _needed("model", _TEXT, "model as the job names it"),
        _needed("model_revision", _TEXT, "hub commit, or hash of the folder"),
        Column("engine_args", _TEXT, "arguments of the engine that decide its answers, as JSON; null where none"),
        _needed("prompt_name", _TEXT, "name of the prompt"),
        _needed("prompt_version", _COUNT, "version of the prompt"),
        _needed("prompt_sha256", _TEXT, "sha256 of the text of the prompt"),
        _needed("sampling", _TEXT, "sampling as used, as JSON"),
        _WARNINGS,
        *_VERSIONS,
    ),
    "recordings": (
        _RECORDING_ID,
        _RECORDING_SHA256,
        _SOURCE,
        _needed("outcome", _TEXT, "`segmented`, `no_speech`, `too_short`, `too_long` or `failed`"),
        _needed("num_segments", _COUNT, "Segments of the Recording"),
        _needed("duration_s", _SECONDS, "audio decoded, per channel, in seconds"),
        _needed("speech_s", _SECONDS, "speech found, in seconds"),
        _needed("num_discarded", _COUNT, "stretches of speech that no Segment could hold, too short or too long"),
        _needed("discarded_s", _SECONDS, "length of these stretches in seconds"),
        _needed("num_forced_cuts", _COUNT, "Segments that end inside speech, because it went on without a pause"),
        Column(
            "notes", pa.list_(_TEXT), "channels left out and why, and where speech is if not where it was looked for"
        ),
        Column(
            "warning_counts",
            pa.list_(pa.struct([("name", _TEXT), ("count", _COUNT)])),
            "how often each warning was given",
        ),
        *_VERSIONS,
    ),
}


@cache
def plain_schema(table: Table) -> pa.Schema:
    """The columns of a table, which is all that readers need."""
    return pa.schema([column.field for column in COLUMNS[table]])


@cache
def table_schema(table: Table) -> pa.Schema:
    """Schema as it is written; that of `data` has the metadata from which `datasets` knows the Audio feature."""
    plain = plain_schema(table)
    metadata = {"fcaps_table": table, "fcaps_schema_version": str(SCHEMA_VERSIONS[table])}
    if table == "data":
        metadata["huggingface"] = json.dumps({"info": {"features": _features(plain)}})
    return plain.with_metadata(metadata)


def channel_of(row: Row) -> Channel:
    """The channel of a row, which its column holds as text."""
    return "mix" if row["channel"] == "mix" else int(row["channel"])


def missing_columns(table: Table, found: pa.Schema) -> list[str]:
    """Columns that a file has with another type, or lacks though no row goes without them.

    Columns of its own do no harm. One that may be null and came after the file was written is null in all of its rows,
    so that adding it makes nothing unreadable.
    """
    return [
        column.name
        for column in COLUMNS[table]
        if (found.field(column.name).type != column.kind if column.name in found.names else not column.nullable)
    ]


def with_all_columns(table: Table, rows: pa.Table, names: Iterable[str] | None = None) -> pa.Table:
    """Rows of a file with null in the columns that came after it was written.

    Args:
        table: which table they are of.
        rows: as they were read.
        names: columns that were asked for; None for all.
    """
    schema = plain_schema(table)
    for name in schema.names if names is None else names:
        if name in schema.names and name not in rows.column_names:
            rows = rows.append_column(schema.field(name), pa.nulls(len(rows), schema.field(name).type))
    return rows


def version_mismatch(table: Table, found: int) -> str | None:
    """Why rows of a version cannot be read, and what became different since; None where they can."""
    expected = SCHEMA_VERSIONS[table]
    if found == expected:
        return None
    if found > expected:
        return f"has schema version {found} of {table}, this version reads {expected}; update fcaps-pipeline"
    since = "; ".join(f"version {number}: {SCHEMA_CHANGES[number]}" for number in range(found + 1, expected + 1))
    return f"has schema version {found} of {table}, this version reads {expected} ({since}); write it again"


def _features(plain: pa.Schema) -> dict[str, Any]:
    from datasets import Audio, Features

    features = Features.from_arrow_schema(plain)
    features["audio"] = Audio(sampling_rate=SAMPLE_RATE_HZ)
    described: dict[str, Any] = features.to_dict()
    return described


def column_page() -> str:
    """The columns of all tables in Markdown, each meaning once, as they stand in the README of this wing."""
    tables: dict[tuple[str, str, str], list[str]] = {}
    for table, columns in COLUMNS.items():
        for one in columns:
            tables.setdefault((one.name, _kind_name(one.kind), one.meaning), []).append(table)
    lines = [
        f"| `{name}` | {'all' if len(where) == len(COLUMNS) else ', '.join(where)} | {kind} | {meaning} |"
        for (name, kind, meaning), where in tables.items()
    ]
    return "\n".join(["| column | table | type | meaning |", "|---|---|---|---|", *lines]) + "\n"


def _kind_name(kind: pa.DataType) -> str:
    return f"`{kind}`".replace("element: ", "").replace("item: ", "")

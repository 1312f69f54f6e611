"""Arrow schemas of the three tables of a run, and how outcomes become rows.

`data` has one row per Annotation, `rejections` one per Rejection, `failures` one per Failure. The
columns that describe a Segment are the same in all of them. Captions stand twice: as plain lists
of strings for trainers, and in `candidates` with verdict and provenance, dropped ones included.
"""

import hashlib
import json
from functools import cache
from typing import Any

import pyarrow as pa

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.records.annotations import Annotation, Candidate, CaptionSet, Failure, Rejection
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.captions import Granularity

SCHEMA_VERSION = 1

Row = dict[str, Any]

_RECORDING_FIELDS = [
    pa.field("recording_id", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("recording_transcript", pa.string()),
    pa.field("language", pa.string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("licence", pa.string()),
]

_SEGMENT_FIELDS = [
    pa.field("channel", pa.string()),
    pa.field("start_samples", pa.int64()),
    pa.field("end_samples", pa.int64()),
    pa.field("start_s", pa.float64()),
    pa.field("end_s", pa.float64()),
    pa.field("duration_s", pa.float64()),
    pa.field("sample_rate_hz", pa.int32()),
    pa.field("speaker", pa.string()),
    pa.field("transcript", pa.string()),
]

_ACOUSTICS_FIELDS = [
    pa.field(name, pa.int32() if info.annotation is int else pa.float32())
    for name, info in Acoustics.model_fields.items()
]

_CANDIDATE_TYPE = pa.struct(
    [
        pa.field("granularity", pa.string()),
        pa.field("text", pa.string()),
        pa.field("attributes", pa.string()),
        pa.field("kept", pa.bool_()),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("details", pa.list_(pa.string())),
        pa.field("attempt", pa.int32()),
        pa.field("seed", pa.int64()),
        pa.field("finish_reason", pa.string()),
        pa.field("num_prompt_tokens", pa.int32()),
        pa.field("num_output_tokens", pa.int32()),
        pa.field("request_key", pa.string()),
        pa.field("engine", pa.string()),
        pa.field("engine_version", pa.string()),
        pa.field("model", pa.string()),
        pa.field("model_revision", pa.string()),
        pa.field("prompt_name", pa.string()),
        pa.field("prompt_version", pa.int32()),
        pa.field("prompt_sha256", pa.string()),
        pa.field("sampling", pa.string()),
    ]
)

_SCHEMA_VERSION_FIELD = pa.field("schema_version", pa.int32(), nullable=False)

REJECTION_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        *_RECORDING_FIELDS,
        *_SEGMENT_FIELDS,
        pa.field("location", pa.string(), nullable=False),
        *_ACOUSTICS_FIELDS,
        pa.field("reason", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("candidates", pa.list_(_CANDIDATE_TYPE)),
        _SCHEMA_VERSION_FIELD,
    ]
)

FAILURE_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string()),
        *_RECORDING_FIELDS,
        *_SEGMENT_FIELDS,
        pa.field("location", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("candidates", pa.list_(_CANDIDATE_TYPE)),
        _SCHEMA_VERSION_FIELD,
    ]
)

_PLAIN_DATA_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("audio", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])),
        pa.field("audio_sha256", pa.string(), nullable=False),
        *_RECORDING_FIELDS,
        *_SEGMENT_FIELDS,
        *_ACOUSTICS_FIELDS,
        pa.field("global_captions", pa.list_(pa.string())),
        pa.field("fine_captions", pa.list_(pa.string())),
        pa.field("candidates", pa.list_(_CANDIDATE_TYPE)),
        _SCHEMA_VERSION_FIELD,
    ]
)


_EVENTS = pa.field(
    "events", pa.list_(pa.struct([("phrase", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())]))
)


@cache
def data_schema(*, timed: bool = False) -> pa.Schema:
    """Schema of the shards, with the metadata from which `datasets` knows the Audio feature.

    Args:
        timed: with the column `events`, phrases that are true of an interval of the row, in seconds from its start.
    """
    from datasets import Audio, Features

    plain = _PLAIN_DATA_SCHEMA.append(_EVENTS) if timed else _PLAIN_DATA_SCHEMA
    features = Features.from_arrow_schema(plain)
    features["audio"] = Audio(sampling_rate=SAMPLE_RATE_HZ)
    info = json.dumps({"info": {"features": features.to_dict()}})
    return plain.with_metadata({"huggingface": info, "fcaps_schema_version": str(SCHEMA_VERSION)})


def annotation_row(annotation: Annotation, audio: SegmentAudio) -> Row:
    """Row of `data`; the audio becomes 16-bit FLAC."""
    return {
        "segment_id": annotation.segment.segment_id,
        "audio": {"bytes": encode_flac(audio.pcm_T), "path": f"{annotation.segment.segment_id}.flac"},
        "audio_sha256": hashlib.sha256(audio.pcm_T.tobytes()).hexdigest(),
        **recording_columns(annotation.recording),
        **segment_columns(annotation.segment, annotation.recording),
        **annotation.acoustics.model_dump(),
        "global_captions": _kept_texts(annotation.caption_sets, Granularity.GLOBAL),
        "fine_captions": _kept_texts(annotation.caption_sets, Granularity.FINE),
        "candidates": _candidate_rows(annotation.caption_sets),
        "schema_version": SCHEMA_VERSION,
    }


def rejection_row(rejection: Rejection) -> Row:
    """Row of `rejections`, with every text and reason; the audio is referred to by location and interval."""
    return {
        "segment_id": rejection.segment.segment_id,
        **recording_columns(rejection.recording),
        **segment_columns(rejection.segment, rejection.recording),
        "location": rejection.recording.location,
        **rejection.acoustics.model_dump(),
        "reason": rejection.reason,
        "attempts": max((caption_set.attempts for caption_set in rejection.caption_sets), default=0),
        "candidates": _candidate_rows(rejection.caption_sets),
        "schema_version": SCHEMA_VERSION,
    }


def failure_row(failure: Failure) -> Row:
    """Row of `failures`; the columns of the Segment are empty where the whole Recording failed."""
    segment = failure.segment
    return {
        "segment_id": None if segment is None else segment.segment_id,
        **recording_columns(failure.recording),
        **({} if segment is None else segment_columns(segment, failure.recording)),
        "location": failure.recording.location,
        "stage": failure.stage,
        "error": failure.error,
        "message": failure.message,
        "attempts": failure.attempts,
        "candidates": _candidate_rows(failure.caption_sets),
        "schema_version": SCHEMA_VERSION,
    }


def recording_columns(recording: Recording) -> Row:
    """What every table says of the Recording."""
    return {
        "recording_id": recording.recording_id,
        "source": recording.source,
        "recording_transcript": recording.transcript,
        "language": recording.language,
        "tags": list(recording.tags),
        "licence": recording.licence,
    }


def segment_columns(segment: Segment, recording: Recording) -> Row:
    """What every table says of the Segment."""
    return {
        "channel": str(segment.channel),
        "start_samples": segment.start_samples,
        "end_samples": segment.end_samples,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "duration_s": segment.duration_s,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "speaker": segment.speaker or recording.speaker,
        "transcript": segment.transcript,
    }


def _kept_texts(caption_sets: tuple[CaptionSet, ...], granularity: Granularity) -> list[str]:
    return [
        candidate.text
        for caption_set in caption_sets
        if caption_set.granularity is granularity
        for candidate in caption_set.kept
    ]


def _candidate_rows(caption_sets: tuple[CaptionSet, ...]) -> list[Row]:
    return [_candidate_row(candidate) for caption_set in caption_sets for candidate in caption_set.candidates]


def _candidate_row(candidate: Candidate) -> Row:
    completion, provenance = candidate.completion, candidate.provenance
    return {
        "granularity": candidate.granularity.value,
        "text": candidate.text,
        "attributes": None if candidate.attributes is None else candidate.attributes.model_dump_json(),
        "kept": candidate.verdict.kept,
        "reasons": list(candidate.verdict.reasons),
        "details": list(candidate.verdict.details),
        "attempt": candidate.attempt,
        "seed": completion.seed,
        "finish_reason": completion.finish_reason,
        "num_prompt_tokens": completion.num_prompt_tokens,
        "num_output_tokens": completion.num_output_tokens,
        "request_key": candidate.request_key,
        **provenance.model_dump(exclude={"sampling"}),
        "sampling": provenance.sampling.model_dump_json(),
    }

"""From outcomes to rows of the tables.

Enters: what became of a Segment, with its audio. Leaves: plain values, by the columns of `schema`. Captions stand
twice: as plain lists of strings for trainers, and with the ids of their candidates.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from fcaps_pipeline import __version__
from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.records.annotations import Annotation, Candidate, Failure, Rejection, SegmentOutcome
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.captions import GlobalCaption, Granularity, Profile
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, Row


def annotation_row(annotation: Annotation, audio: SegmentAudio, *, embed: bool = True) -> Row:
    """Row of `data`.

    Args:
        annotation: what became of the Segment.
        audio: its samples.
        embed: whether the row holds them, as 16-bit FLAC, or refers to them.
    """
    kept = [one for found in annotation.caption_sets for one in found.kept]
    events = annotation.events
    return {
        "segment_id": annotation.segment.segment_id,
        "audio": audio_value(annotation.segment.segment_id, audio.pcm_T) if embed else None,
        "audio_sha256": audio.samples_sha256,
        **segment_columns(annotation.segment, annotation.recording),
        **annotation.acoustics.model_dump(),
        **annotation.profile.model_dump(),
        "global_captions": [one.text for one in kept if one.granularity is Granularity.GLOBAL],
        "fine_captions": [one.text for one in kept if one.granularity is Granularity.FINE],
        "captions": [
            {"granularity": one.granularity.value, "text": one.text, "candidate_id": one.candidate_id} for one in kept
        ],
        "missing": [one.model_dump() for one in annotation.missing],
        "events": None if events is None else [one.model_dump() for one in events],
        **versions("data"),
    }


def rejection_row(rejection: Rejection, audio: SegmentAudio) -> Row:
    """Row of `rejections`; the audio is referred to by location and interval."""
    return {
        "segment_id": rejection.segment.segment_id,
        "audio_sha256": audio.samples_sha256,
        **segment_columns(rejection.segment, rejection.recording),
        **rejection.acoustics.model_dump(),
        "reason": rejection.reason,
        "attempts": max((caption_set.attempts for caption_set in rejection.caption_sets), default=0),
        **versions("rejections"),
    }


def failure_row(failure: Failure, audio: SegmentAudio | None) -> Row:
    """Row of `failures`; the columns of the Segment are empty where the whole Recording failed."""
    segment, acoustics = failure.segment, failure.acoustics
    return {
        "segment_id": None if segment is None else segment.segment_id,
        "audio_sha256": None if audio is None else audio.samples_sha256,
        **(recording_columns(failure.recording) if segment is None else segment_columns(segment, failure.recording)),
        **({} if acoustics is None else acoustics.model_dump()),
        "stage": failure.stage,
        "error": failure.error,
        "message": failure.message,
        "attempts": failure.attempts,
        **versions("failures"),
    }


def candidate_rows(outcome: SegmentOutcome) -> list[Row]:
    """Rows of `candidates`: every answer about the Segment, kept or not."""
    if outcome.segment is None:
        return []
    about = {
        "segment_id": outcome.segment.segment_id,
        "warnings": _warnings(outcome.recording),
        **versions("candidates"),
    }
    return [{**_candidate_row(one), **about} for found in outcome.caption_sets for one in found.candidates]


def recording_columns(recording: Recording) -> Row:
    """What every table says of a Recording."""
    return {
        "recording_id": recording.recording_id,
        "recording_sha256": recording.sha256,
        "source": recording.source,
        "location": recording.location,
        "corpus": recording.corpus,
        "source_rate_hz": recording.source_rate_hz,
        "num_channels": recording.num_channels,
        "recording_transcript": recording.transcript,
        "language": recording.language,
        "tags": list(recording.tags),
        "license": recording.license,
        "extra": recording.extra,
        "warnings": _warnings(recording),
    }


def segment_columns(segment: Segment, recording: Recording) -> Row:
    """What every table says of a Segment and its Recording."""
    return {
        **recording_columns(recording),
        "channel": str(segment.channel),
        "start_samples": segment.start_samples,
        "end_samples": segment.end_samples,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "duration_s": segment.duration_s,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "speaker": segment.speaker or recording.speaker,
        "speaker_gender": recording.speaker_gender,
        "transcript": segment.transcript,
    }


def audio_value(segment_id: str, pcm_T: npt.NDArray[np.int16]) -> Row:
    """The samples of a row as 16-bit FLAC."""
    return {"bytes": encode_flac(pcm_T), "path": f"{segment_id}.flac"}


def samples_sha256(pcm_T: npt.NDArray[np.int16]) -> str:
    """What tells two Segments with the same samples."""
    return hashlib.sha256(pcm_T.tobytes()).hexdigest()


def versions(table: Table) -> Row:
    """What a row says of who wrote it."""
    return {"schema_version": SCHEMA_VERSIONS[table], "fcaps_version": __version__}


def global_caption_of(row: Row) -> GlobalCaption | None:
    """The answer that a row of `candidates` holds in fields; None for prose and for answers that are no profile."""
    if row["gender"] is None:
        return None
    return GlobalCaption(caption=row["text"], **{name: row[name] for name in Profile.model_fields})


def _warnings(recording: Recording) -> list[Row]:
    """Those that its copy of the Recording brings a Segment bear on it."""
    return [one.model_dump() for one in recording.warnings]


def _candidate_row(candidate: Candidate) -> Row:
    completion, provenance, attributes = candidate.completion, candidate.provenance, candidate.attributes
    return {
        "candidate_id": candidate.candidate_id,
        "granularity": candidate.granularity.value,
        "text": candidate.text,
        "answer": None if completion.text == candidate.text else completion.text,
        **({} if attributes is None else attributes.model_dump(include=set(Profile.model_fields))),
        "kept": candidate.verdict.kept,
        "reasons": list(candidate.verdict.reasons),
        "details": list(candidate.verdict.details),
        "scores": [one.model_dump() for one in candidate.verdict.scores],
        "claims": None if candidate.claims is None else [one.model_dump() for one in candidate.claims],
        "repairs": list(candidate.repairs),
        "trajectory": candidate.trajectory,
        "attempt": candidate.attempt,
        "request_key": candidate.request_key,
        "completion_index": candidate.completion_index,
        **completion.model_dump(exclude={"text", "engine", "engine_version"}),
        **provenance.model_dump(exclude={"sampling"}),
        "sampling": provenance.sampling.model_dump_json(),
    }

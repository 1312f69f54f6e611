"""A cut whose source has captions for it, as rows of `data` and `candidates`.

Enters: the sound of a cut, and `short_captions` and `long_captions` (global and fine) among its own fields, as FCaps
has them. Leaves: rows as an annotated Segment has. Nothing was measured or judged, so acoustics and profile are null;
each caption is a candidate that its source gave and nobody asked a model for.
"""

import hashlib
import json
from typing import Any

from fcaps_pipeline.annotate.segmentation.cuts import CutAudio
from fcaps_pipeline.annotate.sources.lines import json_text
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.rows import audio_value, samples_sha256, segment_columns, versions
from fcaps_pipeline.shards.schema import Row

ENGINE = "source"
"""In `engine` of candidates that came with the corpus."""
_FORMAT = "1"
_FIELDS = {"global": "short_captions", "fine": "long_captions"}
_ID_DIGITS = 24


def packed_rows(cut: CutAudio, recording: Recording, corpus: str, *, embed: bool) -> tuple[Row, list[Row]]:
    """The row of a cut and its candidates.

    Args:
        cut: with its sound.
        recording: as it was heard.
        corpus: whose captions they are.
        embed: whether the row holds the samples, or refers to them.

    Raises:
        RecordingError: its captions are no texts.
    """
    segment, sha256 = cut.segment, samples_sha256(cut.pcm_T)
    captions, extra = _taken_apart(recording)
    candidates = [
        _candidate(segment.segment_id, granularity, place, text, sha256, corpus)
        for granularity, texts in captions.items()
        for place, text in enumerate(texts)
    ]
    row = {
        "segment_id": segment.segment_id,
        "audio": audio_value(segment.segment_id, cut.pcm_T) if embed else None,
        "audio_sha256": sha256,
        **segment_columns(segment, recording.model_copy(update={"extra": extra})),
        "global_captions": captions["global"],
        "fine_captions": captions["fine"],
        "captions": [{name: one[name] for name in ("granularity", "text", "candidate_id")} for one in candidates],
        "missing": [],
        "events": None,
        **versions("data"),
    }
    return row, candidates


def _taken_apart(recording: Recording) -> tuple[dict[str, list[str]], str | None]:
    """Captions by granularity, and what else the source says of the cut."""
    extra: dict[str, Any] = {} if recording.extra is None else json.loads(recording.extra)
    captions = {granularity: _texts(recording, name, extra.pop(name, None)) for granularity, name in _FIELDS.items()}
    return captions, json_text(extra)


def _texts(recording: Recording, name: str, found: object) -> list[str]:
    listed = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise RecordingError(f"{recording.source}: {name} is {type(found).__name__}, expected a list of texts")
    return [text for text in listed if text.strip()]


def _candidate(segment_id: str, granularity: str, place: int, text: str, sha256: str, corpus: str) -> Row:
    key = hashlib.sha256(f"{sha256}\n{granularity}\n{text}".encode()).hexdigest()
    return {
        "segment_id": segment_id,
        "candidate_id": f"{key[:_ID_DIGITS]}-{place}",
        "granularity": granularity,
        "text": text,
        "kept": True,
        "reasons": [],
        "details": [],
        "scores": [],
        "attempt": 1,
        "request_key": key,
        "completion_index": place,
        "finish_reason": "stop",
        "num_prompt_tokens": 0,
        "num_output_tokens": 0,
        "engine": ENGINE,
        "engine_version": _FORMAT,
        "model": corpus,
        "model_revision": "",
        "prompt_name": ENGINE,
        "prompt_version": 1,
        "prompt_sha256": hashlib.sha256(b"").hexdigest(),
        "sampling": "{}",
        "warnings": [],
        **versions("candidates"),
    }

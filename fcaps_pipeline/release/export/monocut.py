"""A row as the MonoCut of Lhotse that FCaps was published in, field for field.

Global captions are `short_captions`, fine ones `long_captions`. Accent, pitch and speaking rate are those that people
gave, else those that most global captions state. Tags whose list no source names describe the delivery of a clip and
stand with the situational ones.

Source: the FCaps dataset card; lhotse/cut/mono.py, lhotse/audio/recording.py.
"""

import json
from typing import Any

from fcaps_pipeline.audio.location import is_url, local_path, parts_of
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.shards.schema import Row

_STATED = {"accent": "accent", "pitch": "pitch", "speaking_rate": "rate"}
"""Field of FCaps and column of the profile."""
_TAG_LISTS = ("intrinsic_tags", "situational_tags")
_SHAR = {"type": "shar", "channels": [0], "source": ""}


def written_cut(clip: Clip, path: str) -> Row:
    """The cut of a clip that has a file of its own.

    Args:
        clip: the row.
        path: of the file, relative to the export.
    """
    return _cut(clip.row, 0.0, 0, _own_recording(clip, {"type": "file", "channels": [0], "source": path}))


def shar_cut(clip: Clip) -> Row:
    """The cut of a clip whose sound lies in the tar beside; its recording stands there."""
    cut = _cut(clip.row, 0.0, 0, {"id": clip.segment_id})
    del cut["recording"]
    return cut


def shar_recording(clip: Clip) -> Row:
    """The recording that follows its sound in a tar of Shar."""
    return _own_recording(clip, _SHAR)


def referred_cut(clip: Clip) -> Row:
    """The cut of a clip in the file that it was cut from.

    Raises:
        UsageError: Lhotse cannot open it there.
    """
    row = clip.row
    if row["channel"] == "mix":
        raise _not_lhotse(row, "is the mean of several channels")
    places = [(row["location"], list(range(row["num_channels"] or 1)))]
    if clip.files is not None:
        places = [(file.location, list(file.channels)) for file in clip.files]
    rate_hz = row["source_rate_hz"] or SAMPLE_RATE_HZ
    duration_s = max(clip.recording_s or 0.0, row["end_samples"] / SAMPLE_RATE_HZ)
    recording = {
        "id": row["recording_id"],
        "sources": [_source(row, location, channels) for location, channels in places],
        "sampling_rate": rate_hz,
        "num_samples": round(duration_s * rate_hz),
        "duration": duration_s,
    }
    return _cut(row, row["start_samples"] / SAMPLE_RATE_HZ, int(row["channel"]), recording)


def _source(row: Row, location: str, channels: list[int]) -> Row:
    if not isinstance(parts_of(location), str):
        raise _not_lhotse(row, "lies inside another file")
    path = location if is_url(location) else str(local_path(location))
    return {"type": "url" if is_url(location) else "file", "channels": channels, "source": path}


def _not_lhotse(row: Row, why: str) -> UsageError:
    return UsageError(
        f"Segment {row['segment_id']} {why} ({row['location']}), which Lhotse cannot open; export without "
        "--by-reference, so that each clip gets a file"
    )


def _own_recording(clip: Clip, source: Row) -> Row:
    num_samples = clip.row["end_samples"] - clip.row["start_samples"]
    return {
        "id": clip.segment_id,
        "sources": [source],
        "sampling_rate": SAMPLE_RATE_HZ,
        "num_samples": num_samples,
        "duration": num_samples / SAMPLE_RATE_HZ,
    }


def _cut(row: Row, start_s: float, channel: int, recording: Row) -> Row:
    name, duration_s = row["segment_id"], (row["end_samples"] - row["start_samples"]) / SAMPLE_RATE_HZ
    supervision = {
        "id": name,
        "recording_id": recording["id"],
        "start": 0.0,
        "duration": duration_s,
        "channel": channel,
        "text": row["transcript"],
        "speaker": row["speaker"],
        "gender": row["speaker_gender"],
        "custom": _custom(row),
    }
    return {
        "id": name,
        "start": start_s,
        "duration": duration_s,
        "channel": channel,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut",
    }


def _custom(row: Row) -> Row:
    human, free = _human_tags(row["tags"] or [])
    lists = _named_lists(row["extra"])
    named = {tag for tags in lists.values() for tag in tags}
    return {
        "short_captions": row["global_captions"] or [],
        "long_captions": row["fine_captions"] or [],
        **{field: human.get(field) or row[column] for field, column in _STATED.items()},
        "intrinsic_tags": lists["intrinsic_tags"],
        "situational_tags": [*lists["situational_tags"], *(tag for tag in free if tag not in named)],
    }


def _human_tags(tags: list[str]) -> tuple[dict[str, str], list[str]]:
    """Tags such as `accent: Scottish` by their field, and the others."""
    human, free = dict[str, str](), list[str]()
    for tag in tags:
        name, colon, value = tag.partition(": ")
        field = name.replace(" ", "_")
        if colon and field in _STATED:
            human.setdefault(field, value)
        else:
            free.append(tag)
    return human, free


def _named_lists(extra: str | None) -> dict[str, list[str]]:
    """The lists of tags as a source of FCaps' own form had them."""
    content: Any = {} if extra is None else json.loads(extra)
    found = {name: content.get(name) if isinstance(content, dict) else None for name in _TAG_LISTS}
    return {
        name: [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        for name, tags in found.items()
    }

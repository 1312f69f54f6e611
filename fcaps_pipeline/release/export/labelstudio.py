"""Tasks of Label Studio: `tasks/<split>-NNNNN.json`, and `labelling.xml` with the configuration they fit.

Each caption is an editable text of its own, named by granularity and place (`global_1`, `fine_3`), filled in as a
prediction. The original stands in the data of the task, which an export of Label Studio gives back beside what people
made of it: `corrections` reads that. Audio lies in `audio/`, served as local files of the folder of the export, or
inside the task.

Source: labelstud.io, "Import preannotated data into Label Studio" and "Local storage".
"""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import json_text, write_clip
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord
from fcaps_pipeline.shards.schema import Row

GRANULARITIES = ("global", "fine")
SOUND, REASON = "audio", "reason"
"""Names of controls beside those of captions."""
_CONFIG = "labelling.xml"
_SERVED = "/data/local-files/?d="


class LabelStudio:
    """See `Form`."""

    audio: Audio = "written"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "LabelStudioShard":
        """See `Form`."""
        return LabelStudioShard(folder, f"{split}-{number:05d}", is_inline=settings.inline_audio)

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`."""
        most = (
            max((shard.max_global_captions for shard in shards), default=0),
            max((shard.max_fine_captions for shard in shards), default=0),
        )
        areas = (
            line for granularity, count in zip(GRANULARITIES, most, strict=True) for line in _areas(granularity, count)
        )
        (out / _CONFIG).write_text("\n".join((*_HEAD, *areas, *_TAIL)) + "\n", encoding="utf-8")


_HEAD = (
    "<View>",
    f'  <Audio name="{SOUND}" value="$audio"/>',
    '  <Text name="spoken" value="$transcript"/>',
)
_TAIL = (
    '  <Header value="Why"/>',
    f'  <TextArea name="{REASON}" toName="{SOUND}" rows="1" maxSubmissions="1" editable="true"/>',
    "</View>",
)


def _areas(granularity: str, count: int) -> Iterator[str]:
    for name in _names(granularity, count):
        yield f'  <Header value="{name.replace("_", " caption ").capitalize()}"/>'
        yield f'  <TextArea name="{name}" toName="{SOUND}" rows="3" maxSubmissions="1" editable="true"/>'


def _names(granularity: str, count: int) -> list[str]:
    return [f"{granularity}_{place}" for place in range(1, count + 1)]


class LabelStudioShard:
    """See `ShardWriter`."""

    def __init__(self, folder: Path, name: str, *, is_inline: bool) -> None:
        self._folder, self._name, self._is_inline = folder, name, is_inline
        path = folder / "tasks" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tasks = path.open("w", encoding="utf-8", newline="\n")
        self._separator = "[\n"

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        self._tasks.write(self._separator + json_text(_task(clip.row, self._sound(clip))))
        self._separator = ",\n"

    def close(self) -> None:
        """See `ShardWriter`."""
        self._tasks.write("\n]\n")
        self._tasks.close()

    def _sound(self, clip: Clip) -> str:
        if self._is_inline:
            return f"data:audio/flac;base64,{base64.b64encode(clip.flac).decode('ascii')}"
        path = f"audio/{self._name}/{clip.segment_id}.flac"
        write_clip(self._folder, path, clip.flac)
        return f"{_SERVED}{path}"


def _task(row: Row, sound: str) -> Row:
    captions = {
        name: text
        for granularity in GRANULARITIES
        for texts in [row[f"{granularity}_captions"] or []]
        for name, text in zip(_names(granularity, len(texts)), texts, strict=True)
    }
    result = [
        {"id": name, "from_name": name, "to_name": SOUND, "type": "textarea", "value": {"text": [text]}}
        for name, text in captions.items()
    ]
    return {
        "data": {
            "audio": sound,
            "segment_id": row["segment_id"],
            "transcript": row["transcript"] or "",
            "captions": captions,
        },
        "predictions": [{"model_version": f"fcaps {row['fcaps_version']}", "result": result}],
    }

"""Megatron Energon: WebDataset tars, prepared as `energon prepare` would; by reference, JSONL with its index.

A prepared dataset has `.nv-meta/` (shards with their counts, splits, and that samples are crude, so that a cooker of
the user makes them what a model wants) and beside each tar the places of its samples. By reference there is one
`<split>.jsonl` of rows with the location and interval of their audio.

Source: megatron/energon/flavors/webdataset/prepare.py, metadata.py, itar.py and flavors/jsonl/ijsonl.py of version 7.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import JsonLines
from fcaps_pipeline.release.export.form import WORK, Audio, ExportSettings, ShardRecord, ShardWriter, plain_fields
from fcaps_pipeline.release.export.webdataset import WebdatasetShard, tar_name

_META = ".nv-meta"
_PARTS = {"validation": "val", "dev": "val"}
"""Energon's name of a split."""
_ALWAYS = ("train", "val", "test")
_CRUDE = "__module__: megatron.energon\n__class__: CrudeWebdataset\n"


class Energon:
    """See `Form`."""

    audio: Audio = "either"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> ShardWriter:
        """See `Form`."""
        if settings.by_reference:
            return _ReferredShard(folder / _lines_name(split, number))
        return _TarShard(folder / tar_name(split, number))

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`."""
        if settings.by_reference:
            for split in dict.fromkeys(shard.split for shard in shards):
                _join(out, split, [shard for shard in shards if shard.split == split])
            return
        parts: dict[str, list[str]] = {name: [] for name in _ALWAYS}
        for shard in shards:
            parts.setdefault(_PARTS.get(shard.split, shard.split), []).append(tar_name(shard.split, shard.number))
        counts = {tar_name(shard.split, shard.number): shard.num_rows for shard in shards}
        meta = out / _META
        meta.mkdir(exist_ok=True)
        (meta / ".info.json").write_text(json.dumps({"shard_counts": counts}, indent=1), encoding="utf-8")
        # JSON is YAML.
        (meta / "split.yaml").write_text(json.dumps({"split_parts": parts, "exclude": []}, indent=1), encoding="utf-8")
        (meta / "dataset.yaml").write_text(_CRUDE, encoding="utf-8")


class _TarShard(WebdatasetShard):
    """A tar and the places of its samples."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._index = path.with_name(f"{path.name}.idx")

    def close(self) -> None:
        """See `ShardWriter`."""
        super().close()
        self._index.write_bytes(_places(self.starts))


class _ReferredShard:
    """Some lines of a split."""

    def __init__(self, path: Path) -> None:
        self._lines = JsonLines(path)

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        self._lines.add(plain_fields(clip.row))

    def close(self) -> None:
        """See `ShardWriter`."""
        self._lines.close()


def _lines_name(split: str, number: int) -> str:
    return f"{WORK}/lines/{split}-{number:05d}.jsonl"


def _join(out: Path, split: str, shards: Iterable[ShardRecord]) -> None:
    """One file of lines, and beside it where each begins and the last ends."""
    lines, index = out / f"{split}.jsonl", out / f"{split}.jsonl.idx"
    start, starts = 0, [0]
    with lines.open("wb") as joined:
        for shard in shards:
            with (out / _lines_name(split, shard.number)).open("rb") as part:
                for line in part:
                    joined.write(line)
                    start += len(line)
                    starts.append(start)
    index.write_bytes(_places(starts))


def _places(starts: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(starts)}Q", *starts)

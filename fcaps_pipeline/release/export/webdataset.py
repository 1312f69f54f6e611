"""WebDataset: `<split>-NNNNNN.tar` with `<segment_id>.flac` and `<segment_id>.json`, which holds all other columns.

Ids of Segments have no dots, so that the key of a sample is its id.
"""

from collections.abc import Sequence
from pathlib import Path

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import TarShard, json_text
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord, plain_fields


class Webdataset:
    """See `Form`."""

    audio: Audio = "written"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "WebdatasetShard":
        """See `Form`."""
        return WebdatasetShard(folder / tar_name(split, number))

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`: tars stand for themselves."""


def tar_name(split: str, number: int) -> str:
    """Of a shard."""
    return f"{split}-{number:06d}.tar"


class WebdatasetShard:
    """See `ShardWriter`."""

    def __init__(self, path: Path) -> None:
        self._tar = TarShard(path)
        self.starts: list[int] = []
        """Where each sample begins in the tar."""

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        self.starts.append(self._tar.num_bytes)
        self._tar.add(f"{clip.segment_id}.flac", clip.flac)
        self._tar.add(f"{clip.segment_id}.json", json_text(plain_fields(clip.row)).encode())

    def close(self) -> None:
        """See `ShardWriter`."""
        self.starts.append(self._tar.num_bytes)
        self._tar.close()

"""Lhotse Shar: `<split>/cuts.NNNNNN.jsonl.gz` beside `<split>/recording.NNNNNN.tar` with the FLAC of each cut.

Source: lhotse/shar/writers/audio.py, lhotse/shar/readers/lazy.py.
"""

from collections.abc import Sequence
from pathlib import Path

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import JsonLines, TarShard, json_text
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord
from fcaps_pipeline.release.export.monocut import shar_cut, shar_recording


class Shar:
    """See `Form`."""

    audio: Audio = "written"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "SharShard":
        """See `Form`."""
        return SharShard(folder / split, number)

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`: shards stand for themselves."""


class SharShard:
    """See `ShardWriter`."""

    def __init__(self, folder: Path, number: int) -> None:
        self._cuts = JsonLines(folder / f"cuts.{number:06d}.jsonl.gz")
        self._tar = TarShard(folder / f"recording.{number:06d}.tar")

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        self._cuts.add(shar_cut(clip))
        self._tar.add(f"{clip.segment_id}.flac", clip.flac)
        self._tar.add(f"{clip.segment_id}.json", f"{json_text(shar_recording(clip))}\n".encode())

    def close(self) -> None:
        """See `ShardWriter`."""
        self._cuts.close()
        self._tar.close()

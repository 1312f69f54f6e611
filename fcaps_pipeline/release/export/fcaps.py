"""FCaps as it was published: `<split>-NNNNN.jsonl.gz`, a Lhotse MonoCut a line, audio by reference.

Clips are FLACs in `audio/<split>-NNNNN/`, named by paths relative to the export
(`CutSet.with_recording_path_prefix(DIR)`), or stay where the source has them.
"""

from collections.abc import Sequence
from pathlib import Path

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import JsonLines, write_clip
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord
from fcaps_pipeline.release.export.monocut import referred_cut, written_cut


class Fcaps:
    """See `Form`."""

    audio: Audio = "either"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "FcapsShard":
        """See `Form`."""
        return FcapsShard(folder, f"{split}-{number:05d}", by_reference=settings.by_reference)

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`: cuts stand for themselves."""


class FcapsShard:
    """See `ShardWriter`."""

    def __init__(self, folder: Path, name: str, *, by_reference: bool) -> None:
        self._folder, self._name, self._by_reference = folder, name, by_reference
        self._cuts = JsonLines(folder / f"{name}.jsonl.gz")

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`.

        Raises:
            UsageError: the clip is to stay where Lhotse cannot open it.
        """
        if self._by_reference:
            self._cuts.add(referred_cut(clip))
            return
        path = f"audio/{self._name}/{clip.segment_id}.flac"
        write_clip(self._folder, path, clip.flac)
        self._cuts.add(written_cut(clip, path))

    def close(self) -> None:
        """See `ShardWriter`."""
        self._cuts.close()

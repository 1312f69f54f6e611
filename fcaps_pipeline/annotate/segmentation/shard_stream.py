"""The sound of a Recording as the rows of an earlier run hold it: its Segments in their places, silence between them.

Enters: a Recording with a shard, and channels. Leaves: the stream that decoding its file would give, as far as anyone
may read it: within the Segments. What only the whole file tells (clipping at its own rate, warnings, its checksum) is
taken over from the rows.

Shape suffixes: C channels, T samples.
"""

from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.rendering import PcmBlock
from fcaps_pipeline.audio.stream import ChannelChoice
from fcaps_pipeline.errors import CorruptRunError, MissingFileError, RecordingError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, AudioWarning, Channel, Recording
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import Row, channel_of
from fcaps_pipeline.storage.path import StorePath

_BLOCK_SAMPLES = 8 * SAMPLE_RATE_HZ
_COLUMNS = [
    "recording_id",
    "audio",
    "channel",
    "start_samples",
    "end_samples",
    "clipped_share",
    "source_rate_hz",
    "num_channels",
    "recording_sha256",
    "warnings",
]


class ShardStream:
    """See `SoundStream`."""

    def __init__(self, recording: Recording, shard: StorePath, channels: ChannelChoice) -> None:
        """Reads the rows.

        Args:
            recording: whose Segments are wanted.
            shard: the Parquet file that has them.
            channels: channels of the Segments, by number.

        Raises:
            MissingFileError: the shard is not there.
            RecordingError: it is damaged, or has no row of the Recording.
        """
        self._recording = recording
        self._rows = _rows_of(shard, recording.recording_id)
        if not self._rows:
            raise RecordingError(f"{shard} has no row of recording {recording.recording_id}; plan anew from its run")
        known: tuple[Channel, ...] = tuple(dict.fromkeys(map(channel_of, self._rows)))
        self.channels = known if isinstance(channels, str) else channels
        self._heard = [row for row in self._rows if channel_of(row) in self.channels]
        self.source_rate_hz: int = self._rows[0]["source_rate_hz"]
        self.num_channels: int = self._rows[0]["num_channels"]
        self.sha256: str = self._rows[0]["recording_sha256"]

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing stays open."""

    def blocks(self) -> Iterator[PcmBlock]:
        """See `SoundStream`.

        Raises:
            RecordingError: the stored audio of a row is damaged.
        """
        end = max((row["end_samples"] for row in self._heard), default=0)
        waiting = sorted(self._heard, key=lambda row: row["start_samples"])
        sounding: list[tuple[int, int, PcmBlock]] = []
        for start in range(0, end, _BLOCK_SAMPLES):
            stop = min(start + _BLOCK_SAMPLES, end)
            while waiting and waiting[0]["start_samples"] < stop:
                sounding.append(self._sound(waiting.pop(0)))
            block_CT = np.zeros((len(self.channels), stop - start), np.int16)
            for row, first, pcm_T in sounding:
                begin, finish = max(first, start), min(first + len(pcm_T), stop)
                block_CT[row, begin - start : finish - start] = pcm_T[begin - first : finish - first]
            sounding = [one for one in sounding if one[1] + len(one[2]) > stop]
            yield block_CT

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """See `SoundStream`: those of all rows, each once."""
        told = (AudioWarning.model_validate(one) for row in self._rows for one in row["warnings"] or ())
        return tuple(dict.fromkeys(told))

    def clipped_share(self, row: int, start_samples: int, end_samples: int) -> float:
        """See `SoundStream`; known of Segments only."""
        wanted = (self.channels[row], start_samples, end_samples)
        for one in self._rows:
            if (channel_of(one), one["start_samples"], one["end_samples"]) == wanted:
                return float(one["clipped_share"])
        raise RecordingError(f"{self._recording.shard}: no row of {self._recording.recording_id} spans {wanted}")

    def forget_before(self, samples: int) -> None:
        """Nothing is held but the rows."""

    def check_damage(self, max_share: float) -> None:
        """The earlier run judged it."""

    def _sound(self, row: Row) -> tuple[int, int, PcmBlock]:
        pcm_T = decode_flac(row["audio"]["bytes"])
        if len(pcm_T) != row["end_samples"] - row["start_samples"]:
            raise RecordingError(
                f"{self._recording.shard}: the audio of {row['audio']['path']} has {len(pcm_T)} samples, its row says "
                f"{row['end_samples'] - row['start_samples']}; verify the run"
            )
        return self.channels.index(channel_of(row)), row["start_samples"], pcm_T


def _rows_of(shard: StorePath, recording_id: str) -> list[Row]:
    if not shard.exists():
        raise MissingFileError(f"{shard} is not there; bring the run back that this corpus is")
    try:
        found = _groups(shard).get(recording_id, [])
        tables = [_table(shard, group) for group in found]
        return [row for table in tables for row in table.filter(pc.field("recording_id") == recording_id).to_pylist()]
    except CorruptRunError as error:
        raise RecordingError(str(error)) from error


@lru_cache(maxsize=4)
def _groups(shard: StorePath) -> dict[str, list[int]]:
    """The row groups that hold each Recording; neighbouring Recordings of a unit ask for the same."""
    found: dict[str, list[int]] = {}
    with reading(shard):
        parquet = open_parquet(shard)
    for group in range(parquet.num_row_groups):
        with reading(shard, group):
            names = parquet.read_row_group(group, columns=["recording_id"])["recording_id"].unique().to_pylist()
        for name in names:
            found.setdefault(name, []).append(group)
    return found


@lru_cache(maxsize=2)
def _table(shard: StorePath, group: int) -> pa.Table:
    """A row group, kept for the next Recording."""
    with reading(shard, group):
        return open_parquet(shard).read_row_group(group, columns=_COLUMNS)

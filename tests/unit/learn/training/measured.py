"""A tiny model with random weights, and the slow way to what it says: each clip and each text on its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from tests.unit.learn.dual_encoder.building import TEXTS, TINY

RATE_HZ = 16_000


@dataclass
class Notes:
    """Notes how embedding goes."""

    begun_items: list[tuple[str, int]] = field(default_factory=list)
    num_advanced: int = 0

    def on_begin(self, what: str, total: int) -> None:
        self.begun_items.append((what, total))

    def on_advance(self, num_items: int, note: str = "") -> None:
        self.num_advanced += num_items


def tiny_model() -> DualEncoder:
    return DualEncoder.new(TINY, TEXTS, seed=3).eval()


def tiny_embedder(batch_s: float = 4.0) -> Embedder:
    return Embedder(tiny_model(), Notes(), batch_s=batch_s)


def write_tone(path: Path, f0_hz: float, duration_s: float) -> Path:
    """A hum with some noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_T = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    noise_T = np.random.default_rng(round(f0_hz)).normal(0, 0.02, len(time_T))
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * f0_hz * time_T) * (1 + np.sin(3 * time_T)) / 2 + noise_T, RATE_HZ)
    return path


@torch.no_grad()
def slow_speech(model: DualEncoder, pcm_T: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    audio_BT = torch.from_numpy(pcm_T.astype(np.float32) / 32768)[None]
    return model.encode_speech(audio_BT, torch.tensor([len(pcm_T)]))[0].double().numpy()


def slow_file(model: DualEncoder, path: Path) -> npt.NDArray[np.float64]:
    return slow_speech(model, decode_all(str(path))[0])


@torch.no_grad()
def slow_text(model: DualEncoder, text: str) -> npt.NDArray[np.float64]:
    return model.encode_text([text])[0].double().numpy()


def stored_rows(run: Path) -> list[dict[str, Any]]:
    """All rows of a run with `pcm_T`, in order."""
    rows = [row for shard in sorted((run / "data").glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    return [{**row, "pcm_T": decode_flac(row["audio"]["bytes"])} for row in rows]


def with_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """The table with other values in a column."""
    position = table.column_names.index(name)
    return table.set_column(position, table.schema.field(name), pa.array(values, table.schema.field(name).type))

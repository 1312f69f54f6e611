"""Log-mel features of a corpus, computed once and kept as float16 beside the blocks.

Enters: block folders of `synthesis.corpus`. Leaves: one `.npy` per block with the frames of all its
clips, `(frames, 128)`, and the clips' lengths; training never decodes audio again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from transformers import WhisperFeatureExtractor

from fcaps_pipeline.errors import OutputError
from fcaps_pipeline.lab.embedded.architecture import HOP_SAMPLES, build_feature_extractor
from fcaps_pipeline.lab.synthesis.corpus import read_truths
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.storage.files import writing

Mel = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Clip:
    """What training knows of one clip."""

    truth: ClipTruth
    mel_FM: Mel
    """Frames by mel bands."""


def mel_features(audio_T: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features as vLLM computes them: padded to whole hops, `(frames, 128)`."""
    padding = -len(audio_T) % HOP_SAMPLES
    made = _extractor()(
        np.pad(audio_T, (0, padding)),
        sampling_rate=SAMPLE_RATE_HZ,
        padding=True,
        truncation=False,
        return_attention_mask=True,
        return_tensors="np",
    )
    num_frames = int(made["attention_mask"].sum())
    return np.asarray(made["input_features"][0, :, :num_frames].T, dtype=np.float32)


@cache
def _extractor() -> WhisperFeatureExtractor:
    return build_feature_extractor()


def write_features(blocks: list[Path], folder: Path, *, workers: int, on_block: Callable[[int], None]) -> None:
    """Computes the features that the folder lacks, several blocks at a time.

    Args:
        blocks: of a corpus.
        folder: of the features.
        workers: processes at a time.
        on_block: told the number of blocks that are there.

    Raises:
        OutputError: the folder cannot be written, for instance because the disk is full.
    """
    missing = [(block, folder) for block in blocks if not _stored(block, folder).is_file()]
    on_block(len(blocks) - len(missing))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        call_in_fresh_process(_write, missing, workers=workers, on_done=lambda _: on_block(1))


def load_block(block: Path, folder: Path) -> list[Clip]:
    """The clips of a block with their features, which are there.

    Raises:
        OutputError: the features are not those of the block.
    """
    truths = [truth for truth, _ in read_truths(block)]
    stored = _stored(block, folder)
    frames_FM = np.load(stored)
    counts = [-(-truth.num_samples // HOP_SAMPLES) for truth in truths]
    if sum(counts) != len(frames_FM):
        raise OutputError(
            f"{stored} holds {len(frames_FM)} frames, its block {block} {sum(counts)}; remove the file, it is made anew"
        )
    starts = np.concatenate([[0], np.cumsum(counts)])
    return [
        Clip(truth=truth, mel_FM=frames_FM[start : start + count])
        for truth, start, count in zip(truths, starts, counts, strict=False)
    ]


def _stored(block: Path, folder: Path) -> Path:
    return folder / f"{block.name}.npy"


def _write(block: Path, folder: Path) -> None:
    # Processes share the cores, one thread each.
    torch.set_num_threads(1)
    mels = [mel_features(soundfile.read(path, dtype="float32")[0]) for _, path in read_truths(block)]
    partial = _stored(block, folder).with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.concatenate(mels).astype(np.float16))
    partial.replace(_stored(block, folder))


def pad_mels(mels: list[Mel], frames_per_chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Stacks clips of unequal length.

    Returns:
        Features `(B, F, M)` in float32, F a whole number of chunks, zero after each clip's end;
        and the number of frames of each clip `(B,)`.
    """
    lengths = torch.tensor([len(mel) for mel in mels])
    num_frames = -(-int(lengths.max()) // frames_per_chunk) * frames_per_chunk
    padded_BFM = torch.zeros(len(mels), num_frames, mels[0].shape[1])
    for row, mel in enumerate(mels):
        padded_BFM[row, : len(mel)] = torch.from_numpy(np.asarray(mel, dtype=np.float32))
    return padded_BFM, lengths

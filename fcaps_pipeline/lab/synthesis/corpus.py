"""Writes a corpus of clips in blocks: `blocks/train-00012/` with FLAC files and `truth.jsonl`.

Enters: a folder, a split, a number of clips and a seed. Leaves: the blocks, each renamed into place
when whole, so that a killed run continues where it was. A block is made by a process of its own,
which makes its bytes independent of the number of workers and of every other block.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.lab.synthesis.cast import RECORDED_SHARE, Cast
from fcaps_pipeline.lab.synthesis.clip import make_clip
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.recorded import BANK_FILE
from fcaps_pipeline.lab.synthesis.truth import SPLITS, ClipTruth, SpeechTruth, Split
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.job_folder import claim

BLOCK_CLIPS = 48
TRUTH_FILE = "truth.jsonl"


class _Settings(Record):
    """What decides every byte of a split, beside the number of a block."""

    seed: int
    block_clips: int
    recorded_share: float
    bank_sha256: str | None
    """Of the list of recorded phrases."""
    truth_fields: tuple[str, ...] = tuple(SpeechTruth.model_fields)
    """What is known of speech: blocks whose truths know less are refused."""


_logger = logging.getLogger(__name__)


def write_corpus(
    folder: Path,
    split: Split,
    *,
    num_clips: int,
    seed: int,
    workers: int,
    bank: Path | None = None,
    recorded_share: float = RECORDED_SHARE,
    block_clips: int = BLOCK_CLIPS,
    on_block: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Makes what is missing of a corpus.

    Args:
        folder: where the blocks are.
        split: whose voices and sentences to use.
        num_clips: rounded up to whole blocks.
        seed: with the split, decides every byte.
        workers: processes at a time.
        bank: phrases of recorded speakers who join the voices of the split.
        recorded_share: expected share of clips that they speak.
        block_clips: clips of one block; part of what decides the bytes.
        on_block: told the number of clips of every block that is there.

    Returns:
        The block folders in order.

    Raises:
        DependencyError: a synthesizer is missing.
        JobError: the blocks that are there were made with other settings.
        OutputError: the folder cannot be written, for instance because the disk is full.
    """
    bank_sha256 = None if bank is None else hashlib.sha256((bank / BANK_FILE).read_bytes()).hexdigest()
    settings = _Settings(seed=seed, block_clips=block_clips, recorded_share=recorded_share, bank_sha256=bank_sha256)
    claim(folder / f"{split}.json", settings)
    blocks = [folder / f"{split}-{index:05d}" for index in range(-(-num_clips // block_clips))]
    missing = [(index, block) for index, block in enumerate(blocks) if not (block / TRUTH_FILE).is_file()]
    on_block(block_clips * (len(blocks) - len(missing)))
    _logger.info("%s: %d of %d blocks are there", folder, len(blocks) - len(missing), len(blocks))
    with writing(folder):
        call_in_fresh_process(
            write_block,
            [(block, split, index, seed, block_clips, bank, recorded_share) for index, block in missing],
            workers=workers,
            on_done=lambda _: on_block(block_clips),
        )
    return blocks


def write_block(
    block: Path, split: Split, index: int, seed: int, block_clips: int, bank: Path | None, recorded_share: float
) -> None:
    """Makes one block; to be called in a fresh process, because espeak-ng keeps state."""
    partial = block.with_name(f".{block.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    cast = Cast(bank, recorded_share)
    lines: list[str] = []
    for number in range(block_clips):
        rng = np.random.default_rng([seed, SPLITS.index(split), index, number])
        audio_T, truth = make_clip(f"{split}-{index:05d}-{number:03d}", split, rng, cast)
        (partial / f"{truth.clip_id}.flac").write_bytes(encode_flac(audio_T))
        lines.append(truth.model_dump_json() + "\n")
    (partial / TRUTH_FILE).write_text("".join(lines), encoding="utf-8")
    partial.replace(block)


def read_truths(block: Path) -> Iterator[tuple[ClipTruth, Path]]:
    """The clips of a block: what is true of each, and its FLAC file."""
    for line in (block / TRUTH_FILE).read_text(encoding="utf-8").splitlines():
        truth = ClipTruth.model_validate_json(line)
        yield truth, block / f"{truth.clip_id}.flac"

"""Clips of one speaker with known timed events, in blocks that a killed benchmark goes on with.

Enters: a folder, a split, a number and a seed. Leaves: FLAC files and truths. A block is made by a fresh process,
because espeak-ng keeps state: its bytes depend on seed, split and number alone.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.audio.flac import decode_flac, encode_flac
from fcaps_pipeline.lab.synthesis.draws import log_uniform
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.recording import make_recording
from fcaps_pipeline.lab.synthesis.recording_truth import RecordingTruth
from fcaps_pipeline.lab.synthesis.speakers import check_installed, draw_speakers
from fcaps_pipeline.lab.synthesis.stretch import DisagreementError
from fcaps_pipeline.lab.synthesis.truth import SPLITS, Split
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.job_folder import claim

BLOCK_CLIPS = 40
_TRUTH_FILE = "truth.jsonl"
_LENGTHS_S = (3.0, 20.0)
"""No sentence begins later than 2 s before."""
_LONGEST_S = 30.0

Pcm = npt.NDArray[np.int16]


class _Settings(Record):
    """What decides every byte of a split, beside the number of a block."""

    seed: int
    block_clips: int


def write_clips(
    folder: Path, split: Split, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> list[Path]:
    """Makes what is missing of the clips.

    Args:
        folder: keeps them.
        split: whose voices and sentences.
        num_clips: rounded up to whole blocks.
        seed: of speakers and clips.
        workers: processes at a time.
        on_clips: told the number of clips of every block that is there.

    Returns:
        The block folders in order.

    Raises:
        DependencyError: a synthesizer or voice is missing.
        JobError: the folder was begun with other settings.
        OutputError: the folder cannot be written.
    """
    check_installed(draw_speakers(seed))
    claim(folder / f"{split}.json", _Settings(seed=seed, block_clips=BLOCK_CLIPS))
    blocks = [folder / f"{split}-{index:05d}" for index in range(-(-num_clips // BLOCK_CLIPS))]
    missing = [(index, block) for index, block in enumerate(blocks) if not (block / _TRUTH_FILE).is_file()]
    on_clips(BLOCK_CLIPS * (len(blocks) - len(missing)))
    with writing(folder):
        call_in_fresh_process(
            write_block,
            [(block, split, index, seed) for index, block in missing],
            workers=workers,
            on_done=lambda _: on_clips(BLOCK_CLIPS),
        )
    return blocks


def write_block(block: Path, split: Split, index: int, seed: int) -> None:
    """Makes one block; to be called in a fresh process."""
    partial = block.with_name(f".{block.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    lines: list[str] = []
    for truth, audio_T in _recordings(split, index, seed):
        (partial / truth.path).write_bytes(encode_flac(audio_T))
        lines.append(truth.model_dump_json() + "\n")
    (partial / _TRUTH_FILE).write_text("".join(lines), encoding="utf-8")
    partial.replace(block)


def read_clips(block: Path) -> Iterator[tuple[RecordingTruth, Pcm]]:
    """The clips of a block: what is true of each, and its samples."""
    for line in (block / _TRUTH_FILE).read_text(encoding="utf-8").splitlines():
        truth = RecordingTruth.model_validate_json(line)
        yield truth, decode_flac((block / truth.path).read_bytes())


def _recordings(split: Split, index: int, seed: int) -> Iterator[tuple[RecordingTruth, npt.NDArray[np.float32]]]:
    speakers = tuple(one for one in draw_speakers(seed) if one.voice.split == split)
    number = made = 0
    while made < BLOCK_CLIPS:
        rng = np.random.default_rng([seed, SPLITS.index(split), index, number])
        name = f"{split}-{index:05d}-{number:03d}"
        number += 1
        try:
            audio_T, truth = make_recording(
                name,
                f"{name}.flac",
                speakers,
                split,
                rng,
                kind="clip",
                length_s=log_uniform(rng, *_LENGTHS_S),
                overlap=False,
                redrawn=Counter(),
            )
        except DisagreementError:
            continue
        if truth.duration_s <= _LONGEST_S:
            made += 1
            yield truth, audio_T

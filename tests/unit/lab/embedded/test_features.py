"""Features are computed once per block, and never taken for those of another."""

from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.errors import OutputError
from fcaps_pipeline.lab.embedded.features import load_block, write_features
from fcaps_pipeline.lab.synthesis.corpus import TRUTH_FILE
from fcaps_pipeline.lab.synthesis.truth import ClipTruth

_LENGTHS = (16_000, 24_050)


def _block(folder: Path) -> Path:
    """Two clips of noise."""
    block = folder / "train-00000"
    block.mkdir(parents=True)
    lines = []
    for number, length in enumerate(_LENGTHS):
        truth = ClipTruth(clip_id=f"clip-{number}", split="train", num_samples=length, speech=None, sound="white")
        pcm_T = np.random.default_rng(number).integers(-900, 900, length).astype(np.int16)
        (block / f"{truth.clip_id}.flac").write_bytes(encode_flac(pcm_T))
        lines.append(truth.model_dump_json() + "\n")
    (block / TRUTH_FILE).write_text("".join(lines), encoding="utf-8")
    return block


def test_features_are_computed_where_they_are_missing(tmp_path: Path) -> None:
    block, told = _block(tmp_path), list[int]()
    write_features([block], tmp_path / "features", workers=1, on_block=told.append)
    assert [len(clip.mel_FM) for clip in load_block(block, tmp_path / "features")] == [100, 151]
    assert told == [0, 1]
    write_features([block], tmp_path / "features", workers=1, on_block=told.append)
    assert told == [0, 1, 1]


def test_features_of_another_block_are_refused(tmp_path: Path) -> None:
    block = _block(tmp_path)
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "train-00000.npy", np.zeros((200, 128), np.float16))
    with pytest.raises(OutputError, match=r"200 frames, its block .* 251; remove the file"):
        load_block(block, tmp_path / "features")


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_features([_block(tmp_path)], tmp_path / "file" / "features", workers=1, on_block=lambda _: None)

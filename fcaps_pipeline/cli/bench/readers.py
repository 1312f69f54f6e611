"""`fcaps bench readers`: damaged files of every format through the reader."""

from typing import Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import result


def readers(
    mutations: Annotated[int, typer.Option(min=1, help="Damaged files, shared evenly among the formats.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Decides the damage.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 2,
    max_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds that one file may take before it counts as hanging.")
    ] = 10,
    max_mib: Annotated[int, typer.Option(min=256, help="Address space of the process that reads, in MiB.")] = 2_048,
) -> None:
    """Read damaged files of every format: all must be decoded or refused by name, within time and memory."""
    from rich.table import Table

    from fcaps_pipeline.lab.bench.readers.benchmark import Budget, bench_readers
    from fcaps_pipeline.lab.bench.readers.formats import FORMATS

    budget = Budget(max_s=max_s, max_bytes=max_mib << 20)
    rows = bench_readers(
        FORMATS,
        num_mutations=mutations,
        seed=seed,
        workers=workers,
        budget=budget,
        on_done=counting("mutations", mutations, every=1_000),
    )
    table = Table("format", "files", "mutations", "read", "refused", "hangs", "crashes", "unforeseen", "slowest s")
    for row in rows:
        counts = (row.num_files, row.num_mutations, row.num_read, row.num_refused, row.num_hangs, row.num_crashes)
        table.add_row(row.format, *map(str, counts), " ".join(row.unforeseen) or "0", f"{row.slowest_s:.2f}")
    total = [sum(getattr(row, f"num_{name}") for row in rows) for name in ("files", "mutations", "read", "refused")]
    bad = [sum(getattr(row, f"num_{name}") for row in rows) for name in ("hangs", "crashes", "unforeseen")]
    table.add_section()
    table.add_row(f"{len(rows)} formats", *map(str, (*total, *bad)), f"{max(row.slowest_s for row in rows):.2f}")
    result.show(table)
    for row in rows:
        if row.examples:
            result.say(f"{row.format}: mutations {', '.join(map(str, row.examples))} of seed {seed}")
    if any(bad):
        raise typer.Exit(1)

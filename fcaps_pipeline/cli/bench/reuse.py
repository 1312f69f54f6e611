"""`fcaps bench reuse`: the index of earlier answers."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path


def reuse(
    keys: Annotated[int, typer.Option(min=1000, help="Requests that were answered before.")] = 20_000_000,
    work: Annotated[
        Path | None, typer.Option(parser=local_path, metavar="PATH", help="Where the index is built; 620 bytes a key.")
    ] = None,
) -> None:
    """Build the index of earlier answers and look answers up in two processes."""
    from rich.table import Table

    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.lab.bench.reuse import bench_reuse

    with scratch_folder() as scratch:
        found = bench_reuse(work or scratch, keys)
    table = Table("index of earlier answers", "measured")
    for name, value in (
        ("keys", f"{found.num_keys}"),
        ("build", f"{found.build_s:.0f} s, {found.num_keys / found.build_s:.0f} keys/s, one core"),
        ("size", f"{found.index_bytes / 1e9:.2f} GB, {found.index_bytes / found.num_keys:.0f} bytes a key"),
        ("peak memory, building", f"{found.build_peak_bytes / 1e6:.0f} MB"),
        ("peak memory, looking up", f"{found.lookup_peak_bytes / 1e6:.0f} MB a process"),
        (f"lookups by chance, {found.num_processes} processes", f"{found.lookups_per_s:.0f} /s"),
        (f"lookups in order, {found.num_processes} processes", f"{found.ordered_lookups_per_s:.0f} /s"),
    ):
        table.add_row(name, value)
    result.show(table)

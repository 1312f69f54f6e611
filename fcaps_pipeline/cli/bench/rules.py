"""`fcaps bench rules`: what each rule of verification is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from rich.table import Table

    from fcaps_pipeline.lab.bench.rules import RuleBench


def rules(
    work: Annotated[
        Path,
        typer.Option(parser=local_path, metavar="PATH", help="Where clips are kept; a killed benchmark goes on there."),
    ] = Path("bench-rules"),
    clips: Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the bounds of evidence anew and write them there.")
    ] = None,
    human: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Audio with vouched captions.jsonl, which moves bounds out."),
    ] = None,
) -> None:
    """Show what each rule is worth: true statements dropped, flipped ones found, precision and recall."""
    from fcaps_pipeline.lab.bench import rules as bench

    on_clips = counting("clips", clips)
    if calibrate is not None:
        bounds = bench.calibrate_bounds(work, human, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
        calibrate.write_text(bounds.model_dump_json(indent=1) + "\n", encoding="utf-8")
        result.say(f"{calibrate}: {len(bounds.bounds)} bounds from {bounds.provenance}")
        return
    found = bench.bench_rules(work, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
    result.show(_statements(found))
    result.say(f"bounds: {found.provenance}")
    result.say(f"captions that tell the truth and are dropped: {found.num_captions_dropped} of {found.num_captions}")
    result.show(_hits(found))


def _statements(found: "RuleBench") -> "Table":
    from rich.table import Table

    table = Table("statements about", "true", "dropped", "supported", "flipped", "found", "supported")
    rows = [
        (
            one.attribute.replace("_", " "),
            (one.num_true, one.num_dropped, one.num_supported, one.num_flipped, one.num_found, one.num_misled),
        )
        for one in found.attributes
    ]
    columns = zip(*(counts for _, counts in rows), strict=True)
    for name, counts in (*rows, ("all", tuple(map(sum, columns)))):
        num_true, num_dropped, num_supported, num_flipped, num_found, num_misled = counts
        table.add_row(
            name,
            f"{num_true}",
            _share(num_dropped, num_true),
            _share(num_supported, num_true),
            f"{num_flipped}",
            _share(num_found, num_flipped),
            _share(num_misled, num_flipped),
        )
    return table


def _hits(found: "RuleBench") -> "Table":
    from rich.table import Table

    table = Table("rule, on captions written by hand", "to find", "recall", "hits", "precision")
    for row in found.rules:
        recall = _share(row.num_found, row.num_expected)
        precision = _share(row.num_hits - row.num_wrong, row.num_hits)
        table.add_row(row.rule, f"{row.num_expected}", recall, f"{row.num_hits}", precision)
    return table


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"

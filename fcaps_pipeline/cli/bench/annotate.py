"""`fcaps bench annotate`: the whole pipeline against its bare parts."""

from fcaps_pipeline.cli.annotate import Overrides, Source
from fcaps_pipeline.cli.console import messages, result


def annotate(
    source: Source = "package:demo_speech",
    overrides: Overrides = None,
) -> None:
    """Hold the whole pipeline against the slower of its bare parts, on the same clips in one run."""
    from rich.table import Table

    from fcaps_pipeline.cli.jobs import resolve_job
    from fcaps_pipeline.cli.progress import ProgressBar
    from fcaps_pipeline.lab.bench.annotate import AIM, bench_annotate

    with ProgressBar(messages) as bar:
        found = bench_annotate(resolve_job(source, overrides or []), bar)
    table = Table("part", "seconds", "times real time")
    for name, seconds in (
        (f"decode and resample, {_cores(found.num_cpu_cores)}", found.decode_s),
        (f"decode, VAD and acoustics, {_cores(found.num_cpu_cores)}", found.segments_s),
        ("  of which acoustics", found.acoustics_s),
        (f"bare engine, all requests at once, {_cores(found.num_engine_cores)}", found.engine_s),
        ("limit: the slower of CPU work and engine", found.limit_s),
        ("whole pipeline", found.pipeline_s),
    ):
        table.add_row(name, f"{seconds:.1f}", f"{found.audio_s / seconds:.0f}")
    result.say(f"{found.num_recordings} recordings, {found.audio_s / 60:.1f} min, {found.num_segments} segments")
    result.say(found.machine)
    result.show(table)
    result.say(f"whole pipeline / limit: {found.ratio:.2f} (aim {AIM})")
    result.say(
        f"start-up: bare engine {found.engine_startup_s:.1f} s, pipeline {found.pipeline_startup_s:.1f} s; "
        f"bare engine: {found.num_output_tokens / found.engine_s:.0f} tokens/s"
    )


def _cores(number: int) -> str:
    return f"{number} core{'s' if number > 1 else ''}"

"""The section of the card on how a release was made: models, prompts, sampling, verification, sources, corrections.

Enters: recipe, record and figures of a release. Leaves: lines of Markdown.
"""

import json
from collections.abc import Iterator

from fcaps_pipeline.release.layout import ReleaseRecord, Writer
from fcaps_pipeline.release.markdown import code, escaped, table
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics

_DIGITS = 12
_SHOWN_WRITERS = 30


def making(recipe: Recipe, record: ReleaseRecord, statistics: Statistics) -> Iterator[str]:
    """Its lines."""
    yield "## How it was made"
    yield ""
    yield (
        "Recordings were cut into segments of speech, and a captioner, named below, was asked for captions of each. "
        "Each answer went through rules (describe only the voice: no content, no quotations, no room or sound quality, "
        "nothing that is absent), and what it states of gender, pitch, rate, pauses and their course was held against "
        "measurements of the segment. Of the answers with nothing against them the best were kept."
    )
    yield ""
    yield from _writers(statistics)
    yield ""
    yield from _sources(record)
    yield from _corrections(recipe, statistics)


def _writers(statistics: Statistics) -> Iterator[str]:
    if not statistics.writers:
        yield "Which model wrote a caption stands in the runs that this release was made from."
        return
    yield "Who wrote the captions that were kept:"
    yield ""
    header = ("granularity", "captions", "model", "revision", "engine", "prompt", "sha256 of the prompt", "sampling")
    shown = statistics.writers[:_SHOWN_WRITERS]
    yield from table(header, [_cells(one) for one in shown])
    if len(shown) < len(statistics.writers):
        yield ""
        yield f"And {len(statistics.writers) - len(shown)} more ways of asking, all in `statistics.json`."


def _corrections(recipe: Recipe, statistics: Statistics) -> Iterator[str]:
    if statistics.corrections:
        people = list(statistics.corrections.items())
        named = ", ".join(f"{escaped(name)} {count}" for name, count in people[:_SHOWN_WRITERS])
        more = f", and {len(people) - _SHOWN_WRITERS} more people" if len(people) > _SHOWN_WRITERS else ""
        yield ""
        yield (
            f"People corrected captions: {named}{more}. Each correction stands in `candidates` with `human` as its "
            "`engine`, the old text, the reason and the time in `trajectory`."
        )
    elif recipe.overrides is not None:
        yield ""
        yield "A table of corrections by people was applied."


def _cells(one: Writer) -> tuple[str, ...]:
    return (
        one.granularity,
        str(one.num_captions),
        code(one.model),
        code(one.model_revision),
        code(f"{one.engine} {one.engine_version}"),
        code(f"{one.prompt_name}.v{one.prompt_version}"),
        code(one.prompt_sha256[:_DIGITS]),
        code(readable_sampling(one.sampling)),
    )


def readable_sampling(stored: str) -> str:
    """Sampling as its column holds it, without the marks of JSON."""
    try:
        content = json.loads(stored)
    except ValueError:
        return stored
    if not isinstance(content, dict):
        return stored
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in content.items())


def _sources(record: ReleaseRecord) -> Iterator[str]:
    yield "Made from:"
    yield ""
    rows = [
        (
            one.kind,
            code(one.where.rstrip("/").rsplit("/", 1)[-1]),
            code(one.fcaps_version),
            code(one.index_sha256[:_DIGITS]),
            code((one.job_sha256 or "")[:_DIGITS]),
        )
        for one in record.sources
    ]
    yield from table(("kind", "name", "fcaps-pipeline", "sha256 of its index", "sha256 of its job"), rows)

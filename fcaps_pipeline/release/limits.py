"""What a user of a release should not expect of it: what the maintainer says, and what the figures tell.

Enters: recipe and figures. Leaves: plain sentences, for the card and for `croissant.json`.
"""

from collections.abc import Iterator

from fcaps_pipeline.records.captions import Granularity, Profile
from fcaps_pipeline.release.markdown import percent, plain_text
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import CAPTION_COLUMNS, Statistics

_UNEVEN_SHARE = 0.6
_OPEN_SHARE = 0.5
_UNMEASURED = "volume, age, timbre, emotion and accent"
"""Of `annotate.verification.evidence`, which says what no measurement bears on."""


def known_limits(recipe: Recipe, statistics: Statistics) -> tuple[str, ...]:
    """Sentences, those of the recipe first."""
    return (
        *(plain_text(one, 1000) for one in recipe.card.limits),
        *_of_captions(statistics),
        *_of_voices(statistics),
        *_of_the_recipe(recipe),
    )


def _of_captions(statistics: Statistics) -> Iterator[str]:
    num_rows = statistics.all.num_rows
    yield (
        "Captions were written by machines; that they are kept means that rules and measurements found nothing against "
        "them, not that a person agreed."
    )
    yield "Captions are in English, whatever language is spoken."
    yield f"What captions say of {_UNMEASURED} is the word of the captioner: no measurement bears on it."
    for granularity, column in CAPTION_COLUMNS.items():
        without = statistics.captions[granularity].rows_by_number.get(0, 0)
        if without:
            yield f"{percent(without, num_rows)} of the rows have no {granularity.value} caption (`{column}` is empty)."
    if len({(one.model, one.model_revision) for one in statistics.writers}) == 1:
        yield "All captions are by one captioner, and share its taste in words."
    if Granularity.GLOBAL in statistics.answers:
        yield from _open_attributes(statistics)


def _open_attributes(statistics: Statistics) -> Iterator[str]:
    num_rows = statistics.all.num_rows
    missing = {
        name: sum(one.total for one in statistics.values[name].listed if one.value is None)
        for name in Profile.model_fields
    }
    often = [
        f"{name.replace('_', ' ')} ({percent(count, num_rows)})"
        for name, count in missing.items()
        if count > _OPEN_SHARE * num_rows
    ]
    if often:
        yield f"The profile leaves open, in more than half of the rows: {', '.join(often)}."


def _of_voices(statistics: Statistics) -> Iterator[str]:
    num_rows = statistics.all.num_rows
    without = num_rows - statistics.filled["speaker"]
    if without:
        yield f"{percent(without, num_rows)} of the rows name no speaker; they were divided by Recording."
    for column in ("language", "license"):
        unknown = sum(one.total for one in statistics.values[column].listed if one.value is None)
        if unknown:
            yield f"The {column} of {percent(unknown, num_rows)} of the rows is not known."
    genders = {one.value: one.total for one in statistics.values["gender"].listed if one.value is not None}
    known = sum(genders.values())
    for gender, count in genders.items():
        if count > _UNEVEN_SHARE * known:
            yield f"Voices are uneven: {percent(count, known)} of those whose gender captions state are {gender}."
    if statistics.warnings:
        first, count = next(iter(statistics.warnings.items()))
        yield (
            f"The sound of some rows is doubtful, see the column `warnings`; commonest is {plain_text(first)}, "
            f"in {percent(count, num_rows)} of the rows."
        )


def _of_the_recipe(recipe: Recipe) -> Iterator[str]:
    if recipe.splits.by == "recording":
        yield "Splits were made by Recording: a speaker may stand in several."
    if recipe.rows.duplicates == "keep":
        yield "Rows with the same samples were kept."
    if not recipe.rows.held_out:
        yield "No benchmark was held out: rows of public test sets may be among these."
    if recipe.audio == "reference":
        yield "The audio is not included: rows say where it lies, and whoever loads them needs the sources."
    if not recipe.candidates:
        yield "Answers that were not kept are not included."

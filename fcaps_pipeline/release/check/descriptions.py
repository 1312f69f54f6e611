"""Whether what a release says of itself is true of its rows: what follows from the shards is made again and compared.

Enters: a release and its record. Leaves: findings. Where another version of this package wrote it, words may have
changed since, so only figures and checksums are compared.
"""

import json
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any

import yaml
from pydantic import ValidationError

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import JobError, MissingFileError
from fcaps_pipeline.release.check.findings import Faults, Finding
from fcaps_pipeline.release.describe import descriptions
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics, measure

_FRONT_MATTER = "---\n"
_SHOWN = 80
_OF_A_CARD = ("configs", "dataset_info", "size_categories")
_OF_CROISSANT = ("version", "distribution", "recordSet", "isLiveDataset")


def check_descriptions(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[Finding]:
    """Sums of splits, statistics, card and `croissant.json`.

    Raises:
        CorruptRunError: a file is damaged.
    """
    statistics = measure(layout, record)
    yield _sums(record, statistics).finding("figures of splits that are not those of the rows", is_hard=True)
    expected = descriptions(layout, recipe_of(record), record, statistics)
    is_same_version = record.fcaps_version == __version__
    for name, content in expected.items():
        try:
            found = (layout.root / name).read()
        except MissingFileError:
            found = b""
        if is_same_version:
            yield _differing(found, content).finding(f"lines of {name} that are not true", is_hard=True)
        else:
            yield _differing_figures(name, found, content).finding(f"figures of {name} that are not true", is_hard=True)


def recipe_of(record: ReleaseRecord) -> Recipe:
    """The recipe that a record keeps.

    Raises:
        JobError: it is none of this version.
    """
    try:
        return Recipe.model_validate(record.recipe)
    except ValidationError as error:
        raise JobError(
            f"release.json of {record.name} {record.version} holds a recipe that this version cannot read "
            f"({error.error_count()} mistakes); use version {record.fcaps_version} of fcaps-pipeline"
        ) from error


def _sums(record: ReleaseRecord, statistics: Statistics) -> Faults:
    faults = Faults()
    for split in dict.fromkeys([*record.splits, *statistics.splits]):
        stated, found = record.splits.get(split), statistics.splits.get(split)
        if stated is None or found is None:
            faults.add([f"{split}: {'only in release.json' if found is None else 'not in release.json'}"])
            continue
        said, counted = stated.model_dump(), found.model_dump()
        wrong = {name for name in said if name != "duration_s" and said[name] != counted[name]}
        if abs(stated.duration_s - found.duration_s) > max(0.01, 1e-6 * found.duration_s):
            wrong.add("duration_s")
        faults.add(f"{split}: {name} is {counted[name]}, release.json says {said[name]}" for name in sorted(wrong))
    return faults


def _differing(found: bytes, expected: bytes) -> Faults:
    pairs = zip_longest(found.decode(errors="replace").splitlines(), expected.decode().splitlines(), fillvalue="")
    lines = [(number, one) for number, (one, other) in enumerate(pairs, 1) if one != other]
    faults = Faults()
    faults.add((f"line {number}: {one[:_SHOWN]}" for number, one in islice(lines, _SHOWN)), len(lines))
    return faults


def _differing_figures(name: str, found: bytes, expected: bytes) -> Faults:
    """What a file of another version says of the data, part by part."""
    faults = Faults()
    theirs, ours = _figures(name, found), _figures(name, expected)
    faults.add(key for key, value in ours.items() if theirs.get(key) != value)
    return faults


def _figures(name: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode()
        if name.endswith(".md"):
            header = yaml.safe_load(text.split(_FRONT_MATTER)[1])
            return {key: header.get(key) for key in _OF_A_CARD}
        read: dict[str, Any] = json.loads(text)
    except (ValueError, IndexError, AttributeError, yaml.YAMLError):
        return {}
    return {key: read.get(key) for key in _OF_CROISSANT} if name.startswith("croissant") else read

"""The front matter of the dataset card: what the Hub, its viewer and `datasets` read.

Enters: recipe, record and figures of a release, and its first file of each table. Leaves: YAML.
"""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import yaml

from fcaps_pipeline.release.layout import EXCLUDED_SCHEMA, ReleaseFile, ReleaseLayout, ReleaseRecord
from fcaps_pipeline.release.markdown import plain_text
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics
from fcaps_pipeline.shards.layout import ShardFile, Table
from fcaps_pipeline.shards.reader import open_parquet, reading

EXCLUDED = "excluded"
DEFAULT_CONFIG = "default"
"""Of the table `data`."""
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
_LARGEST = "100M<n<1B"
_LANGUAGE_OF_CAPTIONS = "en"
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]{0,47}")
_TASKS = ("text-to-speech", "audio-text-to-text", "audio-classification")
_TAGS = ("audio", "speech", "speaking-style", "style-captions", "croissant")


def front_matter(layout: ReleaseLayout, recipe: Recipe, record: ReleaseRecord, statistics: Statistics) -> list[str]:
    """Lines of YAML between their marks.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    configs = _configs(record)
    content = {
        "pretty_name": plain_text(recipe.card.title or recipe.name),
        **_license(recipe),
        "language": _languages(statistics),
        "size_categories": [next((name for below, name in _SIZES if statistics.all.num_rows < below), _LARGEST)],
        "task_categories": list(_TASKS),
        "annotations_creators": ["machine-generated"],
        "tags": list(_TAGS),
        "configs": configs,
        "dataset_info": [_info(layout, record, statistics, config["config_name"]) for config in configs],
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000)
    return ["---", *text.splitlines(), "---"]


def excluded_files(record: ReleaseRecord) -> list[ReleaseFile]:
    """The files of `excluded`, in order."""
    return [file for file in record.files if file.path.startswith(f"{EXCLUDED}/")]


def tables(record: ReleaseRecord) -> list[Table]:
    """The tables that a release has rows of, `data` first."""
    return list(dict.fromkeys(shard.table for shard in sorted(record.shards, key=lambda one: one.table != "data")))


def schema_of(layout: ReleaseLayout, record: ReleaseRecord, table: Table) -> pa.Schema:
    """The columns that a table of a release has.

    Raises:
        CorruptRunError: its first file is missing or damaged.
    """
    path = layout.shard(next(shard for shard in record.shards if shard.table == table))
    with reading(path):
        return open_parquet(path).schema_arrow


def _configs(record: ReleaseRecord) -> list[dict[str, Any]]:
    """What `datasets` can load; the splits of a table, and what was excluded."""
    found = [
        {
            "config_name": _config_name(table),
            **({"default": True} if table == "data" else {}),
            "data_files": [
                {"split": split, "path": f"{table}/{split}-*.parquet"}
                for split in dict.fromkeys(shard.split for shard in record.shards if shard.table == table)
            ],
        }
        for table in tables(record)
    ]
    if excluded_files(record):
        files = [{"split": EXCLUDED, "path": f"{EXCLUDED}/*.parquet"}]
        found.append({"config_name": EXCLUDED, "data_files": files})
    return found


def _config_name(table: Table) -> str:
    return DEFAULT_CONFIG if table == "data" else table


def _info(layout: ReleaseLayout, record: ReleaseRecord, statistics: Statistics, config: str) -> dict[str, Any]:
    """Features and splits of what can be loaded, as `datasets` checks them."""
    if config == EXCLUDED:
        files = excluded_files(record)
        num_rows = sum(record.num_excluded.values())
        splits = [{"name": EXCLUDED, "num_bytes": _bytes(files), "num_examples": num_rows}]
        return _described(config, EXCLUDED_SCHEMA, splits)
    table = next(one for one in tables(record) if _config_name(one) == config)
    shards = [shard for shard in record.shards if shard.table == table]
    splits = [
        {"name": name, "num_bytes": _bytes(of_split), "num_examples": sum(shard.num_rows for shard in of_split)}
        for name in dict.fromkeys(shard.split for shard in shards)
        for of_split in [[shard for shard in shards if shard.split == name]]
    ]
    return _described(config, schema_of(layout, record, table), splits)


def _described(config: str, schema: pa.Schema, splits: list[dict[str, Any]]) -> dict[str, Any]:
    from datasets import Features

    size = sum(split["num_bytes"] for split in splits)
    return {
        "config_name": config,
        "features": Features.from_arrow_schema(schema)._to_yaml_list(),
        "splits": splits,
        "download_size": size,
        "dataset_size": size,
    }


def _bytes(files: Iterable[ReleaseFile | ShardFile]) -> int:
    return sum(file.num_bytes for file in files)


def _license(recipe: Recipe) -> dict[str, str]:
    """The license of the captions; the Hub refuses a name that it does not know, so others go under `other`."""
    stated = recipe.card.license
    if stated is None:
        return {"license": "unknown"}
    if _LICENSE.fullmatch(stated):
        return {"license": stated}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", stated.lower()).strip("-") or "other"}


def _languages(statistics: Statistics) -> list[str]:
    """The language of the captions, then those that are spoken, as far as the Hub knows such codes."""
    spoken = [one.value.split("-")[0].lower() for one in statistics.values["language"].listed if one.value]
    return list(dict.fromkeys([_LANGUAGE_OF_CAPTIONS, *(one for one in spoken if _LANGUAGE.fullmatch(one))]))

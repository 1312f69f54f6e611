"""`croissant.json`: what a release is, for programs: files with checksums, records, splits, provenance.

Enters: recipe, record and figures of a release. Leaves: JSON-LD, as Croissant 1.1 has it. Each shard is a file with
its sha256; a file set for each table, found by a glob in the folder of `croissant.json`, is what records are read from.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

import json
from typing import Any

from fcaps_pipeline.release.card_header import EXCLUDED, excluded_files, schema_of, tables
from fcaps_pipeline.release.card_making import readable_sampling
from fcaps_pipeline.release.croissant_records import CONTEXT, PARQUET, record_set, splits_set
from fcaps_pipeline.release.layout import EXCLUDED_SCHEMA, ReleaseFile, ReleaseLayout, ReleaseRecord, Writer
from fcaps_pipeline.release.limits import known_limits
from fcaps_pipeline.release.markdown import plain_text
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics
from fcaps_pipeline.shards.layout import ShardFile
from fcaps_pipeline.shards.schema import COLUMNS

_VERSIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_PARAGRAPH = 5_000
_MEANINGS_OF_EXCLUDED = {
    "segment_id": "recording, channel, first and last sample",
    "recording_id": "id of the Recording",
    "source": "path of the audio relative to the root of its source",
    "reason": "why the row is not in the release",
    "detail": "what exactly",
}

Json = dict[str, Any]


def croissant_text(layout: ReleaseLayout, recipe: Recipe, record: ReleaseRecord, statistics: Statistics) -> str:
    """Content of `croissant.json`.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _VERSIONS,
        "name": recipe.name,
        "description": _description(recipe, statistics),
        "version": record.version,
        "license": _licenses(recipe, statistics),
        **({} if recipe.card.homepage is None else {"url": recipe.card.homepage}),
        **({} if recipe.card.published is None else {"datePublished": recipe.card.published.isoformat()}),
        "citeAs": recipe.card.citation or f"{recipe.card.title or recipe.name}, version {record.version}",
        "inLanguage": _languages(statistics),
        "keywords": ["speech", "speaking style", "style captions"],
        "isLiveDataset": False,
        "rai:dataLimitations": list(known_limits(recipe, statistics)),
        "rai:machineAnnotationTools": sorted({f"{one.model} at {one.model_revision}" for one in statistics.writers}),
        **_provenance(record, statistics),
        "distribution": _distribution(record),
        "recordSet": _record_sets(layout, record, statistics),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _description(recipe: Recipe, statistics: Statistics) -> str:
    found = statistics.all
    stated = f"{plain_text(recipe.card.description, _PARAGRAPH)} " if recipe.card.description else ""
    return (
        f"{stated}{found.num_rows} segments of speech, {found.duration_s / 3600:.2f} h, with "
        f"{found.num_global_captions} global and {found.num_fine_captions} fine captions of how they are spoken."
    )


def _licenses(recipe: Recipe, statistics: Statistics) -> list[str]:
    """Of the captions, then those of the audio."""
    of_audio = [plain_text(one.value) for one in statistics.values["license"].listed if one.value is not None]
    return list(dict.fromkeys([*([recipe.card.license] if recipe.card.license else []), *of_audio])) or ["unknown"]


def _languages(statistics: Statistics) -> list[str]:
    spoken = [plain_text(one.value) for one in statistics.values["language"].listed if one.value is not None]
    return list(dict.fromkeys(["en", *spoken]))


def _distribution(record: ReleaseRecord) -> list[Json]:
    files: list[ShardFile | ReleaseFile] = [*record.shards, *excluded_files(record)]
    return [*map(_file_object, files), *(_file_set(name) for name in _folders(record))]


def _folders(record: ReleaseRecord) -> list[str]:
    return [*tables(record), *([EXCLUDED] if excluded_files(record) else [])]


def _file_object(file: ShardFile | ReleaseFile) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.num_bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _file_set(folder: str) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": f"files-of-{folder}",
        "name": f"files-of-{folder}",
        "encodingFormat": PARQUET,
        "includes": f"{folder}/*.parquet",
    }


def _record_sets(layout: ReleaseLayout, record: ReleaseRecord, statistics: Statistics) -> list[Json]:
    found = [splits_set(list(statistics.splits))]
    for table in tables(record):
        meanings = {column.name: column.meaning for column in COLUMNS[table]}
        found.append(record_set(table, schema_of(layout, record, table), meanings))
    if excluded_files(record):
        found.append(record_set(EXCLUDED, EXCLUDED_SCHEMA, _MEANINGS_OF_EXCLUDED))
    return found


def _provenance(record: ReleaseRecord, statistics: Statistics) -> Json:
    """Where the rows come from and who wrote the captions, as PROV-O."""
    sources: list[Json] = [
        {
            "@type": "prov:Entity",
            "@id": f"provenance/source-{number}",
            "name": f"{one.kind} {plain_text(one.where.rstrip('/').rsplit('/', 1)[-1])}",
            "sha256": one.index_sha256,
        }
        for number, one in enumerate(record.sources, 1)
    ]
    parent = record.parent
    revised = (
        {} if parent is None else {"prov:wasRevisionOf": _parent(parent.name, parent.version, parent.release_sha256)}
    )
    return {
        "prov:wasDerivedFrom": sources,
        **revised,
        "prov:wasGeneratedBy": [
            *(_captioning(number, one) for number, one in enumerate(statistics.writers, 1)),
            *(_correction(number, *one) for number, one in enumerate(statistics.corrections.items(), 1)),
            {
                "@type": "prov:Activity",
                "@id": "provenance/release",
                "name": "selection of rows, splits and writing",
                "prov:wasAssociatedWith": {
                    "@type": "prov:SoftwareAgent",
                    "@id": "provenance/fcaps-pipeline",
                    "name": "fcaps-pipeline",
                    "softwareVersion": record.fcaps_version,
                },
            },
        ],
    }


def _parent(name: str, version: str, sha256: str) -> Json:
    return {
        "@type": "prov:Entity",
        "@id": "provenance/parent",
        "name": name,
        "version": version,
        "sha256": sha256,
    }


def _captioning(number: int, one: Writer) -> Json:
    return {
        "@type": "prov:Activity",
        "@id": f"provenance/captioning-{number}",
        "name": f"{one.granularity} captioning",
        "description": f"{one.num_captions} captions, sampled with {readable_sampling(one.sampling)}",
        "prov:wasAssociatedWith": {
            "@type": "prov:SoftwareAgent",
            "@id": f"provenance/model-{number}",
            "name": plain_text(one.model),
            "softwareVersion": plain_text(one.model_revision),
            "softwareRequirements": plain_text(f"{one.engine} {one.engine_version}"),
        },
        "prov:used": {
            "@type": "prov:Entity",
            "@id": f"provenance/prompt-{number}",
            "name": plain_text(one.prompt_name),
            "version": str(one.prompt_version),
            "sha256": one.prompt_sha256,
        },
    }


def _correction(number: int, author: str, num_captions: int) -> Json:
    return {
        "@type": "prov:Activity",
        "@id": f"provenance/correction-{number}",
        "name": "correction of captions",
        "description": f"{num_captions} captions",
        "prov:wasAssociatedWith": {
            "@type": "prov:Person",
            "@id": f"provenance/person-{number}",
            "name": plain_text(author),
        },
    }

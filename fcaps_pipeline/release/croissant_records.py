"""Record sets of `croissant.json`: the columns of a table as fields, and the splits.

Enters: an Arrow schema. Leaves: JSON-LD.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

PARQUET = "application/x-parquet"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""As the specification of Croissant 1.1 gives it, and PROV-O."""

_SPLITS, _SPLIT_NAME = "splits", "splits/name"
_KEYS = {"data": ("segment_id",), "candidates": ("segment_id", "candidate_id")}
_KINDS = {
    pa.string(): "sc:Text",
    pa.bool_(): "sc:Boolean",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
}

Json = dict[str, Any]


def splits_set(splits: list[str]) -> Json:
    """The splits, which `data/split` refers to."""
    return {
        "@type": "cr:RecordSet",
        "@id": _SPLITS,
        "name": _SPLITS,
        "dataType": "cr:Split",
        "key": {"@id": _SPLIT_NAME},
        "field": [
            {
                "@type": "cr:Field",
                "@id": _SPLIT_NAME,
                "name": "name",
                "description": "name of the split",
                "dataType": "sc:Text",
            }
        ],
        "data": [{_SPLIT_NAME: split} for split in splits],
    }


def record_set(table: str, schema: pa.Schema, meanings: Mapping[str, str]) -> Json:
    """The columns of a table.

    Args:
        table: name of the table, whose files are in the file set `files-of-` that name.
        schema: its columns.
        meanings: what they hold, by name; others are left out.
    """
    keys = [{"@id": f"{table}/{name}"} for name in _KEYS.get(table, ())]
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        **({"key": keys} if keys else {}),
        "field": [_field(table, column, meanings[column.name]) for column in schema if column.name in meanings],
    }


def _field(table: str, column: pa.Field, meaning: str) -> Json:
    plain = {"@type": "cr:Field", "@id": f"{table}/{column.name}", "name": column.name, "description": meaning}
    source = _source(table, column.name)
    if table == "data" and column.name == "split":
        return {**plain, "dataType": "sc:Text", "source": source, "references": {"field": {"@id": _SPLIT_NAME}}}
    if column.name == "audio":
        return {**plain, "dataType": "sc:AudioObject", "source": {**source, "transform": {"jsonPath": "bytes"}}}
    is_list = pa.types.is_list(column.type)
    kind = column.type.value_type if is_list else column.type
    repeated = {"isArray": True, "arrayShape": "-1"} if is_list else {}
    if pa.types.is_struct(kind):
        parts = [_part(table, column.name, path, of_part) for path, of_part in _leaves(kind)]
        return {**plain, **repeated, "subField": parts}
    return {**plain, **repeated, "dataType": _KINDS[kind], "source": source}


def _part(table: str, column: str, path: str, kind: pa.DataType) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column}/{path}",
        "name": path,
        "description": f"`{path}` of `{column}`",
        "dataType": _KINDS[kind],
        "source": {**_source(table, column), "transform": {"jsonPath": path}},
    }


def _leaves(kind: pa.DataType, above: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Single values in a record, by their paths; lists in it have no place in a field of Croissant."""
    for field in kind:
        path = f"{above}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{path}.")
        elif not pa.types.is_list(field.type):
            yield path, field.type


def _source(table: str, column: str) -> Json:
    return {"fileSet": {"@id": f"files-of-{table}"}, "extract": {"column": column}}

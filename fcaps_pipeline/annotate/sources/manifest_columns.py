"""Plain lines of a manifest as columns: read by a compiled reader, hundreds of thousands a second.

Enters: neighbouring lines of a manifest, of JSON or of Parquet. Leaves: the table of the Recordings that the lines are,
or nothing: where one of them is anything but plain (segments, a mistake), all are left to `ManifestLine`, which alone
says what a line means. Fields of others cost more, since they are kept as the lines have them. What is done here in
columns is what is evident; a single path or id that is not goes through the same functions as there.
"""

import io
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from pydantic_core import PydanticCustomError, from_json, to_json

from fcaps_pipeline.annotate.sources.ids import MAX_ID_CHARACTERS, id_from_name
from fcaps_pipeline.annotate.sources.lines import LONGEST_S, gender_of, json_text
from fcaps_pipeline.annotate.sources.located import locate
from fcaps_pipeline.annotate.sources.manifest import ManifestLine
from fcaps_pipeline.annotate.sources.source_path import SourcePath
from fcaps_pipeline.audio.location import shown_name
from fcaps_pipeline.shards.recording_table import RECORDING_SCHEMA
from fcaps_pipeline.storage.path import StorePath

_TEXTS = ("speaker", "language", "license", "corpus")
"""Fields that are absent or not empty."""
_LONGEST_LINE = 1_000_000
_PARSED_BYTES = 1 << 20
"""What one thread parses at a time."""
_KINDS = {"duration_s": pa.float64(), "tags": pa.list_(pa.string())}
_PLAIN_FIELDS = ("path", "id", "transcript", *_TEXTS, "tags", "duration_s")
_SCHEMA = pa.schema(
    [pa.field(name, _KINDS.get(field, pa.string())) for field in _PLAIN_FIELDS for name in ManifestLine.names_of(field)]
)
_KNOWN = frozenset(_SCHEMA.names)
_SAFE_ID = rf"\A[A-Za-z0-9_-]{{1,{MAX_ID_CHARACTERS}}}\z"
_STEP = r"[A-Za-z0-9_\p{L}][ -.0-~\p{L}\p{N}]*"
"""Part of a path that is itself in every normal form."""
_RELATIVE = rf"\A{_STEP}(?:/{_STEP})*\z"
_AS_IN_URI = r"\A[A-Za-z0-9_.~/!$&'()*+,;=@-]+\z"
"""A path that stands in a URI as it is, and is none itself."""
_WORDS = r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*"
_PATH_AS_ID = rf"\A{_WORDS}(?:/{_WORDS})*(?:\.[A-Za-z0-9_]+)?\z"
"""A path that its id tells whole, see `id_from_path`."""


def plain_lines(content: bytes, root: SourcePath) -> pa.Table | None:
    """The Recordings of whole lines of JSON; None where a line is not plain.

    Args:
        content: the lines.
        root: that relative paths start from.
    """
    num_lines = _num_plain_lines(content)
    lines = _parsed(content if num_lines else b"{}")
    if lines is None:
        return _lines_with_others(content, num_lines, root)
    return _recordings(lines, root) if len(lines) == num_lines else None


def _parsed(content: bytes) -> pa.Table | None:
    """Lines with fields of ours alone; None where there are others, or one is of another type."""
    try:
        return pj.read_json(
            io.BytesIO(content),
            pj.ReadOptions(block_size=_PARSED_BYTES),
            pj.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error"),
        )
    except pa.ArrowInvalid:
        return None


def _lines_with_others(content: bytes, num_lines: int, root: SourcePath) -> pa.Table | None:
    """The same of lines that have fields of others, which are taken out before."""
    try:
        objects = from_json(b"[" + content.rstrip(b"\n").replace(b"\n", b",") + b"]")
    except ValueError:
        return None
    if not num_lines or len(objects) != num_lines:
        return None
    others = [{name: one.pop(name) for name in [*one] if name not in _KNOWN} for one in objects]
    others = [{name: value for name, value in one.items() if value is not None} for one in others]
    try:
        for name in sorted(frozenset().union(*others)):
            ManifestLine.check_foreign(name)
    except PydanticCustomError:
        return None
    lines = _parsed(b"\n".join(map(to_json, objects)))
    return None if lines is None or len(lines) != num_lines else _with_others(_recordings(lines, root), others)


def _with_others(recordings: pa.Table | None, others: list[dict[str, Any]]) -> pa.Table | None:
    """The Recordings with the fields of others."""
    if recordings is None:
        return None
    for name, values in (("extra", map(json_text, others)), ("speaker_gender", map(gender_of, others))):
        place = recordings.schema.get_field_index(name)
        recordings = recordings.set_column(place, name, pa.array(values, recordings.schema.field(place).type))
    return recordings


def plain_rows(rows: pa.Table, root: SourcePath) -> pa.Table | None:
    """The Recordings of rows whose columns are fields of a line; None where a row is not plain.

    Args:
        rows: as a file has them.
        root: that relative paths start from.
    """
    columns = {}
    for name in rows.column_names:
        if rows[name].null_count == len(rows):
            continue
        if name not in _SCHEMA.names or not _is_like(rows[name].type, _SCHEMA.field(name).type):
            return None
        columns[name] = rows[name].cast(_SCHEMA.field(name).type)
    nothing = {field.name: pa.nulls(len(rows), field.type) for field in _SCHEMA}
    return _recordings(pa.table({**nothing, **columns}, schema=_SCHEMA), root)


def _is_like(found: pa.DataType, kind: pa.DataType) -> bool:
    """Whether values of a type are taken as they are, or for their digits."""
    if pa.types.is_floating(kind):
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
    if pa.types.is_list(kind):
        return bool(found == kind)
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_integer(found))


def _recordings(lines: pa.Table, root: SourcePath) -> pa.Table | None:
    """Of columns by all of their names."""
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        return None
    fields = _fields(lines.combine_chunks())
    if fields is None or not _are_plain(fields):
        return None
    columns = {**fields, **_places(fields["path"], fields["id"], root), "tags": _without_empty(fields["tags"])}
    nothing = {field.name: pa.nulls(len(lines), field.type) for field in RECORDING_SCHEMA}
    return pa.table([columns.get(name, null) for name, null in nothing.items()], schema=RECORDING_SCHEMA)


def _num_plain_lines(content: bytes) -> int:
    """Lines, if each is from brace to brace, so that as many values are one on each; 0 if not."""
    if not content.startswith(b"{") or b"\n\n" in content:
        return 0
    octets = np.frombuffer(content if content.endswith(b"\n") else content + b"\n", np.uint8)
    ends = np.flatnonzero(octets == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    are_braced = (ends > starts).all() and (octets[starts] == ord("{")).all() and (octets[ends - 1] == ord("}")).all()
    return len(ends) if are_braced and (ends - starts).max(initial=0) < _LONGEST_LINE else 0


def _fields(lines: pa.Table) -> dict[str, pa.Array] | None:
    """Each field by its usual name; None where a line gives two names of one."""
    fields = {}
    for field in _PLAIN_FIELDS:
        named = [lines[name].combine_chunks() for name in ManifestLine.names_of(field)]
        found = pc.coalesce(*named)
        if sum(len(one) - one.null_count for one in named) != len(found) - found.null_count:
            return None
        fields[field] = found
    return fields


def _are_plain(fields: dict[str, pa.Array]) -> bool:
    """Whether every value is one that `ManifestLine` takes as it is."""
    tags, seconds = fields["tags"].flatten(), fields["duration_s"]
    are_tags = pc.match_substring_regex(tags, r"[!-~\p{L}\p{N}]")
    return (
        fields["path"].null_count == 0
        and not any(_any(pc.equal(fields[name], "")) for name in ("path", "id", *_TEXTS))
        and not _any(pc.match_substring(fields["path"], "\0"))
        and not _any(pc.invert(pc.and_(pc.greater_equal(seconds, 0.0), pc.less_equal(seconds, LONGEST_S))))
        and tags.null_count == 0
        and not _any(pc.invert(are_tags))
    )


def _places(paths: pa.Array, names: pa.Array, root: SourcePath) -> dict[str, pa.Array]:
    """Id, location and source of each line; what is not evident is told by `locate` and `id_from_name`, one by one."""
    prefix = f"{str(root).rstrip('/')}/"
    is_inside = pc.starts_with(paths, prefix)
    relative = pc.if_else(is_inside, pc.utf8_slice_codeunits(paths, len(prefix)), paths)
    is_outside = pc.and_not(pc.starts_with(paths, "/"), is_inside)
    columns = {
        "recording_id": pc.if_else(pc.is_valid(names), names, pc.if_else(is_outside, None, _id_from(relative))),
        "location": pc.if_else(pc.starts_with(paths, "/"), paths, pc.binary_join_element_wise(prefix, relative, "")),
        "source": pc.if_else(is_outside, pc.replace_substring_regex(paths, r"\A.*/", ""), relative),
    }
    steps = pc.if_else(is_outside, pc.utf8_slice_codeunits(paths, 1), relative)
    is_evident = pc.and_(pc.match_substring_regex(steps, _RELATIVE), pc.is_valid(columns["recording_id"]))
    if isinstance(root, StorePath):
        is_evident = pc.and_(is_evident, pc.match_substring_regex(paths, _AS_IN_URI))
    odd = np.arange(len(paths)) if not _is_normal(root) else np.flatnonzero(pc.invert(is_evident))
    places = [locate(paths[row].as_py(), [root]) for row in odd]
    named = pc.is_valid(names.take(pa.array(odd))).to_pylist()
    ids = [names[row].as_py() if has else place.safe_id for row, place, has in zip(odd, places, named, strict=True)]
    columns["location"] = _replaced(columns["location"], odd, [place.location for place in places])
    columns["source"] = _replaced(columns["source"], odd, [place.shown for place in places])
    columns["recording_id"] = _safe(_replaced(columns["recording_id"], odd, ids))
    return columns


def _is_normal(root: SourcePath) -> bool:
    return isinstance(root, StorePath) or os.path.normpath(root) == str(root) == shown_name(str(root))


def _id_from(relative: pa.Array) -> pa.Array:
    """The id of a path that its id tells whole; null for others."""
    is_told = pc.match_substring_regex(relative, _PATH_AS_ID)
    ids = pc.replace_substring(pc.replace_substring(relative, "/", "--"), ".", "_")
    return pc.if_else(pc.and_(is_told, pc.less_equal(pc.utf8_length(ids), MAX_ID_CHARACTERS)), ids, None)


def _safe(ids: pa.Array) -> pa.Array:
    """Ids as they are where they are safe; those from paths are."""
    odd = np.flatnonzero(pc.invert(pc.match_substring_regex(ids, _SAFE_ID)))
    return _replaced(ids, odd, [id_from_name(ids[row].as_py()) for row in odd])


def _replaced(texts: pa.Array, rows: npt.NDArray[np.int64], values: list[str]) -> pa.Array:
    if not len(rows):
        return texts
    mask = np.zeros(len(texts), bool)
    mask[rows] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(values, pa.string()))


def _without_empty(tags: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.list_value_length(tags), 0), pa.scalar(None, tags.type), tags)


def _any(flags: pa.Array) -> bool:
    return bool(pc.any(flags).as_py())

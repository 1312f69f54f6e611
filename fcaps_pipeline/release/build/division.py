"""Which split each row is in: what shares a speaker, a Recording or its samples is never divided.

Enters: the table `taken`, and rules. Leaves: the table `divided`, position and split of each row. A group of rows goes
where a list puts it, else where a hash of its speakers (of its Recordings where none is known) says: it stays there
in later versions, whatever else comes or goes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.database import fetch_table
from fcaps_pipeline.release.grouping import NO_KEY, Groups, Hashes, drawn, grouped, hash_text
from fcaps_pipeline.release.layout import ReleaseRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHARED = "SELECT audio_sha256 FROM taken GROUP BY audio_sha256 HAVING count(*) > 1"
_KEYS = f"""
    SELECT speaker, recording_id, CASE WHEN audio_sha256 IN ({_SHARED}) THEN audio_sha256 END AS audio
    FROM taken GROUP BY ALL ORDER BY ALL
"""
_LISTED = {"speaker": "speaker", "recording": "recording_id"}
"""Columns of what lists hold."""


def split_names(inputs: Inputs) -> list[str]:
    """All splits that a recipe names, those with shares first; or those of the releases that rows stay in."""
    rules = inputs.recipe.splits
    if rules.by != "source":
        return list(dict.fromkeys([*rules.shares, *rules.lists]))
    releases = [one.content for one in inputs.datasets if isinstance(one.content, ReleaseRecord)]
    return list(dict.fromkeys(shard.split for release in releases for shard in release.shards))


def divide(database: "DuckDBPyConnection", inputs: Inputs) -> list[str]:
    """Gives each row a split.

    Returns:
        What deserves to be said, one line each.

    Raises:
        UsageError: two lists claim rows that belong together, or a source has no splits to keep.
    """
    if inputs.recipe.splits.by == "source":
        return _as_in_source(database, inputs)
    keys = fetch_table(database, _KEYS)
    names = split_names(inputs)
    place_N = _places(keys, inputs, names)
    placed = keys.append_column("split", pa.array(names).take(pa.array(place_N)))
    database.register("placed", placed)
    database.execute(
        "CREATE TABLE divided AS SELECT position, split FROM taken JOIN placed ON "
        "taken.recording_id = placed.recording_id AND taken.speaker IS NOT DISTINCT FROM placed.speaker AND "
        f"(placed.audio IS NULL AND taken.audio_sha256 NOT IN ({_SHARED}) OR placed.audio = taken.audio_sha256)"
    )
    database.unregister("placed")
    found = set(np.unique(place_N).tolist())
    return [*_unknown(keys, inputs), *_empty(names, found)]


def _empty(names: list[str], found: set[int]) -> list[str]:
    return [
        f"split {name} is empty, so the release has none of that name; change shares, seed or lists to fill it"
        for number, name in enumerate(names)
        if number not in found
    ]


def _unknown(keys: pa.Table, inputs: Inputs) -> Iterator[str]:
    """Names the first value of each list that no row has."""
    rules = inputs.recipe.splits
    known = set(keys[_LISTED[rules.by]].to_pylist())
    for name, path in rules.lists.items():
        unknown = [value for value in inputs.values(path) if value not in known]
        if unknown:
            yield f"{len(unknown)} lines of {path}, for split {name}, are no {rules.by} of a row, first {unknown[0]}"


def _as_in_source(database: "DuckDBPyConnection", inputs: Inputs) -> list[str]:
    """Leaves rows in the split that they have."""
    for where, dataset in zip(inputs.recipe.runs, inputs.datasets, strict=True):
        if dataset.kind != "release":
            raise UsageError(f"splits.by: source keeps the splits of releases, and {where} is a run; divide its rows")
    database.execute("CREATE TABLE divided AS SELECT position, own_split AS split FROM taken")
    return []


def _places(keys: pa.Table, inputs: Inputs, names: list[str]) -> npt.NDArray[np.int64]:
    """The number of the split of each key."""
    rules = inputs.recipe.splits
    speaker_N, recording_N, audio_N = (_hashes(keys[name]) for name in ("speaker", "recording_id", "audio"))
    if rules.by == "recording":
        groups, key_N = grouped((recording_N, audio_N)), recording_N
    else:
        groups = grouped((speaker_N, recording_N, audio_N))
        key_N = np.where(speaker_N != NO_KEY, speaker_N, recording_N)
    bounds = np.cumsum(list(rules.shares.values()))[:-1]
    place_G = np.searchsorted(bounds, drawn(groups, key_N, rules.seed), side="right")
    _follow_lists(place_G, groups, keys, inputs, names)
    place_N: npt.NDArray[np.int64] = place_G[groups.group_N]
    return place_N


def _follow_lists(
    place_G: npt.NDArray[np.int64], groups: Groups, keys: pa.Table, inputs: Inputs, names: list[str]
) -> None:
    """Puts groups where lists say.

    Raises:
        UsageError: two lists claim the same group.
    """
    rules = inputs.recipe.splits
    column = keys[_LISTED[rules.by]].to_pylist()
    claimed: dict[int, tuple[str, str]] = {}
    for name, path in rules.lists.items():
        listed = set(inputs.values(path))
        for number, value in enumerate(column):
            if value not in listed:
                continue
            group = int(groups.group_N[number])
            other, by = claimed.setdefault(group, (name, value))
            if other != name:
                raise UsageError(
                    f"splits.lists: {path} puts {rules.by} {value} into {name}, but it shares rows with {rules.by} "
                    f"{by}, which another list puts into {other}; put both into one list"
                )
            place_G[group] = names.index(name)


def _hashes(column: pa.ChunkedArray) -> Hashes:
    """A hash per value, `NO_KEY` for null; each distinct value is hashed once."""
    encoded = column.combine_chunks().dictionary_encode()
    hashes = np.array([*map(hash_text, encoded.dictionary.to_pylist()), NO_KEY], np.uint64)
    found: Hashes = hashes[encoded.indices.fill_null(len(hashes) - 1).to_numpy(zero_copy_only=False)]
    return found

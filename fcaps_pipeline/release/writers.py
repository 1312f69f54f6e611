"""Who wrote the captions of a release: models, prompts and sampling, or people who corrected.

Enters: kept candidates. Leaves: `Writer` records with numbers of captions. A release without candidates is told by
those of its sources.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.columns import read_columns
from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, ReleaseShard, Writer
from fcaps_pipeline.release.overrides import ENGINE
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes

WRITER_COLUMNS = tuple(name for name in Writer.model_fields if name != "num_captions")
_IDS = ("segment_id", "candidate_id")


class WriterCounts:
    """Running counts over kept candidates."""

    def __init__(self) -> None:
        self._models: Counter[tuple[object, ...]] = Counter()
        self._people: Counter[str] = Counter()

    def add(self, kept: pa.Table) -> None:
        """Takes kept candidates with the columns of `WRITER_COLUMNS`."""
        by_people = pc.equal(kept["engine"], ENGINE)
        for one in pc.value_counts(kept.filter(by_people)["model"]).to_pylist():
            self._people[one["values"]] += one["counts"]
        by_models = kept.filter(pc.invert(by_people)).group_by(list(WRITER_COLUMNS)).aggregate([([], "count_all")])
        for one in by_models.to_pylist():
            self._models[tuple(one[name] for name in WRITER_COLUMNS)] += one["count_all"]

    def models(self) -> tuple[Writer, ...]:
        """Most captions first."""
        found = [
            Writer.model_validate({**dict(zip(WRITER_COLUMNS, values, strict=True)), "num_captions": count})
            for values, count in self._models.items()
        ]
        return tuple(sorted(found, key=lambda one: (-one.num_captions, one.model_dump_json())))

    def people(self) -> dict[str, int]:
        """How many captions are whose; most first."""
        return dict(sorted(self._people.items(), key=lambda item: (-item[1], item[0])))


def writers_of_sources(
    layout: ReleaseLayout, shards: Iterable[ReleaseShard], sources: Iterable[Dataset]
) -> tuple[Writer, ...]:
    """Who wrote the captions of a release whose candidates stay with its sources.

    Args:
        layout: of the release, whose shards are written.
        shards: of the release.
        sources: what its rows were taken from; one without candidates says in its record who wrote its captions.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    counts, inherited = WriterCounts(), list[Writer]()
    wanted = _caption_hashes(layout, shards)
    is_seen = np.zeros(len(wanted), bool)
    for source in sources:
        if isinstance(source.content, ReleaseRecord):
            inherited += source.content.writers
        for part in source.parts():
            if (file := part.files.get("candidates")) is not None:
                for table in read_columns(ReleaseLayout(source.root), file, (*_IDS, "kept", *WRITER_COLUMNS)):
                    kept = table.filter(table["kept"])
                    counts.add(kept.filter(pa.array(_first_seen(_hashes(kept), wanted, is_seen))))
    return (*counts.models(), *inherited)


def _caption_hashes(layout: ReleaseLayout, shards: Iterable[ReleaseShard]) -> Hashes:
    """Of the captions of a release, in order."""
    found = [np.empty(0, np.uint64)]
    for shard in shards:
        if shard.table == "data":
            for table in read_columns(layout, shard, ("segment_id", "captions")):
                captions = table["captions"].combine_chunks()
                owners = table["segment_id"].take(pc.list_parent_indices(captions))
                ids = pc.struct_field(pc.list_flatten(captions), "candidate_id")
                found.append(_hashes(pa.table({"segment_id": owners, "candidate_id": ids})))
    return np.unique(np.concatenate(found))


def _first_seen(hashes: Hashes, wanted: Hashes, is_seen: npt.NDArray[np.bool_]) -> list[bool]:
    """Which of these are wanted and come for the first time; marks them."""
    if not len(wanted):
        return [False] * len(hashes)
    places = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    is_first = (wanted[places] == hashes) & ~is_seen[places]
    is_seen[places[is_first]] = True
    first: list[bool] = is_first.tolist()
    return first


def _hashes(captions: pa.Table) -> Hashes:
    return id_hashes(pc.binary_join_element_wise(captions["segment_id"], captions["candidate_id"], "\x1f"))

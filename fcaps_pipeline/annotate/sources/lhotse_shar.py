"""Recordings of Lhotse Shar: shards of cuts, each beside a tar that has the sound of its cuts.

Enters: a LhotseSource whose path is such a folder. Leaves: a Recording per cut, which is read where it lies in the tar.
Lhotse itself would unpack every cut into memory, and so is not asked.

Source: lhotse/shar/writers/shar.py, lhotse/shar/readers/lazy.py.
"""

from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from fcaps_pipeline.annotate.sources.ids import id_from_name
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.lhotse import lines_of, recording_of
from fcaps_pipeline.annotate.sources.lhotse_lines import LhotseCut
from fcaps_pipeline.annotate.sources.located import Located, Place, place_of
from fcaps_pipeline.annotate.sources.source_path import SourcePath
from fcaps_pipeline.annotate.sources.tar_headers import TarHeaders
from fcaps_pipeline.audio.byte_source import open_file
from fcaps_pipeline.audio.location import FilePart, RefusedPart, location_in, shown_name
from fcaps_pipeline.errors import MissingFileError, RecordingError, SourceError
from fcaps_pipeline.jobs.sources import LhotseSource

_CUTS = "cuts.*.jsonl*"
_BESIDE = ".json"


def is_shar(folder: SourcePath) -> bool:
    """Whether a folder holds shards of cuts."""
    return any(True for _ in _cuts(folder))


def are_cuts(name: str) -> bool:
    """Whether a file of this name is a shard of cuts."""
    return fnmatchcase(name, _CUTS)


def _cuts(folder: SourcePath) -> Iterator[SourcePath]:
    if isinstance(folder, Path):
        return folder.glob(_CUTS)
    return (file for file in folder.list() if are_cuts(file.name) and file.parent == folder)


def list_shar(source: LhotseSource, folder: SourcePath) -> Iterator[Located]:
    """Yields the cuts of all shards.

    Raises:
        SourceError: a shard has no tar of recordings, or a line is no cut.
        StorageError: the storage fails.
    """
    for cuts in sorted(_cuts(folder), key=str):
        tar = _Members(folder / f"recording.{cuts.name.split('.')[1]}.tar", folder)
        for number, cut in read_jsonl(cuts, LhotseCut):
            where = f"{cuts}:{number}"
            lines = list(lines_of(cut, where))
            places = [tar.place(cut.id)] * len(cut.recording.sources)
            recording = recording_of(lines, id_from_name(cut.id), places)
            yield Located(recording.model_copy(update={"license": source.license}), where)


class _Members:
    """The sound in one tar, by the ids of cuts."""

    def __init__(self, path: SourcePath, folder: SourcePath) -> None:
        self._path, self._tar = path, place_of(path, folder)
        self._parts: dict[str, FilePart | RefusedPart] = {}
        try:
            source = open_file(self._tar.location)
        except (MissingFileError, RecordingError) as error:
            raise SourceError(f"{error}; a shard of cuts needs the tar of its recordings") from error
        with closing(source):
            for entry in TarHeaders(source):
                name = PurePosixPath(entry.name)
                if name.suffix == _BESIDE:
                    continue
                part: FilePart | RefusedPart = FilePart(self._tar.location, entry.name, entry.offset, entry.num_bytes)
                if entry.refusal is not None:
                    part = RefusedPart(self._tar.location, entry.name, entry.refusal)
                self._parts[str(name.with_suffix(""))] = part

    def place(self, cut_id: str) -> Place:
        """Where the sound of a cut is; of one that has none, a place that fails by name."""
        part = self._parts.get(cut_id)
        if part is None:
            part = RefusedPart(self._tar.location, cut_id, "is not there; write the shard again")
        return Place(location_in(part), f"{self._tar.shown}/{shown_name(part.name)}", id_from_name(cut_id))

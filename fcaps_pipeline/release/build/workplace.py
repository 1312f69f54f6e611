"""The folder of a release in the making: whose it is, what of it is done, and where files lie on the way.

Until `release.json` is there, the folder `.build` holds a note of what decides the shards and a record for each that
is done; the same build goes on from them, another is refused. Nothing in it is part of a release.
"""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from fcaps_pipeline.errors import FcapsError, MissingFileError
from fcaps_pipeline.release.build.shard_plan import PlannedShard
from fcaps_pipeline.release.build.writing import WrittenShard
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseShard
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.path import StorePath

_FOLDER = ".build"


class Workplace:
    """What a build keeps in the folder of its release until it is done."""

    def __init__(self, layout: ReleaseLayout) -> None:
        self._layout = layout
        self._folder = layout.root / _FOLDER
        self._note = self._folder / "build.json"

    @property
    def scratch(self) -> Path:
        """Folder of this machine for files in the making."""
        if self._folder.local is not None:
            return self._folder.local / "scratch"
        name = hashlib.sha256(str(self._layout.root).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"fcaps-release-{name}")

    def claim(self, identity: dict[str, Any]) -> None:
        """Makes the folder that of a build, or finds that it is; what a killed process left on the way is removed.

        Raises:
            JobError: it is that of a build with other inputs.
            UsageError: it holds something else.
            OutputError: it cannot be written.
        """
        stored = read_json(self._note)
        if stored is None:
            refuse_strangers(self._layout.root, kind="a release in the making")
            self._note.put(json.dumps(identity, indent=1))
        else:
            require_same_job(stored, identity, self._note)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def done(self, shard: PlannedShard) -> WrittenShard | None:
        """What was written of a shard; None where it must be written (again)."""
        try:
            found = WrittenShard.model_validate_json(self._record(shard).read())
        except (MissingFileError, ValidationError):
            return None
        is_planned = found.data.num_rows == shard.num_rows
        return found if is_planned and all(map(self._is_whole, found.files)) else None

    def finish(self, shard: PlannedShard, written: WrittenShard) -> None:
        """Notes that a shard is done.

        Raises:
            OutputError: the folder cannot be written.
        """
        self._record(shard).put(written.model_dump_json())

    @contextmanager
    def forgotten_if_nothing(self) -> Iterator[None]:
        """What fails before its first shard leaves the folder free, so that a corrected recipe can go there."""
        try:
            yield
        except FcapsError:
            if next((self._layout.root / "data").list(), None) is None:
                self.clear()
            raise

    def clear(self) -> None:
        """Takes away what only the build needed."""
        for path in list(self._folder.list()):
            path.delete()
        shutil.rmtree(self.scratch if self._folder.local is None else self._folder.local, ignore_errors=True)

    def _record(self, shard: PlannedShard) -> StorePath:
        return self._folder / f"{shard.split}-{shard.number:05d}.json"

    def _is_whole(self, file: ReleaseShard) -> bool:
        """By content where it is on this machine, where reading costs little beside writing; else by size."""
        path = self._layout.shard(file)
        if path.num_bytes() != file.num_bytes:
            return False
        if path.local is None:
            return True
        with path.open() as opened:
            return hashlib.file_digest(cast("io.BufferedReader", opened), "sha256").hexdigest() == file.sha256

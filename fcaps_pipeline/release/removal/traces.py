"""What else of a run names what is taken back: log, former records, caches, and files in the making.

Lines of the log that name it go. Records of former attempts lose the messages of their failures; the record after them
keeps the checksum that they had. Caches of reused runs go whole: `--reuse` makes them again from those runs.
"""

import json
import shutil
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.release.removal.falling import Falling
from fcaps_pipeline.release.removal.search import Needle, Search
from fcaps_pipeline.shards.commits import all_attempts, commit_text, last_attempts, read_commit
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import load_tables
from fcaps_pipeline.storage.files import is_temporary, writing
from fcaps_pipeline.storage.lease import FOLDER
from fcaps_pipeline.storage.path import StorePath

_UNREADABLE = "{}"
_BETWEEN = ": "
"""What stands in the log behind the name of what failed."""


class Names:
    """Ids and sources of what falls."""

    def __init__(self, names: Iterator[str]) -> None:
        self._search = Search(Needle(name, "name", "name") for name in names)

    def stand_in(self, text: str) -> bool:
        """Whether a text names any of it."""
        before = text.partition(_BETWEEN)[0]
        return before in self._search.by_value or self._search.names_any(text)


def scrub_log(layout: RunLayout, names: Names) -> None:
    """Takes lines that name what falls out of the log, in each of its parts.

    Raises:
        OutputError: the log cannot be written.
    """
    for path in list(layout.root.list()):
        if path.parent == layout.root and path.name.startswith(layout.log.name):
            lines = path.read().splitlines(keepends=True)
            kept = [line for line in lines if not _names(line, names)]
            if len(kept) < len(lines):
                path.put(b"".join(kept))


def _names(line: bytes, names: Names) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return names.stand_in(line.decode(errors="surrogateescape"))
    texts = record.values() if isinstance(record, dict) else ()
    return any(isinstance(text, str) and names.stand_in(text) for text in texts)


def scrub_former_records(layout: RunLayout) -> None:
    """Takes the messages of failures out of the records of attempts that no longer count.

    Raises:
        OutputError: a record cannot be written.
    """
    counting = set(last_attempts(layout).values())
    for path in all_attempts(layout):
        if path in counting:
            continue
        try:
            commit = read_commit(path)
        except CorruptRunError:
            path.put(_UNREADABLE)
            continue
        if commit.failure_messages:
            path.put(commit_text(commit.model_copy(update={"failure_messages": ()})))


def reused_runs(layout: RunLayout) -> list[str]:
    """Runs whose answers are in the caches of a run."""
    if not layout.answers_of.exists():
        return []
    try:
        return sorted(json.loads(layout.answers_of.read())["runs"])
    except (ValueError, KeyError, TypeError):
        return []


def drop_caches(layout: RunLayout) -> None:
    """Removes what can be made again, what was in the making, and what `verify` found before.

    Raises:
        OutputError: a file cannot be removed.
    """
    for path in list(layout.answers.parent.list()):
        path.delete()
    layout.verified.delete()
    shutil.rmtree(layout.scratch, ignore_errors=True)
    for temporary in _temporaries(layout.root):
        temporary.delete()


def _temporaries(root: StorePath) -> Iterator[StorePath]:
    """What writers that were killed left; nobody else writes in the folder, but signs of life."""
    if root.local is None:
        return
    with writing(root.local):
        for path in sorted(root.local.rglob("*")):
            relative = path.relative_to(root.local)
            if is_temporary(path.name) and relative.parts[0] != FOLDER and path.is_file():
                yield root / relative.as_posix()


def what_stays(layout: RunLayout, names: Names, found: Falling) -> list[str]:
    """What has to do with what falls and stays as it is, one line each."""
    lines = [
        f"{path.name} names it, for instance as the one file that is the source, and stays: it decides what the run is"
        for path in (layout.job, layout.started)
        if path.exists() and names.stand_in(path.read().decode(errors="surrogateescape"))
    ]
    losing = {one for unit in found.units.values() for one in unit.losing} - found.trimmed
    num_worded = 0
    for table in load_tables(layout) if losing else ():
        loses = pc.is_in(table["recording_id"], value_set=pa.array(losing, pa.string()))
        num_worded += pc.sum(pc.and_(loses, table["transcript"].is_valid())).as_py() or 0
    if num_worded:
        lines.append(
            f"{num_worded} recordings lose segments and keep the words of the whole (column `recording_transcript`), "
            "which nobody can divide: take the recordings back where these must go"
        )
    return lines

"""What earlier runs were answered, by the content of the question: an index on disk, built once, read by many.

Enters: finished runs. Leaves: the Completions of a request, by its key. The index is one SQLite file: answers lie in
the order of the runs, so that Segments asked about in their order are read from neighbouring pages; keys are sorted by
SQLite's external merge sort. Building and reading take some tens of megabytes whatever the number of keys.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from fcaps_pipeline.annotate.engines.answers import make_completion
from fcaps_pipeline.annotate.verification.agent.trajectory import answers_in
from fcaps_pipeline.annotate.verification.opinions import probes_of
from fcaps_pipeline.errors import CorruptRunError, OutputError, UsageError
from fcaps_pipeline.records.annotations import Completion
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import check_file, open_parquet, read_index, reading
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.path import StorePath

_KEY_BYTES = 16
"""Of 32: among a billion keys two share them with a chance of 1 in 10**20."""
_KEY_DIGITS = 64
_COMPRESSION_LEVEL = 1
_CACHE_KIB = 65_536
_COLUMNS = (
    "request_key",
    "completion_index",
    "text",
    "answer",
    "finish_reason",
    "num_prompt_tokens",
    "num_output_tokens",
    "seed",
    "engine",
    "engine_version",
    "trajectory",
)


class StoredAnswer(NamedTuple):
    """One Completion of an earlier run."""

    request_key: str
    completion_index: int
    completion: Completion


def build_answers(path: Path, runs: Sequence[RunLayout]) -> None:
    """Indexes the answers of finished runs.

    Args:
        path: of the index; written anew.
        runs: where the answers are, each with an `index.json`.

    Raises:
        CorruptRunError: a run is not finished, of another schema version or damaged, or an answer has no key.
        UsageError: two runs answer one request differently.
        OutputError: the index cannot be written.
    """
    for run in runs:
        read_index(run)
    with writing(path):
        path.unlink(missing_ok=True)
    write_answers(path, [(str(run.root), _answers_of(run)) for run in runs])


def write_answers(path: Path, sources: Sequence[tuple[str, Iterable[StoredAnswer]]]) -> None:
    """Writes an index of given answers; each source has a name for messages.

    Raises:
        UsageError: two sources answer one request differently.
        OutputError: the index cannot be written.
    """
    with writing_index(path) as database:
        _write(database, sources)


@contextmanager
def writing_index(path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database that takes its place when all is written.

    Raises:
        OutputError: it cannot be written, for instance because the disk is full.
    """
    temporary = path.with_suffix(".part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            yield database
    except sqlite3.Error as error:
        raise OutputError(f"cannot write {path}: {error}; make room or access there, then try again") from error
    with writing(path):
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def _write(database: sqlite3.Connection, sources: Sequence[tuple[str, Iterable[StoredAnswer]]]) -> None:
    for setting in ("synchronous = OFF", f"cache_size = -{_CACHE_KIB}", "temp_store = FILE"):
        database.execute(f"PRAGMA {setting}")
    database.execute("CREATE TABLE answers (key BLOB, place INTEGER, source INTEGER, answer BLOB)")
    database.execute("BEGIN")
    for number, (_, answers) in enumerate(sources):
        rows = ((*_key(one.request_key, one.completion_index), number, _packed(one.completion)) for one in answers)
        database.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", rows)
    database.execute("CREATE INDEX by_key ON answers (key, place, source)")
    _compare_repeated(database, [name for name, _ in sources])
    database.execute("COMMIT")


def _compare_repeated(database: sqlite3.Connection, names: Sequence[str]) -> None:
    """Refuses a request that two runs answer differently; where they agree, or one run repeats itself, all stay."""
    repeated = "SELECT key, place FROM answers GROUP BY key, place HAVING MIN(source) < MAX(source)"
    for key, place in database.execute(repeated):
        found = database.execute(
            "SELECT source, answer FROM answers WHERE key = ? AND place = ? ORDER BY source", (key, place)
        )
        first_source, first_answer = next(found)
        for source, answer in found:
            if source != first_source and _said(answer) != _said(first_answer):
                raise UsageError(
                    f"{names[first_source]} and {names[source]} give different answers to the request {key.hex()}…: "
                    f"{_shown(first_answer)} and {_shown(answer)}; reuse one of them"
                )


def _answers_of(run: RunLayout) -> Iterator[StoredAnswer]:
    silences: set[str] = set()
    for file in read_index(run).shards:
        if file.table != "candidates":
            continue
        check_file(run, file)
        path = run.root / file.path
        with reading(path), open_parquet(path) as parquet:
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group, columns=list(_COLUMNS)).to_pylist()
                for row in rows:
                    trajectory = row.pop("trajectory", None)
                    yield from _probed(trajectory, silences)
                    yield from (StoredAnswer(key, 0, one) for key, one in answers_in(trajectory or "[]"))
                    yield _stored(row, path)


def _probed(trajectory: str | None, silences: set[str]) -> Iterator[StoredAnswer]:
    """What probes were answered; about silence once, as many captions claim the same."""
    for probed in (one for found in probes_of(trajectory) for one in found.probes):
        for asked in (probed.clip, probed.silence):
            if asked.request_key in silences:
                continue
            if asked is probed.silence:
                silences.add(asked.request_key)
            weighed = asked.log_probabilities
            answer = make_completion(
                "", "length", num_prompt_tokens=0, num_output_tokens=1, seed=0, log_probabilities=weighed
            )
            yield StoredAnswer(asked.request_key, 0, answer)


def _stored(row: dict[str, object], path: StorePath) -> StoredAnswer:
    key, place = row.pop("request_key"), row.pop("completion_index")
    if not isinstance(key, str) or len(key) != _KEY_DIGITS or not isinstance(place, int):
        raise CorruptRunError(f"{path} has a candidate without a request key; its run cannot be reused")
    answer = row.pop("answer")
    return StoredAnswer(
        key, place, Completion.model_validate({**row, "text": row["text"] if answer is None else answer})
    )


class EarlierAnswers:
    """An index that is open for reading."""

    def __init__(self, path: Path) -> None:
        """Opens it; nothing may write to it meanwhile.

        Raises:
            CorruptRunError: it is not there or no index.
        """
        self._path = path
        try:
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._database.close()

    def find(self, request_key: str, num_completions: int) -> tuple[Completion, ...] | None:
        """The first answers to a request, in their order; None unless as many are known.

        Raises:
            CorruptRunError: the index cannot be read.
        """
        key, _ = _key(request_key, 0)
        try:
            found = self._database.execute(
                "SELECT place, answer FROM answers WHERE key = ? AND place < ? ORDER BY place DESC, source DESC",
                (key, num_completions),
            )
            first = dict(found)  # of several at one place, the last one stays: that of the first run
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        if len(first) < num_completions:
            return None
        return tuple(Completion.model_validate_json(zlib.decompress(first[place])) for place in sorted(first))

    def _damaged(self, error: sqlite3.Error) -> CorruptRunError:
        return CorruptRunError(
            f"the index of earlier answers {self._path} cannot be read ({error}); remove {self._path.parent} and run "
            "annotate again"
        )


def _key(request_key: str, place: int) -> tuple[bytes, int]:
    return bytes.fromhex(request_key)[:_KEY_BYTES], place


def _packed(completion: Completion) -> bytes:
    return zlib.compress(completion.model_dump_json().encode(), _COMPRESSION_LEVEL)


def _said(answer: bytes) -> tuple[str, str]:
    """What an answer is, whichever version of an engine gave it."""
    completion = Completion.model_validate_json(zlib.decompress(answer))
    return completion.text, completion.finish_reason


def _shown(answer: bytes) -> str:
    return repr(_said(answer)[0][:60])

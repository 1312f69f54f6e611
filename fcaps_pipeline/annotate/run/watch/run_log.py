"""`run.log.jsonl`: what happened in a run and when, one record a line, enough to draw its hours over time.

Lines are appended and never changed, each in one write, so that a killed process leaves at most one torn line:
the next writer ends it, readers pass over it. One process writes, the one that holds the lock of the run folder;
every machine that sees the folder may read. What the lines mean together is left to `activity`.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.growing_file import growing_file, read_lines
from fcaps_pipeline.storage.path import Where, store_path


class _Line(Record):
    at: datetime
    """Wall clock of the writing machine, in UTC."""


class Started(_Line):
    """A call of `annotate` took the run folder."""

    kind: Literal["started"] = "started"
    host: str
    pid: int
    fcaps_version: str


class Planned(_Line):
    """The plan is there: what is to be done, and what earlier calls did."""

    kind: Literal["planned"] = "planned"
    num_units: int
    num_units_done: int
    audio_hours: float
    audio_hours_done: float


class Step(_Line):
    """A step began that may take long."""

    kind: Literal["step"] = "step"
    step: str


class Waiting(_Line):
    """The run waits for something that others must bring, told once a minute."""

    kind: Literal["waiting"] = "waiting"
    message: str


class EngineUp(_Line):
    """A replica answers, at first or again."""

    kind: Literal["engine_up"] = "engine_up"
    engine: str
    replica: str
    host: str


class EngineDown(_Line):
    """A replica died, hangs or is gone with its node."""

    kind: Literal["engine_down"] = "engine_down"
    engine: str
    replica: str
    cause: str


class Ready(_Line):
    """Every engine of the job answers."""

    kind: Literal["ready"] = "ready"
    startup_s: float


class EngineMinute(Record):
    """One engine of the job over the last minute, all its replicas together."""

    engine: str
    wanted: int
    up: int
    busy_share: float
    """Mean share of the room that was in use, 0 to 1."""
    output_tokens_per_s: float
    queued: int
    restarts: int
    kv_cache_share: float | None
    """None where no engine tells."""
    preemptions: int


class Minute(_Line):
    """The state of the run, once a minute; sums are over this call of `annotate`, hours over the whole run."""

    kind: Literal["minute"] = "minute"
    audio_hours: float
    """Audio gone through, earlier calls included."""
    segments: dict[str, int]
    """By outcome."""
    recording_failures: int
    output_tokens: dict[str, int]
    """By engine."""
    verdicts: dict[str, int]
    """Candidates by the rule that spoke against them, or `kept`."""
    hours_per_hour: float
    """Audio over wall clock, of the last ten minutes."""
    eta_s: float | None
    """None while nothing advances."""
    engines: tuple[EngineMinute, ...]


class UnitCommitted(_Line):
    """A WorkUnit became a Shard."""

    kind: Literal["unit_committed"] = "unit_committed"
    unit_index: int
    num_units_done: int
    audio_hours: float
    """Committed audio, earlier calls included."""
    annotations: int
    rejections: int
    failures: int


class FailureLine(_Line):
    """Something could not be done: a Recording, a Segment, or a whole unit."""

    kind: Literal["failure"] = "failure"
    unit_index: int
    message: str


class Ended(_Line):
    """The call of `annotate` is over."""

    kind: Literal["ended"] = "ended"
    how: str
    """A state of the report, or the error that ended it."""


LogLine = Annotated[
    Started | Step | Planned | Waiting | EngineUp | EngineDown | Ready | Minute | UnitCommitted | FailureLine | Ended,
    Field(discriminator="kind"),
]

_LINE: TypeAdapter[LogLine] = TypeAdapter(LogLine)


def utc_now() -> datetime:
    """The wall clock, as the log writes it."""
    return datetime.now(UTC)


class RunLog:
    """The file, open for appending; may be written from several threads of one process."""

    def __init__(self, path: Where) -> None:
        self._file = growing_file(store_path(path))

    def __enter__(self) -> Self:
        """Opens the file.

        Raises:
            OutputError: it cannot be written.
        """
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def append(self, line: LogLine) -> None:
        """Writes one line, whole.

        Raises:
            OutputError: the disk is full, for instance.
        """
        self._file.append(line.model_dump_json().encode())


def read_log(path: Where) -> Iterator[LogLine]:
    """Lines in the order of their writing, torn ones left out; nothing where there is no file.

    Raises:
        CorruptRunError: a whole line is no record of this version.
        StorageError: the storage does not give it.
    """
    for number, line in enumerate(read_lines(store_path(path)), start=1):
        if not _is_whole(line):
            continue
        try:
            yield _LINE.validate_json(line)
        except ValidationError as error:
            raise CorruptRunError(
                f"{path}, line {number}: expected a record of the run log of this version, found "
                f"{line[:80].decode(errors='replace').strip()!r}; read the run with the version that wrote it"
            ) from error


def _is_whole(line: bytes) -> bool:
    """A torn line is the beginning of a JSON object, which is never JSON itself."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

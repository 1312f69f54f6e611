"""`engines.json`: who answered in a run. One dataset comes from one set of models."""

from pydantic import ValidationError

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.errors import CorruptRunError, JobError, MissingFileError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout


class _Engines(Record):
    """Content of the file."""

    engines: dict[str, EngineIdentity]


def remember_engines(layout: RunLayout, engines: dict[str, EngineIdentity]) -> None:
    """Writes down who answers; a run is not continued with others.

    Raises:
        JobError: others answered before.
        CorruptRunError: the file is not what was written.
        OutputError: the run folder cannot be written.
    """
    before = read_engines(layout)
    if not before:
        layout.engines.put(_Engines(engines=engines).model_dump_json(indent=1))
    elif before != engines:
        differing = next(name for name in engines if before.get(name) != engines[name])
        raise JobError(
            f"{layout.root}: engine {differing} was {before.get(differing)!r}, now it is {engines[differing]!r}; "
            "put the earlier model and version back, or choose another --out"
        )


def read_engines(layout: RunLayout) -> dict[str, EngineIdentity]:
    """Who answered, by engine of the job; empty where nobody did so far.

    Raises:
        CorruptRunError: the file is not what was written.
    """
    try:
        return _Engines.model_validate_json(layout.engines.read()).engines
    except MissingFileError:
        return {}
    except ValidationError as error:
        raise CorruptRunError(
            f"{layout.engines} is not what was written ({error.error_count()} mistakes); restore it from a copy"
        ) from error

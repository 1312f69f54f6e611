"""Reads JSONL line by line, plain or gzipped, into pydantic models.

Enters: a path and a model. Leaves: pairs of line number and model. Every mistake becomes a
SourceError that names file and line and, for a misspelt field, the nearest correct name.
"""

import difflib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeVar, cast

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fcaps_pipeline.errors import SourceError

LineT = TypeVar("LineT", bound=BaseModel)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_jsonl(path: Path, model: type[LineT]) -> Iterator[tuple[int, LineT]]:
    """Yields line number and model for every line that is not blank.

    Raises:
        SourceError: the file cannot be read, or a line is not what the model asks for.
    """
    for number, line in raw_lines(path):
        try:
            yield number, model.model_validate_json(line)
        except ValidationError as error:
            details = "; ".join(_explain(item, model) for item in error.errors())
            raise SourceError(f"{path}:{number}: {details}") from None


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields number and content of every line that is not blank.

    Raises:
        SourceError: the file is missing, unreadable or damaged.
    """
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if content.strip():
                    yield number, content
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist; check the path of the source") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is not whole gzip data ({error}); write it again") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _explain(item: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "json_invalid":
        return f"not a JSON object ({item['msg'].removeprefix('Invalid JSON: ')})"
    if item["type"] == "missing":
        return f"the field {key!r} is missing"
    if item["type"] == "extra_forbidden":
        return f"unknown field {key!r}{_suggest(item['loc'], model)}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{key}: {message}, found {item['input']!r:.80}" if key else message


def _suggest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _field_names(_model_at(location[:-1], model))
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; known fields are {', '.join(known)}"


def _model_at(parents: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    """The model that holds a nested field: lists of models are declared as tuple[Model, ...]."""
    for parent in parents:
        if isinstance(parent, str):
            nested = _nested_model(model.model_fields[parent].annotation)
            model = nested or model
    return model


def _nested_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _nested_model(argument)) is not None:
            return found
    return None


def _field_names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names += [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name]
    return names

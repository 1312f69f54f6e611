"""Prompts: instruction texts with a name, a version and a hash, read from `prompts/`.

A reference such as `captioner_fine.v1` enters, a `Prompt` leaves. A released text never changes:
another wording is another version. Which prompt suits which engine is the job's decision.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.mistakes import suggestion
from fcaps_pipeline.jobs.resources import resolve_path, shipped_folder
from fcaps_pipeline.records.base import Record

_SUFFIX = ".txt"
_TAGS = "{tags}"
_CLAIM = "{claim}"
_REFERENCE = re.compile(r"(?P<name>[a-z0-9_]+)\.v(?P<version>[1-9][0-9]*)")


class Prompt(Record):
    """One instruction."""

    name: str
    version: int
    text: str
    """The text without surrounding white space; may hold `{tags}` or `{claim}`."""
    sha256: str
    """Hash of `text` in UTF-8, before anything is put in."""

    @property
    def reference(self) -> str:
        """Name and version as a job writes them."""
        return f"{self.name}.v{self.version}"

    @property
    def takes_tags(self) -> bool:
        """Whether the text has a place for human tags."""
        return _TAGS in self.text

    @property
    def takes_claim(self) -> bool:
        """Whether the text has a place for a claim."""
        return _CLAIM in self.text

    def about(self, statement: str) -> str:
        """The text as the model gets it, with the sentence of a claim in its place."""
        return self.text.replace(_CLAIM, statement)

    def render(self, tags: tuple[str, ...] = ()) -> str:
        """The text as the model gets it, with the tags in their place, separated by commas."""
        return self.text.replace(_TAGS, ", ".join(tags))


def load_prompt(reference: str) -> Prompt:
    """Reads a prompt.

    Args:
        reference: `NAME.vN` for a prompt that ships with the project, or the path of a file
            called `NAME.vN.txt`.

    Raises:
        UsageError: there is no such prompt, its file name has no version, or it is empty.
    """
    path = _path_of(reference)
    match = _REFERENCE.fullmatch(path.name.removesuffix(_SUFFIX))
    if match is None:
        expected = "the file name must read" if _is_path(reference) else "expected NAME.vN of a shipped prompt, or"
        raise UsageError(f"prompt {reference}: {expected} NAME.vN{_SUFFIX}, found {path.name}{_meant(reference)}")
    text = _read(path, reference)
    return Prompt(
        name=match["name"],
        version=int(match["version"]),
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def load_prompts(references: Mapping[str, str]) -> dict[str, Prompt]:
    """Prompts by reference: read once, where the command runs, and sent as text to whoever asks with them.

    Args:
        references: what is to be read, by the key of the job that names it.

    Raises:
        UsageError: as `load_prompt`, with the key.
    """
    found: dict[str, Prompt] = {}
    for key, reference in references.items():
        try:
            found[reference] = load_prompt(reference)
        except UsageError as error:
            raise UsageError(f"{key}: {error}") from None
    return found


def shipped_prompts() -> tuple[str, ...]:
    """References of all prompts that ship with the project."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in shipped_folder("prompts").glob(f"*{_SUFFIX}")))


def _path_of(reference: str) -> Path:
    return resolve_path(reference) if _is_path(reference) else shipped_folder("prompts") / f"{reference}{_SUFFIX}"


def _is_path(reference: str) -> bool:
    return reference.endswith(_SUFFIX) or Path(reference).name != reference


def _meant(reference: str) -> str:
    return "" if _is_path(reference) else suggestion(reference, shipped_prompts())


def _read(path: Path, reference: str) -> str:
    if path.exists() and not path.is_file():
        raise UsageError(f"prompt {reference} at {path} is no regular file; write the instruction into one")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UsageError(f"prompt {reference} does not exist at {path}{_meant(reference)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"prompt {reference} at {path} cannot be read as UTF-8 text: {error}") from None
    if not text:
        raise UsageError(f"prompt {reference} at {path} is empty; write the instruction into it")
    return text

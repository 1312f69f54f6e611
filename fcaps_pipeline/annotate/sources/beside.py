"""What lies beside an audio file and tells of it: `a.txt`, `a.json`, and lists for whole folders.

Such lists are LibriSpeech's `x.trans.txt`, and the `metadata.jsonl` of an audiofolder, which tells of files below too.
Enters: one folder and the names of its files. Leaves: for an audio file what its neighbours say, and which of them were
read. What cannot be read as one of these is left alone and told in one line; it never stops the listing.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

from pydantic import JsonValue, TypeAdapter, ValidationError, ValidationInfo

from fcaps_pipeline.annotate.sources.fields import NO_NAMES, FieldNames
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.lines import MaybeEmpty, OpenLine, PathText, Tags, Text
from fcaps_pipeline.audio.location import shown_name
from fcaps_pipeline.errors import SourceError

METADATA = "metadata.jsonl"
_TRANSCRIPTS = ".trans.txt"
_MAX_BYTES = 1_000_000
"""What is larger is no description of one recording."""
_OBJECT = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True)
class Told:
    """What the neighbours of an audio file say of it."""

    transcript: str | None = None
    speaker: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    license: str | None = None
    extra: dict[str, JsonValue] = field(default_factory=dict)


class _Description(OpenLine):
    """A JSON object beside an audio file; whatever it holds beyond these fields is kept as it is."""

    other_names: ClassVar = {"transcript": ("text",), "language": ("lang",), "license": ("licence",)}

    transcript: MaybeEmpty | None = None
    speaker: Text | None = None
    language: Text | None = None
    tags: Tags = ()
    license: Text | None = None

    @classmethod
    def check_foreign(cls, name: str) -> None:
        """A description made for others owes us no spelling."""

    @classmethod
    def _mapped(cls, info: ValidationInfo) -> FieldNames:
        return info.context if isinstance(info.context, FieldNames) else NO_NAMES

    def told(self) -> Told:
        """Without the name of the file."""
        return Told(self.transcript, self.speaker, self.language, self.tags, self.license, self.extra)


class _MetadataLine(_Description):
    """One line of the list of an audiofolder."""

    file_name: PathText


class Metadata:
    """What the list of an audiofolder says of files in its folder and below."""

    def __init__(self, path: Path, fields: FieldNames) -> None:
        """Reads the list, as far as it can be read."""
        self._folder = path.parent
        self._told: dict[str, Told] = {}
        self.note: str | None = None
        """What is wrong with the list, in one line."""
        try:
            for _, line in read_jsonl(path, _MetadataLine, fields):
                self._told[PurePosixPath(line.file_name).as_posix()] = line.told()
        except SourceError as error:
            self.note = f"{error}: what follows in this list is not read"

    def of(self, file: Path) -> Told | None:
        """What is told of a file; None where nothing is."""
        return self._told.get(file.relative_to(self._folder).as_posix())


class Neighbours:
    """The files of one folder, as far as they tell of audio beside them."""

    def __init__(self, folder: Path, names: set[str], lists: tuple[Metadata, ...], fields: FieldNames) -> None:
        """Reads nothing yet but the transcripts of a whole folder.

        Args:
            folder: of the files.
            names: of the files.
            lists: of this folder and of those above it.
            fields: names that the job maps in JSON.
        """
        self._folder = folder
        self._names = names
        self._lists = lists
        self._fields = fields
        self.read: set[str] = set()
        """Names of the files that were read."""
        self.notes: list[str] = []
        """One line for each that could not be."""
        self._lines = {name: self._transcripts(name) for name in sorted(names) if name.endswith(_TRANSCRIPTS)}

    def of(self, name: str) -> Told:
        """What is told of the audio file of that name."""
        stem = Path(name).stem
        told = self._described(f"{stem}.json") or self._from_lists(self._folder / name)
        transcript = self._text(f"{stem}.txt") or self._listed(stem)
        return replace(told, transcript=transcript) if transcript else told

    def _from_lists(self, file: Path) -> Told:
        return next((told for one in reversed(self._lists) if (told := one.of(file)) is not None), Told())

    def _text(self, name: str) -> str | None:
        text = self._content(name)
        return None if text is None else " ".join(text.split()) or None

    def _listed(self, stem: str) -> str | None:
        for name, lines in self._lines.items():
            if stem in lines:
                self.read.add(name)
                return lines[stem]
        return None

    def _described(self, name: str) -> Told | None:
        text = self._content(name)
        if text is None:
            return None
        try:
            return _Description.model_validate(_OBJECT.validate_json(text), context=self._fields).told()
        except ValidationError:
            self.read.discard(name)
            self._note(name, "is no JSON object that describes a recording")
            return None

    def _transcripts(self, name: str) -> dict[str, str]:
        lines = (line.split(maxsplit=1) for line in (self._content(name) or "").splitlines())
        self.read.discard(name)
        return {parts[0]: parts[1] for parts in lines if len(parts) == 2}

    def _content(self, name: str) -> str | None:
        if name not in self._names:
            return None
        path = self._folder / name
        try:
            if path.stat().st_size > _MAX_BYTES:
                self._note(name, f"is larger than {_MAX_BYTES:,} bytes")
                return None
            text = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self._note(name, f"is no readable UTF-8 text ({type(error).__name__})")
            return None
        self.read.add(name)
        return text

    def _note(self, name: str, what: str) -> None:
        self.notes.append(f"{shown_name(str(self._folder / name))} {what}: the audio beside it goes without it")

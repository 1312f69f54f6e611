"""What a source tells of one recording, in whatever form: the fields, their usual names, and the Recording they make.

Enters: an object of a manifest, the JSON beside a member of a tar, a row of a table. Leaves: a Recording.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from pydantic import ValidationInfo

from fcaps_pipeline.annotate.sources.fields import NO_NAMES, FieldNames
from fcaps_pipeline.annotate.sources.ids import id_from_name
from fcaps_pipeline.annotate.sources.lines import MaybeEmpty, OpenLine, Seconds, Tags, Text, gender_of, json_text
from fcaps_pipeline.annotate.sources.located import Place
from fcaps_pipeline.records.audio import Recording


class RecordingLine(OpenLine):
    """One object that tells of a recording; names that the job maps come as `FieldNames` in pydantic's context."""

    other_names: ClassVar = {
        "transcript": ("text",),
        "language": ("lang",),
        "license": ("licence",),
        "duration_s": ("duration",),
    }

    id: Text | None = None
    """Id of the recording; without it, the id follows from the path."""
    transcript: MaybeEmpty | None = None
    """Words spoken in the recording."""
    speaker: Text | None = None
    """Who speaks."""
    language: Text | None = None
    """BCP 47 tag."""
    tags: Tags = ()
    """Human tags of the style, such as an accent."""
    license: Text | None = None
    """License of the recording."""
    corpus: Text | None = None
    """Name of the corpus; without it, that of the job."""
    duration_s: Seconds | None = None
    """Length in seconds, where known; saves reading the header."""

    @classmethod
    def _mapped(cls, info: ValidationInfo) -> FieldNames:
        return info.context if isinstance(info.context, FieldNames) else NO_NAMES


class Description(RecordingLine):
    """An object made for others, which owes us no spelling."""

    @classmethod
    def check_foreign(cls, name: str) -> None:
        """Any name is good."""


class Defaults(Protocol):
    """What a job says of Recordings that do not say it themselves."""

    @property
    def language(self) -> str | None:
        """BCP 47 tag."""
        ...

    @property
    def license(self) -> str | None:
        """License of the recording."""
        ...


def with_defaults(recording: Recording, defaults: Defaults) -> Recording:
    """The Recording with the language and license of the job, where it has none of its own."""
    told = {"language": recording.language or defaults.language, "license": recording.license or defaults.license}
    is_same = told["language"] == recording.language and told["license"] == recording.license
    return recording if is_same else recording.model_copy(update=told)


def recording_from(line: RecordingLine, place: Place, **more: Any) -> Recording:
    """The Recording that a line tells of.

    Args:
        line: what is told.
        place: where its audio is.
        more: fields of the Recording that are otherwise than the line tells.
    """
    told: Mapping[str, Any] = {
        "recording_id": place.safe_id if line.id is None else id_from_name(line.id),
        "location": place.location,
        "source": place.shown,
        "duration_s": line.duration_s,
        "transcript": line.transcript,
        "speaker": line.speaker,
        "speaker_gender": gender_of(line.extra),
        "language": line.language,
        "tags": line.tags,
        "license": line.license,
        "corpus": line.corpus,
        "extra": json_text(line.extra),
    }
    return Recording(**{**told, **more})

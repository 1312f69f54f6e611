"""Where the Recordings of a run are: one model per kind of source, part of an annotate job."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field

from fcaps_pipeline.jobs.job_file import Section

License = Annotated[str | None, Field(validation_alias=AliasChoices("license", "licence"))]


def _checked_part(text: str) -> str:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"{text!r} names no part; expected its number and how many there are, such as 3/16")
    return text


Part = Annotated[str, AfterValidator(_checked_part)] | None

FileField = Literal["transcript", "speaker", "speaker_gender", "language", "tags", "license"]
"""What may be told beside a file, whose name and length are its own."""
RecordingField = Literal[FileField, "id", "corpus", "duration_s"]
"""What a source may tell of a Recording."""
ListField = Literal[RecordingField, "path", "offset_s"]
"""The same, of lists that name files."""


class FolderSource(Section):
    """All audio files below a folder."""

    kind: Literal["folder"] = "folder"
    path: str
    """Folder or single audio file; `package:demo_speech` is the speech shipped with the package."""
    fields: dict[FileField, str | None] = Field(default_factory=dict)
    """Names that JSON beside audio, and `metadata.jsonl`, have for what we take, `{transcript: sentence}`: a dot leads
    into an object, null takes nothing. What is not named here is found under its usual names."""
    language: str | None = None
    """Language of every Recording, as a BCP 47 tag."""
    license: License = None
    """License of every Recording, as shown in the shards; may be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class ManifestSource(Section):
    """A JSONL file with one Recording per line, or a Parquet file with one per row."""

    kind: Literal["manifest"]
    path: str
    """The JSONL file or JSON array, plain or compressed, or the Parquet file whose columns are the same fields."""
    audio_root: str | None = None
    """Folder that relative audio paths start from; default: the folder of the manifest."""
    fields: dict[ListField, str | None] = Field(default_factory=dict)
    """Names that lines have for what we take, `{id: utt_id, speaker: info.spk}`: a dot leads into an object, null takes
    nothing. What is not named here is found under its usual names."""
    corpus: str | None = None
    """Name of the corpus of lines that name none, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class LhotseSource(Section):
    """Lhotse recordings or cuts."""

    kind: Literal["lhotse"]
    path: str
    """JSONL or a JSON array of recordings or cuts, plain or compressed, or a folder of Lhotse Shar. Cuts become
    Segments as they are."""
    audio_root: str | None = None
    """Folder that relative audio paths start from; default: the folder of the JSONL."""
    license: License = None
    """License of every Recording: Lhotse has no field for it. May be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class TarSource(Section):
    """Tars of audio with JSON or text of the same name beside it, as WebDataset and Emilia have them."""

    kind: Literal["tar"]
    path: str
    """A tar, a folder of tars, or a pattern such as `EN/*.tar`. Nothing is unpacked; compressed tars are refused."""
    fields: dict[RecordingField, str | None] = Field(default_factory=dict)
    """Names that the JSON has for what we take, `{id: utt_id, speaker: info.spk}`: a dot leads into an object, null
    takes nothing. What is not named here is found under its usual names."""
    language: str | None = None
    """Language of Recordings that name none, as a BCP 47 tag."""
    license: License = None
    """License of Recordings that name none, as shown in the shards; may be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus of Recordings that name none, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class ParquetSource(Section):
    """Parquet files with a column of sound, as datasets of the Hugging Face hub are published."""

    kind: Literal["parquet"]
    path: str
    """A Parquet file, a folder of them, or a pattern such as `data/train-*.parquet`."""
    column: str | None = None
    """The column of sound: bytes, paths, or a struct of both; None takes the only struct of both that there is."""
    audio_root: str | None = None
    """Folder that relative paths of rows without bytes start from; default: the folder of the file, or `path`."""
    fields: dict[RecordingField, str | None] = Field(default_factory=dict)
    """Names of the columns that hold what we take, `{transcript: sentence, speaker: info.spk}`: a dot leads into a
    struct, null takes nothing. What is not named here is found under its usual names."""
    language: str | None = None
    """Language of Recordings that name none, as a BCP 47 tag."""
    license: License = None
    """License of Recordings that name none, as shown in the shards; may be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus of Recordings that name none, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class TableSource(Section):
    """A CSV or TSV file with a header and one Recording per row."""

    kind: Literal["table"]
    path: str
    """The table, plain or compressed."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """Between cells; None means a tab in `.tsv`, a comma elsewhere."""
    audio_root: str | None = None
    """Folder that relative audio paths start from; default: the folder of the table."""
    fields: dict[ListField, str | None] = Field(default_factory=dict)
    """Names of the columns that hold what we take, `{path: wav, transcript: sentence}`; null takes nothing. What is not
    named here is found under its usual names."""
    language: str | None = None
    """Language of Recordings that name none, as a BCP 47 tag."""
    license: License = None
    """License of Recordings that name none, as shown in the shards; may be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus of rows that name none, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class KaldiSource(Section):
    """A Kaldi data folder: `wav.scp`, and `segments`, `text`, `utt2spk`, `spk2gender`, `reco2dur` where they are."""

    kind: Literal["kaldi"]
    path: str
    """The folder. Lines of `segments` become Segments as they are; commands in `wav.scp` are refused, not executed."""
    audio_root: str | None = None
    """Folder that relative audio paths start from; default: the data folder or the working directory, whichever has the
    file."""
    language: str | None = None
    """Language of every Recording, as a BCP 47 tag."""
    license: License = None
    """License of every Recording, as shown in the shards; may be spelt `licence`."""
    corpus: str | None = None
    """Name of the corpus, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


class RunSource(Section):
    """An earlier run or a release: its rows are the corpus, its Segments are captioned as they are."""

    kind: Literal["run"]
    path: str
    """The run folder. Audio comes from its rows, or from where they refer to."""
    corpus: str | None = None
    """Name of the corpus of rows that name none, as shown in the shards."""
    part: Part = None
    """One of so many parts, such as `3/16`: by a hash of the id, disjoint and together the whole."""


SourceConfig = Annotated[
    FolderSource | ManifestSource | TableSource | LhotseSource | KaldiSource | TarSource | ParquetSource | RunSource,
    Field(discriminator="kind"),
]

"""Recordings of a Kaldi data folder: `wav.scp`, and `segments`, `text`, `utt2spk`, `spk2gender` where they are.

Enters: a KaldiSource with its resolved path. Leaves: Recordings; where there is a file `segments`, its lines become
Cuts. A line of `wav.scp` that is a command is refused: nothing is ever executed.

Source: https://kaldi-asr.org/doc/data_prep.html
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue, ValidationError

from fcaps_pipeline.annotate.sources.ids import id_from_name
from fcaps_pipeline.annotate.sources.jsonl import explained, raw_lines
from fcaps_pipeline.annotate.sources.lines import gender_of, json_text
from fcaps_pipeline.annotate.sources.located import Located, locate
from fcaps_pipeline.annotate.sources.manifest import ManifestSegment, cut_of, unique_cuts
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.recording_line import Description, recording_from, with_defaults
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.jobs.sources import KaldiSource
from fcaps_pipeline.records.audio import Cut, Recording

WAV_SCP = "wav.scp"
_IN_ARCHIVE = re.compile(r":\d+$")
_TO_THE_END = "-1"


class _Value(NamedTuple):
    """What a line says of its key."""

    text: str
    where: str


_Table = dict[str, _Value]


def list_kaldi(source: KaldiSource, path: Path, passed_over: PassedOver) -> Iterator[Located]:
    """Yields the Recordings of the folder, in the order of `wav.scp`.

    Raises:
        SourceError: a line is not what Kaldi says it is, or is a command.
    """
    tables = _Tables(path)
    roots = [resolve_path(source.audio_root).absolute()] if source.audio_root else [path.absolute(), Path.cwd()]
    for recording_id, wav in tables.wavs.items():
        recording = _recording(recording_id, wav, tables, roots)
        if recording is None:
            passed_over.note(f"{wav.where}: no line of `segments` has a part of {recording_id}: it is not taken")
        else:
            yield Located(with_defaults(recording, source), wav.where)
    for line in tables.unused():
        passed_over.note(line)


class _Tables:
    """The files of a folder, by the keys of their lines."""

    def __init__(self, folder: Path) -> None:
        self.wavs = _read(folder / WAV_SCP)
        if not self.wavs:
            raise SourceError(f"{folder / WAV_SCP} holds no line; expected an id and the path of its audio")
        self.has_segments = (folder / "segments").is_file()
        self.text, self.speaker = _read(folder / "text"), _read(folder / "utt2spk")
        self.gender = _read(folder / "spk2gender")
        self.length_s = _read(folder / "reco2dur")
        self.segments: dict[str, list[tuple[str, _Value]]] = {}
        for utterance_id, line in _read(folder / "segments").items():
            recording_id = line.text.split(maxsplit=1)[0] if line.text else ""
            if recording_id not in self.wavs:
                raise SourceError(f"{line.where}: {WAV_SCP} has no recording {recording_id!r}")
            self.segments.setdefault(recording_id, []).append((utterance_id, line))

    def told(self, utterance_id: str) -> dict[str, JsonValue]:
        """What is said of an utterance, by the names of a manifest."""
        speaker = self.speaker.get(utterance_id)
        gender = None if speaker is None else self.gender.get(speaker.text)
        text = self.text.get(utterance_id)
        return {
            "transcript": text.text if text else None,
            "speaker": speaker.text if speaker else None,
            "gender": gender.text if gender else None,
        }

    def unused(self) -> Iterator[str]:
        """One line for each file with lines about nothing that is there."""
        known = {one for lines in self.segments.values() for one, _ in lines} if self.has_segments else set(self.wavs)
        for table in (self.text, self.speaker):
            strange = [value for key, value in table.items() if key not in known]
            if strange:
                yield f"{strange[0].where}: {len(strange)} lines of this file are about no utterance that is here"


def _recording(recording_id: str, wav: _Value, tables: _Tables, roots: list[Path]) -> Recording | None:
    """None of one without a segment, where segments are told."""
    place = locate(_path_of(recording_id, wav), roots)._replace(safe_id=id_from_name(recording_id))
    length = tables.length_s.get(recording_id)
    told: dict[str, JsonValue] = {"duration_s": length.text if length else None}
    if not tables.has_segments:
        told |= tables.told(recording_id)
    try:
        recording = recording_from(Description.model_validate(told), place)
    except ValidationError as error:
        raise SourceError(f"{wav.where}: {explained(error, Description)}") from None
    if not tables.has_segments:
        return recording
    lines = tables.segments.get(recording_id)
    if not lines:
        return None
    cuts = unique_cuts((_cut(utterance_id, line, tables) for utterance_id, line in lines), lines[0][1].where)
    return recording.model_copy(update={"cuts": cuts})


def _path_of(recording_id: str, wav: _Value) -> str:
    if wav.text.endswith("|") or wav.text.startswith("|"):
        raise SourceError(
            f"{wav.where}: {recording_id} is the output of a command ({wav.text!r:.80}), and nothing is executed; "
            "write its audio to a file, or name the file itself"
        )
    if wav.text in {"", "-"} or _IN_ARCHIVE.search(wav.text):
        raise SourceError(
            f"{wav.where}: {recording_id} is no audio file of its own ({wav.text!r:.80}); write its audio to a file"
        )
    return wav.text


def _cut(utterance_id: str, line: _Value, tables: _Tables) -> Cut:
    parts = line.text.split()
    if len(parts) not in {3, 4}:
        raise SourceError(f"{line.where}: expected an utterance, a recording, its start and its end, in seconds")
    if parts[2] == _TO_THE_END:
        raise SourceError(f"{line.where}: the end -1 tells no length; write the end in seconds")
    told = tables.told(utterance_id) | {"start_s": parts[1], "end_s": parts[2], "channel": (*parts, None)[3]}
    try:
        cut = cut_of(ManifestSegment.model_validate(told))
    except ValidationError as error:
        raise SourceError(f"{line.where}: {explained(error, ManifestSegment)}") from None
    return cut.model_copy(update={"extra": json_text({"utt_id": utterance_id}), "speaker_gender": gender_of(told)})


def _read(path: Path) -> _Table:
    """Lines of a key and what is said of it; nothing where there is no such file."""
    found: _Table = {}
    if path.name != WAV_SCP and not path.exists():
        return found
    for number, line in raw_lines(path):
        where = f"{path}:{number}"
        try:
            key, _, text = line.decode().strip().replace("\t", " ", 1).partition(" ")
        except UnicodeDecodeError as error:
            raise SourceError(f"{where}: no UTF-8 ({error.reason}); convert it, with iconv for example") from None
        if key in found:
            raise SourceError(f"{where}: {key} stands in {found[key].where} already; keep one of the lines")
        found[key] = _Value(text.strip(), where)
    return found

"""Kaldi data folders: files and segments, and no command that is ever run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import KaldiSource

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def run(**files: str) -> Path:
        folder = tmp_path / "data" / "train"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("wav_scp", "wav.scp")).write_text(text, encoding="utf-8")
        return folder

    return run


def _listing(path: Path, **more: Any) -> Listing:
    return list_recordings(KaldiSource(kind="kaldi", path=str(path), **more))


def test_a_folder_without_segments(write: Write) -> None:
    folder = write(
        wav_scp="b-1 wav/b 1.wav\na-1\t/corpus/a.wav\n",
        text="b-1 Words  spoken.\na-1\nc-1 of nobody\n",
        utt2spk="b-1 b\na-1 a\n",
        spk2gender="a m\nb f\n",
        reco2dur="b-1 2.5\n",
    )
    listing = _listing(folder, language="en", license="CC0-1.0", corpus="K")
    first, second = listing
    assert first.model_dump(exclude_defaults=True) == {
        "recording_id": "b-1",
        "location": str(folder / "wav" / "b 1.wav"),
        "source": "wav/b 1.wav",
        "duration_s": 2.5,
        "transcript": "Words  spoken.",
        "speaker": "b",
        "speaker_gender": "female",
        "language": "en",
        "license": "CC0-1.0",
        "corpus": "K",
        "extra": '{"gender":"f"}',
    }
    assert (second.location, second.transcript, second.speaker_gender) == ("/corpus/a.wav", "", "male")
    assert listing.passed_over.notes == [f"{folder}/text:3: 1 lines of this file are about no utterance that is here"]


def test_segments_become_cuts(write: Write) -> None:
    folder = write(
        wav_scp="r1 r1.wav\nr2 r2.wav\nr3 r3.wav\n",
        segments="u2 r1 2.0 3.5\nu1 r1 0.0 1.25\nu3 r2 0 1 1\n",
        text="u1 One.\nu3 Three.\n",
        utt2spk="u1 s\nu2 s\nu3 t\n",
        spk2gender="s f\n",
    )
    listing = _listing(folder)
    first, second = listing
    assert [cut.model_dump(exclude_defaults=True) for cut in first.cuts or ()] == [
        {
            "start_samples": 0,
            "end_samples": 20_000,
            "transcript": "One.",
            "speaker": "s",
            "speaker_gender": "female",
            "extra": '{"utt_id":"u1"}',
        },
        {
            "start_samples": 32_000,
            "end_samples": 56_000,
            "speaker": "s",
            "speaker_gender": "female",
            "extra": '{"utt_id":"u2"}',
        },
    ]
    assert [(cut.channel, cut.transcript) for cut in second.cuts or ()] == [(1, "Three.")]
    (note,) = listing.passed_over.notes
    assert note == f"{folder}/wav.scp:3: no line of `segments` has a part of r3: it is not taken"


def test_nothing_is_executed(write: Write, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = write(wav_scp=f"r1 r1.wav\nr2 touch {trace}; sph2pipe -f wav r2.sph |\n")
    with pytest.raises(SourceError, match=r"wav\.scp:2: r2 is the output of a command .*nothing is executed"):
        list(_listing(folder))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav_scp": ""}, r"wav\.scp holds no line"),
        ({"wav_scp": "r1\n"}, r"wav\.scp:1: r1 is no audio file of its own"),
        ({"wav_scp": "r1 -\n"}, r"wav\.scp:1: r1 is no audio file of its own"),
        ({"wav_scp": "r1 raw.ark:1024\n"}, r"wav\.scp:1: r1 is no audio file of its own \('raw\.ark:1024'\)"),
        ({"wav_scp": "r1 a.wav\nr1 b.wav\n"}, r"wav\.scp:2: r1 stands in .*wav\.scp:1 already"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r2 0 1\n"}, r"segments:1: wav\.scp has no recording 'r2'"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1\n"}, r"segments:1: wav\.scp has no recording ''"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r1 0\n"}, r"segments:1: expected an utterance, a recording"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r1 0 -1\n"}, r"segments:1: the end -1 tells no length"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r1 2 1\n"}, r"segments:1: end_s 1\.0 must be after start_s 2\.0"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r1 x 1\n"}, r"segments:1: start_s: .*found 'x'"),
        ({"wav_scp": "r1 a.wav\n", "segments": "u1 r1 0 1\nu2 r1 0 1\n"}, r"segments:1: two segments cover"),
        ({"wav_scp": "r1 a.wav\n", "reco2dur": "r1 nan\n"}, r"wav\.scp:1: duration_s: "),
    ],
)
def test_mistakes_are_told_with_their_line(write: Write, files: dict[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(_listing(write(**files)))


def test_a_data_folder_is_told_from_a_folder_of_audio(write: Write) -> None:
    folder = write(wav_scp="r1 r1.wav\n")
    (folder / "r1.wav").write_bytes(b"x")
    assert detect_source(folder).kind == "kaldi"
    assert detect_source(folder.parent).kind == "folder"

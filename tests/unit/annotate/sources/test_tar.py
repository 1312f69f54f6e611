"""Tars as WebDataset and Emilia write them: audio with what stands beside it, and everything else by name."""

import gzip
import io
import json
import os
import re
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.annotate.sources.listing_processes import listed_apart
from fcaps_pipeline.audio.byte_source import open_bytes, sha256_of
from fcaps_pipeline.audio.location import FilePart, parts_of
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import RecordingError, ResourceError, SourceError
from fcaps_pipeline.jobs.sources import TarSource
from fcaps_pipeline.records.audio import Recording

Content = bytes | dict[str, Any] | tarfile.TarInfo
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def run(name: str, *members: tuple[str, Content]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for member, content in members:
                if isinstance(content, tarfile.TarInfo):
                    tar.addfile(content)
                    continue
                raw = json.dumps(content).encode() if isinstance(content, dict) else content
                info = tarfile.TarInfo(member)
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        return path

    return run


def _listing(path: Path | str, **more: Any) -> Listing:
    return list_recordings(TarSource(kind="tar", path=str(path), **more))


def _all(path: Path | str, **more: Any) -> list[Recording]:
    return list(_listing(path, **more))


def _link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


def test_emilia_as_it_comes(write: Write) -> None:
    told = {"id": "EN_B00000_S0", "wav": "x/y.mp3", "text": " Hi.", "duration": 2.5, "speaker": "s1", "language": "en"}
    path = write(
        "EN/EN-B000000.tar",
        ("EN_B00000_S0.json", told | {"dnsmos": 3.2}),
        ("EN_B00000_S0.mp3", b"first"),
        ("EN_B00000_S1.mp3", b"second"),
        ("EN_B00000_S1.json", told | {"id": "EN_B00000_S1"}),
    )
    listing = _listing(path.parents[1], language="zh", license="CC BY-NC 4.0", corpus="Emilia")
    first, second = listing
    assert first.model_dump(exclude={"location"}, exclude_defaults=True) == {
        "recording_id": "EN_B00000_S0",
        "source": "EN/EN-B000000.tar/EN_B00000_S0.mp3",
        "duration_s": 2.5,
        "transcript": " Hi.",
        "speaker": "s1",
        "language": "en",
        "license": "CC BY-NC 4.0",
        "corpus": "Emilia",
        "extra": '{"wav":"x/y.mp3","dnsmos":3.2}',
    }
    assert (second.recording_id, open_bytes(second.location).at(0, 9)) == ("EN_B00000_S1", b"second")
    assert parts_of(first.location) == FilePart(path.as_uri(), "EN_B00000_S0.mp3", 2 * 512 + 512, 5)
    assert (listing.passed_over.num_read_beside, listing.passed_over.notes) == (2, [])


def test_samples_are_those_of_the_file(write: Write, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    path = write("a.tar", ("0.txt", b"words"), ("deep/er/a.flac", (tmp_path / "a.flac").read_bytes()))
    (found,) = _all(path)
    np.testing.assert_array_equal(decode_all(found.location), decode_all(str(tmp_path / "a.flac")))
    assert sha256_of(found.location) == sha256_of(str(tmp_path / "a.flac"))


def test_ids_follow_from_tar_and_member_where_nothing_tells_one(write: Write) -> None:
    write("a.tar", ("1.wav", b"x"), ("sub/1.wav", b"y"))
    path = write("b.tar", ("1.wav", b"z"), ("sub.1.wav", b"u"), ("1.mp3", b"v"))
    ids = [recording.recording_id for recording in _all(path.parent)]
    assert len(set(ids)) == 5
    assert all(one.startswith(("a_tar--", "b_tar--")) for one in ids)
    assert ids == [recording.recording_id for recording in _all(path.parent)]


def test_what_stands_beside_counts_in_any_order_and_text_goes_before_json(write: Write) -> None:
    path = write(
        "a.tar",
        ("1.json", {"text": "of json", "gender": "f", "tags": ["calm", ""]}),
        ("1.wav", b"x"),
        ("1.txt", b"of\n text "),
        ("2.wav", b"x"),
        ("3.txt", b"for no audio"),
        ("4.wav", b"x"),
        ("4.cls", b"7"),
    )
    listing = _listing(path)
    first, second, _ = listing
    assert (first.transcript, first.speaker_gender, first.tags) == ("of text", "female", ("calm",))
    assert (second.transcript, second.extra) == (None, None)
    assert dict(listing.passed_over.by_suffix) == {".txt": 1, ".cls": 1}


def test_two_files_of_one_name_share_all_but_the_id(write: Write) -> None:
    path = write("a.tar", ("1.wav", b"x"), ("1.mp3", b"y"), ("1.json", {"id": "one", "text": "words"}))
    wav, mp3 = _all(path)
    assert (wav.transcript, mp3.transcript) == ("words", "words")
    assert wav.recording_id != mp3.recording_id


@pytest.mark.parametrize(
    ("beside", "note"),
    [
        (b"{", "describes no recording (Invalid JSON"),
        (b"[1]", "describes no recording (Input should be"),
        (b"\xff\xfe", "is no UTF-8 text"),
        (b'{"text": "' + b"x" * 1_000_001 + b'"}', "is larger than 1,000,000 bytes"),
        (b'{"duration": -1}', "describes no recording (duration_s: "),
        (b"[" * 100_000, "describes no recording"),
    ],
    ids=range(6),
)
def test_what_cannot_be_read_beside_audio_is_noted_and_the_audio_stays(write: Write, beside: bytes, note: str) -> None:
    path = write("a.tar", ("1.json", beside), ("1.wav", b"x"), ("2.json", {"text": "good"}), ("2.wav", b"x"))
    listing = _listing(path)
    first, second = listing
    assert (first.transcript, second.transcript) == (None, "good")
    (line,) = listing.passed_over.notes
    assert line.startswith(f"1.json in {path} ")
    assert note in line


def test_every_bad_member_is_a_recording_that_fails_by_name(write: Write) -> None:
    path = write(
        "a.tar",
        ("good.wav", b"x"),
        ("empty.wav", b""),
        ("", _link("link.wav")),
        ("../out.wav", b"x"),
        ("last.wav", b"x" * 5_000),
    )
    content = path.read_bytes()
    damaged = bytearray(content[: content.index(b"last.wav") + 2_000])
    damaged[content.index(b"good.wav") + 130] ^= 0xFF
    path.write_bytes(damaged)
    listing = _listing(path)
    found = list(listing)
    assert [one.source.removeprefix("a.tar/") for one in found] == [
        "byte 0",
        "empty.wav",
        "link.wav",
        "../out.wav",
        "last.wav",
    ]
    expected = ("damaged header", "is empty", "symbolic link", "leads out of the tar", "breaks off")
    for recording, message in zip(found, expected, strict=True):
        with pytest.raises(RecordingError, match=f" in {path} .*{message}"):
            open_bytes(recording.location)
    assert listing.passed_over.notes == [f"{path} breaks off: its end is not marked as tars mark it; copy it again"]


def test_archives_inside_and_odd_members_are_named(write: Write) -> None:
    path = write(
        "a.tar",
        ("1.wav", b"x"),
        ("inner.tar.gz", b"x"),
        ("more.zip", b"x"),
        ("", _link("notes.json")),
        (".hidden.wav", b"x"),
        ("__MACOSX/._1.wav", b"x"),
    )
    listing = _listing(path)
    assert len(list(listing)) == 1
    assert [note.split(" ")[0] for note in listing.passed_over.notes] == ["inner.tar.gz", "more.zip", "notes.json"]
    assert "an archive inside an archive" in listing.passed_over.notes[0]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_compressed_tars_are_refused_by_name(write: Write, name: str) -> None:
    path = write("a.tar", ("1.wav", b"x"))
    content = gzip.compress(path.read_bytes())
    path.unlink()
    (path.parent / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} is compressed with gzip: .*; decompress it first"):
        _all(path.parent)


def test_a_file_that_is_no_tar_stands_for_what_should_be_in_it(write: Write) -> None:
    path = write("b.tar", ("1.wav", b"x"))
    (path.parent / "a.tar").write_bytes(b"<html>404</html>" * 100)
    (path.parent / "c.tar").write_bytes(b"")
    html, good, empty = _all(path.parent)
    with pytest.raises(RecordingError, match=r"byte 0 in .*a\.tar has a damaged header"):
        open_bytes(html.location)
    with pytest.raises(RecordingError, match=r"c\.tar is empty"):
        open_bytes(empty.location)
    assert open_bytes(good.location).num_bytes == 1
    with pytest.raises(SourceError, match=r"a\.tar holds no audio that can be read in its tars, found .*byte 0"):
        _all(path.parent / "a.tar")


def test_fields_of_the_job_go_before_the_usual_names(write: Write) -> None:
    told = {"utt": 7, "text": "usual", "norm": "mapped", "json": {"speaker": "s", "sex": "m"}, "language": "xx"}
    path = write("a.tar", ("1.wav", b"x"), ("1.json", told))
    fields = {
        "id": "utt",
        "transcript": "norm",
        "speaker": "json.speaker",
        "speaker_gender": "json.sex",
        "language": None,
    }
    (found,) = _all(path, fields=fields)
    assert (found.recording_id, found.transcript, found.speaker, found.language) == ("7", "mapped", "s", None)
    assert found.speaker_gender == "male"
    assert json.loads(found.extra or "") == {
        "text": "usual",
        "json": {"speaker": "s", "sex": "m"},
        "language": "xx",
        "gender": "m",
    }
    with pytest.raises(SourceError, match=r"a\.tar: source\.fields names utterance, which is nowhere"):
        _all(path, fields={"id": "utterance"})


def test_a_pattern_names_some_tars(write: Write) -> None:
    write("EN/1.tar", ("1.wav", b"x"))
    path = write("DE/2.tar", ("2.wav", b"x"))
    (found,) = _all(path.parents[1] / "D*" / "*.tar")
    assert found.source == "DE/2.tar/2.wav"
    with pytest.raises(SourceError, match="does not exist"):
        _all(path.parents[1] / "F*" / "*.tar")


def test_tars_are_told_from_other_sources(write: Write) -> None:
    path = write("deep/a.tar", ("1.wav", b"x"))
    (path.parent / "readme.md").write_text("about")
    for location in (path, path.parents[1], path.parent / "*.tar"):
        assert detect_source(location).kind == "tar"
    (path.parents[1] / "a.wav").write_bytes(b"x")
    assert detect_source(path.parents[1]).kind == "folder"


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4, unique=True))
def test_names_of_any_bytes_can_be_stored_shown_and_opened(
    tmp_path_factory: pytest.TempPathFactory, names: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("names") / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for place, name in enumerate([*names, b"good"]):
            content = b"%d" % place
            info = tarfile.TarInfo(f"{place}" + name.replace(b"\0", b"").decode("utf-8", "surrogateescape") + ".wav")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    found = _all(path)
    for recording in found:
        assert Recording.model_validate_json(recording.model_dump_json()) == recording
        assert recording.source.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", recording.source)
        part = parts_of(recording.location)
        if isinstance(part, FilePart):
            assert open_bytes(recording.location).at(0, 9).isdigit()
    assert found[-1].source == f"a.tar/{len(names)}good.wav"


@pytest.fixture
def many(write: Write) -> Path:
    """Five tars: the first has a note, the third a link, the fourth is no tar."""
    for number in range(5):
        name = f"r{number}"
        write(
            f"in/{number}.tar",
            (f"{name}.mp3", b"x"),
            (f"{name}.json", {"id": name, "gender": "f", "who": f"s{number}"}),
        )
    write("in/0.tar", ("r0.mp3", b"x"), ("r0.txt", b"\xff"))
    path = write("in/2.tar", ("l.mp3", _link("l.mp3")), ("r2.mp3", b"x"), ("r2.pdf", b"x"))
    (path.parent / "3.tar").write_bytes(b"no tar at all")
    return path.parent


def _said(listing: Listing) -> tuple[list[Recording], tuple[str, ...], dict[str, int], int]:
    found = list(listing)
    passed_over = listing.passed_over
    return found, passed_over.first_notes(), dict(passed_over.by_suffix), passed_over.num_read_beside


def test_processes_list_tars_as_one_process_does(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = _said(_listing(many, fields={"speaker": "who"}))
    assert len(alone[0]) == 6
    assert len(alone[1]) == 2
    monkeypatch.setattr("fcaps_pipeline.annotate.sources.tar._FEW", 1)
    assert _said(_listing(many, fields={"speaker": "who"})) == alone


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tars but the first are listed as in processes of their own, which take seconds to start."""

    def listed_here(list_one: Callable[[Path], Any], files: list[Path]) -> list[tuple[Path, Any]]:
        return [(file, list_one(file)) for file in files]

    monkeypatch.setattr("fcaps_pipeline.annotate.sources.tar._FEW", 1)
    monkeypatch.setattr("fcaps_pipeline.annotate.sources.tar.listed_apart", listed_here)


@pytest.mark.usefixtures("apart")
def test_what_is_too_much_to_be_sent_is_listed_here(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _said(_listing(many))
    monkeypatch.setattr("fcaps_pipeline.annotate.sources.tar._MANY", 0)
    assert _said(_listing(many)) == expected


@pytest.mark.usefixtures("apart")
def test_a_mistake_in_a_later_tar_comes_after_what_stands_before_it(many: Path, write: Write) -> None:
    (many / "9.tar").write_bytes(gzip.compress(b"x" * 600))
    listing = iter(_listing(many))
    assert len([next(listing) for _ in range(6)]) == 6
    with pytest.raises(SourceError, match=r"9\.tar is compressed with gzip"):
        next(listing)
    (many / "9.tar").unlink()
    write("in/8.tar", ("x.mp3", b"x"), ("x.json", {"id": "r1"}))
    with pytest.raises(SourceError, match=r"the id 'r1': r1.mp3 in .*1\.tar and x.mp3 in .*8\.tar; rename one"):
        list(_listing(many))


def test_a_process_that_dies_while_listing_is_one_line() -> None:
    with pytest.raises(ResourceError, match="a process that listed the source died"):
        list(listed_apart(_die, [Path("/a.tar")], num_processes=1))


def _die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

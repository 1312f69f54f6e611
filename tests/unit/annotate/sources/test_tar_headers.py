"""Headers of tars are read as `tarfile` reads them, and what is damaged hides nothing behind it."""

import io
import os
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.sources.tar_headers import TarEntry, TarHeaders
from fcaps_pipeline.audio.byte_source import MemoryBytes, open_file

BLOCK = tarfile.BLOCKSIZE
Members = list[tuple[str, bytes]]

_names = st.lists(
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60).filter(
        lambda part: part not in {".", ".."}
    ),
    min_size=1,
    max_size=4,
).map("/".join)


def tar_of(members: Members, kind: int = tarfile.PAX_FORMAT) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=kind, encoding="utf-8", errors="surrogateescape") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return written.getvalue()


def read(content: bytes) -> tuple[list[TarEntry], bool]:
    headers = TarHeaders(MemoryBytes(content, "a.tar", ".tar"))
    return list(headers), headers.has_end


@given(st.lists(st.tuples(_names, st.binary(max_size=1500)), max_size=5), st.sampled_from([0, 1, 2]))
def test_names_and_places_are_those_of_tarfile(members: Members, kind: int) -> None:
    try:
        content = tar_of(members, kind)
    except ValueError:  # too long for ustar
        return
    entries, has_end = read(content)
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8", errors="surrogateescape") as tar:
        expected = [(one.name, one.offset_data, one.size) for one in tar]
    assert [(one.name, one.offset, one.num_bytes) for one in entries if one.refusal is None] == expected
    assert [content[one.offset : one.offset + one.num_bytes] for one in entries] == [one for _, one in members]
    assert has_end


@given(st.binary(max_size=4000), st.integers(0, 12 * BLOCK), st.binary(min_size=1, max_size=700))
def test_no_bytes_make_it_fail_or_read_for_ever(before: bytes, place: int, scribble: bytes) -> None:
    content = bytearray(tar_of([("a.wav", before), (f"{'long' * 60}.wav", b"x" * 900), ("c.wav", b"y")]))
    content[place : place + len(scribble)] = scribble
    entries, _ = read(bytes(content))
    assert all(one.offset >= 0 and one.num_bytes >= 0 for one in entries)
    read(before)


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_damaged_header_costs_its_own_member(kind: int) -> None:
    content = bytearray(tar_of([("a.wav", b"1" * 700), ("b.wav", b"2" * 700), ("c.wav", b"3" * 700)], kind))
    second = content.index(b"b.wav")
    content[second + 130] ^= 0xFF
    entries, has_end = read(bytes(content))
    assert [one.name for one in entries] == ["a.wav", f"byte {second}", "c.wav"]
    assert "damaged header" in (entries[1].refusal or "")
    assert has_end


def test_joined_tars_are_one() -> None:
    one, other = tar_of([("a.wav", b"1")]), tar_of([("b.wav", b"2")])
    entries, has_end = read(one + bytes(10 * BLOCK) + other)
    assert ([entry.name for entry in entries], has_end) == (["a.wav", "b.wav"], True)


@pytest.mark.parametrize("behind", [700, 1000, 1500])
def test_a_tar_that_breaks_off_keeps_what_came_before(behind: int) -> None:
    content = tar_of([("a.wav", b"1" * 100), ("b.wav", b"2" * 900)], tarfile.USTAR_FORMAT)[: BLOCK + behind]
    entries, has_end = read(content)
    assert entries[0] == TarEntry("a.wav", BLOCK, 100, None)
    assert not has_end
    assert entries[1].refusal is not None or entries[1].offset + entries[1].num_bytes > len(content)


def _special(name: str, kind: bytes, **more: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        tar.addfile(info)
        plain = tarfile.TarInfo("behind.wav")
        plain.size = 3
        tar.addfile(plain, io.BytesIO(b"abc"))
    return written.getvalue()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "link to another member"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"Z", "unknown kind"),
    ],
)
def test_what_is_no_regular_file_is_refused_and_what_follows_is_read(kind: bytes, message: str) -> None:
    (refused, behind), _ = read(_special("x.wav", kind, linkname="/etc/passwd"))
    assert message in (refused.refusal or "")
    assert (behind.name, behind.num_bytes, behind.refusal) == ("behind.wav", 3, None)


@pytest.mark.parametrize("name", ["../x.wav", "/etc/x.wav", "a/../../x.wav", "./../x.wav"])
def test_names_that_climb_out_are_refused(name: str) -> None:
    (refused, _), _ = read(_special(name, tarfile.REGTYPE))
    assert "leads out of the tar" in (refused.refusal or "")


def test_a_size_beyond_all_measure_is_refused() -> None:
    info = tarfile.TarInfo("x.wav")
    info.size = 10**12
    (refused,), _ = read(info.tobuf(tarfile.GNU_FORMAT) + bytes(BLOCK))
    assert "claims to have 1,000,000,000,000 bytes" in (refused.refusal or "")


@pytest.mark.parametrize("records", [{"size": "-5"}, {"size": "much"}, {"size": str(10**13)}, {"path": "../x.wav"}])
def test_pax_records_that_lie_cost_their_own_member(records: dict[str, str]) -> None:
    content = _special("x.wav", tarfile.REGTYPE, pax_headers=records)
    entries, _ = read(content)
    assert entries[0].refusal is not None
    if records["size" if "size" in records else "path"] != str(10**13):
        assert entries[-1].name == "behind.wav"


def _records(content: bytes) -> bytes:
    """A pax header with these records, and a member behind it."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    padding = bytes(-len(content) % BLOCK)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + padding + tar_of([("a.wav", b"x")], tarfile.USTAR_FORMAT)


@given(st.binary(max_size=60))
def test_pax_records_of_any_bytes_are_read_or_are_damage(content: bytes) -> None:
    entries, _ = read(_records(content))
    assert entries[-1].num_bytes == 1 or entries[-1].refusal is not None


def test_a_million_pax_records_and_a_giant_name_are_read_in_no_time() -> None:
    began = time.process_time()
    read(_records(b"6 a=b\n" * 160_000))
    (lost, *_), _ = read(_records(b"9 path=a\n" * 160_000))
    assert "damaged header" in (lost.refusal or ""), "beyond the bound"
    assert time.process_time() - began < 5


def test_a_sparse_file_of_gnu_tar_is_refused_and_what_follows_is_read(tmp_path: Path) -> None:
    with (tmp_path / "hole.wav").open("wb") as file:
        for place in range(40):
            file.seek(place * 1_000_000)
            file.write(b"RIFF")
    (tmp_path / "behind.wav").write_bytes(b"abc")
    tar = tmp_path / "a.tar"
    if os.system(f"tar --sparse --format=gnu -cf {tar} -C {tmp_path} hole.wav behind.wav 2>/dev/null"):  # noqa: S605
        pytest.skip("GNU tar is not installed")
    with closing(open_file(str(tar))) as source:
        hole, behind = TarHeaders(source)
    assert ("sparse" in (hole.refusal or ""), behind.name) == (True, "behind.wav")


def test_reading_headers_reads_little_else() -> None:
    class Counting(MemoryBytes):
        num_read = 0

        def at(self, offset: int, num_bytes: int) -> bytes:
            content = super().at(offset, num_bytes)
            Counting.num_read += len(content)
            return content

    content = tar_of([(f"{number}.wav", bytes([1]) * 500_000) for number in range(20)], tarfile.USTAR_FORMAT)
    assert len(list(TarHeaders(Counting(content, "a.tar", ".tar")))) == 20
    assert Counting.num_read < 40_000

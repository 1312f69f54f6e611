"""The same bytes give the same samples, warnings and errors wherever they lie.

As a file, as a member of a tar, as a row of Parquet, and each of these on an object store, fetched ahead or not.
"""

import io
import tarfile
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.audio.location import FilePart, ParquetRow, location_in, parts_of
from fcaps_pipeline.audio.probe import probe
from fcaps_pipeline.audio.remote_bytes import fetch_ahead
from fcaps_pipeline.audio.stream import AudioStream
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.storage.path import store_path
from tests.contracts.reader.making import FORMATS, Audio, Format, decode, write

_OTHER = b"\xff\xfbOggSRIFF" * 1_000
"""Stands around the sound, and is none of it."""


def _in_tar(path: Path) -> str:
    with tarfile.open(path.with_suffix(".tar"), "w") as tar:
        for name, content in (("before", _OTHER), (path.name, path.read_bytes()), ("behind", _OTHER)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        member = tar.getmember(path.name)
    with tarfile.open(path.with_suffix(".tar")) as tar:
        offset = tar.getmember(path.name).offset_data
    return location_in(FilePart(str(path.with_suffix(".tar")), path.name, offset, member.size))


def _in_parquet(path: Path) -> str:
    values = [{"bytes": content, "path": path.name} for content in (_OTHER, path.read_bytes(), _OTHER)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"audio": pa.array(values, kind)}), path.with_suffix(".parquet"))
    return location_in(ParquetRow(str(path.with_suffix(".parquet")), "audio", 0, 1))


def _far_away(path: Path) -> list[str]:
    """The file, the tar and the Parquet file on a store, once to be read where they lie and once fetched ahead."""
    locations = []
    for kind in ("there", "fetched"):
        folder = store_path(f"memory://{uuid4().hex}/{kind}")
        (folder / path.name).put(path.read_bytes())
        (folder / "a.tar").put(path.with_suffix(".tar").read_bytes())
        (folder / "p.parquet").put(path.with_suffix(".parquet").read_bytes())
        member, row = parts_of(_in_tar(path)), parts_of(_in_parquet(path))
        assert isinstance(member, FilePart)
        assert isinstance(row, ParquetRow)
        locations += [str(folder / path.name), location_in(member._replace(file=str(folder / "a.tar")))]
        locations += [location_in(row._replace(file=str(folder / "p.parquet")))]
    fetch_ahead(locations[3:])
    return locations


def _decoded(location: str) -> tuple[Audio, object, object]:
    with AudioStream(location, "each") as stream:
        pcm_CT = np.concatenate(list(stream.blocks()), axis=1)
        return pcm_CT.astype(np.float32) / np.float32(32768), stream.warnings, probe(location)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_a_member_sounds_as_its_file(tmp_path: Path, one: Format) -> None:
    path = write(tmp_path, one)
    expected_CT, warnings = decode(path)
    for location in (_in_tar(path), _in_parquet(path), *_far_away(path)):
        found_CT, found_warnings, header = _decoded(location)
        np.testing.assert_array_equal(found_CT, expected_CT)
        assert (found_warnings, header) == (warnings, probe(str(path)))


@pytest.mark.parametrize("one", [one for one in FORMATS if one.name in {"wav", "flac", "m4a", "mp3"}], ids=str)
def test_half_a_member_is_called_truncated_by_its_name(tmp_path: Path, one: Format) -> None:
    path = write(tmp_path, one)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for location in (_in_tar(path), _in_parquet(path), *_far_away(path)):
        with pytest.raises(RecordingError, match=rf"{path.name}.*truncated") as found:
            _decoded(location)
        assert path.stem in str(found.value)

import pickle
from pathlib import Path

import pytest

from fcaps_pipeline.errors import MissingFileError, UsageError
from fcaps_pipeline.storage.path import store_path


def test_a_path_is_absolute_and_writes_itself_as_users_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = store_path("runs/../runs/a")
    assert str(run) == f"{tmp_path}/runs/a"
    assert run.local == tmp_path / "runs" / "a"
    assert store_path((tmp_path / "a b").as_uri()).local == tmp_path / "a b"
    assert str(store_path("/")) == "/"


def test_a_file_is_written_and_read_below_it(tmp_path: Path) -> None:
    run = store_path(tmp_path) / "run"
    (run / "commits/1.json").put("é")
    assert (run / "commits" / "1.json").read() == "é".encode()
    assert (run / "commits/1.json").num_bytes() == 2
    assert [str(one) for one in run.list()] == [f"{tmp_path}/run/commits/1.json"]
    with (run / "commits/1.json").open() as file:
        assert file.read(1) == b"\xc3"
    assert not (run / "commits").exists(), "a folder is no file"
    with pytest.raises(MissingFileError, match="none does not exist"):
        (run / "none").open()


def test_a_uri_is_quoted_where_it_must_be_and_travels_as_text() -> None:
    path = store_path("memory://here/runs/") / "50% off?#1"
    assert str(path) == "memory://here/runs/50%25%20off%3F%231"
    path.put(b"content")
    again = pickle.loads(pickle.dumps(path))  # noqa: S301 - made here
    assert again == path
    assert again.key == "runs/50% off?#1"
    assert again.read() == b"content", "one process has one memory of a name"
    assert b"content" not in pickle.dumps(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://key:secret@bucket/run", "credentials belong into the environment"),
        ("s3://bucket/run?versionId=3", "expected a bucket and a key alone"),
        ("s3:///run", "names no bucket"),
        ("ftp://host/run", "there is no storage of the kind ftp://"),
        ("s3://bucket/a/../b", "is no name for an object"),
        ("s3://bucket/a//b", "is no name for an object"),
        ("s3://bucket/a%0Ab", "is no name for an object"),
    ],
)
def test_what_names_no_place_is_one_line(text: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as raised:
        store_path(text)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["..", "a/../../b", "", "/etc", "a\x00"])
def test_no_name_leads_out_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name for an object"):
        store_path(tmp_path) / name

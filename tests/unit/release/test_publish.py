"""A release comes to a stand-in of the Hub, by its real client, and to a bucket: whole, once, in spite of breaks."""

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import datasets
import pytest

from fcaps_pipeline.errors import CorruptRunError, FcapsError, OutputError, StorageError, UsageError
from fcaps_pipeline.release import publish_hub
from fcaps_pipeline.release.dataset import open_dataset, read_release
from fcaps_pipeline.release.describe import describe
from fcaps_pipeline.release.layout import (
    RELEASED_TABLES,
    ReleaseFile,
    ReleaseLayout,
    ReleaseRecord,
    ReleaseShard,
    SplitSums,
)
from fcaps_pipeline.release.publish import Finished, Publication, finished, target_of
from fcaps_pipeline.storage.hub_repository import HubRepository
from fcaps_pipeline.storage.path import store_path
from tests.conftest import Typed
from tests.hub_server import entered, hub_server
from tests.hub_state import OWNER, STRANGER, Access, HubServer, Repository
from tests.unit.release.laid_out import LaidOut

_NUMBERS = count()
Said = list[str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(publish_hub, "_PATIENCE_S", 2.0)
    with hub_server() as running, entered(running, monkeypatch):
        yield running


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Eight files, whatever is in them: publishing looks at names and hashes."""
    root = tmp_path / "release"
    shards = []
    for number, split in enumerate(("train", "validation", "test")):
        for table in RELEASED_TABLES:
            path = f"{table}/{split}-00000.parquet"
            file = _write(root, path, f"{path} {number}".encode() * 400)
            shards.append(ReleaseShard(table=table, split=split, num_rows=1, **file.model_dump()))
    sums = dict.fromkeys(("num_rows", "num_recordings", "num_speakers", "num_global_captions", "num_fine_captions"), 1)
    record = ReleaseRecord(
        name="tales",
        version="1.0.0",
        fcaps_version="0.1.0",
        schema_versions={},
        parent=None,
        recipe={},
        sources=(),
        splits={shard.split: SplitSums(duration_s=1.0, **sums) for shard in shards},
        num_excluded={},
        removals=(),
        tombstones_sha256=None,
        shards=tuple(shards),
        files=(_write(root, "README.md", b"# Tales"),),
    )
    (root / "release.json").write_text(record.model_dump_json(indent=1))
    (root / "tombstones.json").write_text("{}")
    (root / "notes.txt").write_text("of the maintainers")
    return root


def _write(root: Path, path: str, content: bytes) -> ReleaseFile:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return ReleaseFile(path=path, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def sound(laid_out: LaidOut, no_figures: None) -> Path:
    """One that `fcaps verify` has nothing against."""
    laid_out.finish(describe(laid_out.layout, laid_out.recipe, laid_out.draft))
    return laid_out.layout.root.on_disk()


def _unchecked(release: Path) -> Finished:
    return Finished(ReleaseLayout(release), read_release(release))


def _next(release: Path, version: str = "1.1.0", without: str = "") -> Path:
    """The same shards under another version, but those of a split."""
    record = json.loads((release / "release.json").read_text())
    shards = [one for one in record["shards"] if not without or without not in one["path"]]
    splits = {one["split"]: record["splits"][one["split"]] for one in shards}
    changed = {**record, "version": version, "shards": shards, "splits": splits}
    (release / "release.json").write_text(json.dumps(changed, indent=1))
    return release


def _publish(release: Path, where: str, *, public: bool = False, said: Said | None = None) -> Publication:
    target = target_of(where, public=public)
    publication = target.look(_unchecked(release))
    if not publication.is_done:
        target.bring(publication, (said if said is not None else []).append)
    return publication


def _new() -> str:
    return f"hf://datasets/{OWNER}/published-{next(_NUMBERS)}"


def _of(hub: HubServer, where: str) -> Repository:
    return hub.repositories["datasets", where.removeprefix("hf://datasets/")]


def _names(release: Path) -> set[str]:
    record = json.loads((release / "release.json").read_text())
    return {one["path"] for one in (*record["shards"], *record["files"])} | {"release.json"}


def test_it_becomes_one_private_commit_with_a_tag_and_is_read_back(hub: HubServer, release: Path) -> None:
    where = _new()
    publication = _publish(release, where)
    assert publication.creates == "a private repository"
    repository = _of(hub, where)
    assert (repository.access, repository.messages) == ("private", ["tales 1.0.0"])
    there = repository.commits[repository.names["1.0.0"]]
    assert repository.names["1.0.0"] == repository.names["main"]
    assert set(there) - {".gitattributes"} == _names(release), "neither tombstones nor notes"
    assert all(there[name] == (release / name).read_bytes() for name in _names(release))
    back = open_dataset(f"{where}@1.0.0")
    assert [part.name for part in back.parts()] == [part.name for part in open_dataset(release).parts()]
    again = _publish(release, where)
    assert again.is_done
    assert len(repository.messages) == 1


def test_datasets_loads_it_by_name_and_version(
    hub: HubServer, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = _new()
    _publish(sound, where)
    monkeypatch.setattr("datasets.config.HF_ENDPOINT", hub.endpoint)
    name = where.removeprefix("hf://datasets/")
    loaded = datasets.load_dataset(name, revision="1.0.0", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 6, "validation": 3, "test": 3}
    assert isinstance(loaded["train"].features["audio"], datasets.Audio)


def test_the_next_version_sends_what_is_new_and_takes_away_what_is_not_in_it(hub: HubServer, release: Path) -> None:
    where = _new()
    _publish(release, where)
    hub.requests.clear()
    publication = _publish(_next(release, without="validation"), where)
    assert [one.path for one in publication.uploads] == ["release.json"]
    assert publication.deletions == ("candidates/validation-00000.parquet", "data/validation-00000.parquet")
    assert len([one for one in hub.requests if one.method == "PUT"]) == 1
    repository = _of(hub, where)
    assert set(repository.commits[repository.names["1.1.0"]]) - {".gitattributes"} == _names(release)
    assert "data/validation-00000.parquet" in repository.commits[repository.names["1.0.0"]]


def test_a_version_is_never_changed_nor_gone_back_from(hub: HubServer, release: Path) -> None:
    where = _new()
    _publish(release, where)
    record = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**record, "fcaps_version": "0.2.0"}))
    with pytest.raises(UsageError, match=r"@1\.0\.0 holds 1\.0\.0 with another content, and what is published stays"):
        _publish(release, where)
    _publish(_next(release, "2.0.0"), where)
    with pytest.raises(UsageError, match=r"is at 2\.0\.0 already, which 1\.5\.0 cannot follow; build a later one"):
        _publish(_next(release, "1.5.0"), where)
    (release / "release.json").write_text(json.dumps({**record, "name": "others", "version": "3.0.0"}))
    with pytest.raises(UsageError, match=r"holds releases of tales, not of others; give another repository"):
        _publish(release, where)


def test_a_broken_upload_goes_on_where_it_stopped(
    hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_hub, "_BATCH", 2)
    where, said = _new(), Said()

    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    target = target_of(where, public=False)
    with pytest.raises(KeyboardInterrupt, match="2 of 8 files are sent"):
        target.bring(target.look(_unchecked(release)), stop)
    hub.set("/upload/", "deny")
    with pytest.raises(OutputError, match=rf"cannot write to {where}: this token may not do that"):
        _publish(release, where, said=said)
    assert _of(hub, where).messages == [], "nothing half done is seen"
    large = [one for one in _names(release) if (release / one).stat().st_size >= 1000]
    hub.requests.clear()
    _publish(release, where, said=said)
    sent = [one.path for one in hub.requests if one.method == "PUT"]
    assert 0 < len(sent) < len(large), "what was sent before is known there"
    assert _of(hub, where).messages == ["tales 1.0.0"]


def test_a_lost_answer_is_no_second_commit_and_a_lost_tag_is_made_up_for(hub: HubServer, release: Path) -> None:
    where = _new()
    hub.set("/commit/", "busy")
    hub.set("/commit/", "lose")
    hub.set("/tag/", "deny")
    with pytest.raises(OutputError, match="cannot tag"):
        _publish(release, where)
    assert _of(hub, where).messages == ["tales 1.0.0"]
    publication = _publish(release, where)
    assert (publication.uploads, publication.tag) == ((), "1.0.0")
    assert _of(hub, where).tags == {"1.0.0"}


def test_who_was_faster_is_not_overwritten(hub: HubServer, release: Path) -> None:
    where = _new()
    target = target_of(where, public=False)
    publication = target.look(_unchecked(release))
    _publish(_next(release, "1.0.1"), where)
    _next(release, "1.0.0")
    with pytest.raises(OutputError, match=r"cannot create .*: somebody else changed it meanwhile; look at what is"):
        target.bring(publication, Said().append)
    before = target_of(where, public=False).look(_unchecked(_next(release, "1.1.0")))
    _publish(_next(release, "1.0.2"), where)
    _next(release, "1.1.0")
    with pytest.raises(OutputError, match=r"cannot write to .*: somebody else changed it meanwhile; look at what is"):
        target.bring(before, Said().append)
    assert _of(hub, where).messages == ["tales 1.0.1", "tales 1.0.2"]


@pytest.mark.parametrize(
    ("access", "token", "files", "public", "expected"),
    [
        ("public", STRANGER, {}, True, r"cannot write to .*: this token may not do that; set HF_TOKEN to one that may"),
        ("private", STRANGER, {}, False, r"cannot create .*: this token may not do that"),
        ("private", "hf_never_to_be_told_wrong", {}, False, "the token is wrong or has expired"),
        ("private", None, {}, False, r"cannot be published to without a token; set HF_TOKEN .* or run `hf auth login`"),
        ("public", "owner", {}, False, "is public: everybody could see the release at once; give --public for it"),
        ("private", "owner", {}, True, "is private; make it public in its settings, or leave --public out"),
        ("private", "owner", {"data/x.csv": b"x"}, False, r"neither empty nor a release \(it holds data/x.csv\)"),
    ],
)
def test_what_cannot_be_published_to_is_one_line(
    hub: HubServer,
    release: Path,
    monkeypatch: pytest.MonkeyPatch,
    access: Access,
    token: str | None,
    files: dict[str, bytes],
    *,
    public: bool,
    expected: str,
) -> None:
    repository = hub.repository(files, access)
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    elif token != "owner":
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(FcapsError, match=expected) as raised:
        _publish(release, repository.uri, public=public)
    assert "never_to_be_told" not in str(raised.value)
    assert len(repository.commits) == 1


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("hf://models/o/n", "a release is published as a whole repository; expected hf://datasets/ORG/NAME"),
        ("hf://datasets/o/n@v1", "a release is published as a whole repository"),
        ("hf://datasets/o/n/folder", "a release is published as a whole repository"),
        ("/data/there", "is no place to publish to; expected hf://datasets/ORG/NAME or s3://BUCKET/PREFIX"),
        ("ftp://host/there", "no storage of the kind ftp"),
    ],
)
def test_an_address_that_is_none_is_one_line(hub: HubServer, where: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        target_of(where, public=False)
    with pytest.raises(UsageError, match=r"--public is for the Hub; who may read memory://x is said by the settings"):
        target_of("memory://x", public=True)


def test_no_network_is_one_line(hub: HubServer, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"cannot read hf://.*: the Hub cannot be reached; check the network"):
        _publish(release, _new())


def test_what_verify_refuses_is_not_published(sound: Path, tmp_path: Path) -> None:
    assert {one.path for one in finished(sound).files} == _names(sound) - {"release.json"}
    with pytest.raises(UsageError, match=r"is not a release: it has no release\.json"):
        finished(tmp_path / "run")
    stray = sound / "data" / "train-00009.parquet"
    stray.write_bytes(b"")
    with pytest.raises(
        CorruptRunError, match=r"is not published: files .* \(data/train-00009\.parquet\); `fcaps verify"
    ):
        finished(sound)
    stray.unlink()
    shard = next((sound / "data").iterdir())
    shard.write_bytes(b"!" + shard.read_bytes()[1:])
    with pytest.raises(CorruptRunError, match=rf"is not published: missing or changed files \(data/{shard.name}"):
        finished(sound)


def test_a_bucket_has_it_when_it_has_release_json(release: Path) -> None:
    where, said = f"memory://published-{next(_NUMBERS)}/tales/1.0.0", Said()
    root, names = store_path(where), _names(release)
    part = sorted(names - {"release.json"})[0]
    (root / part).put((release / part).read_bytes())
    other = sorted(names - {"release.json"})[1]
    (root / other).put(b"!" * (release / other).stat().st_size)
    publication = _publish(release, where, said=said)
    assert {one.path for one in publication.uploads} == names - {part}, "what is there and the same is left"
    assert set(root.sizes()) == names
    assert (root / other).read() == (release / other).read_bytes()
    assert said[-1] == f"{len(names) - 2} of {len(names) - 2} files are sent"
    assert _publish(release, where).is_done
    with pytest.raises(UsageError, match=r"holds 1\.1\.0 with another content"):
        _publish(_next(release), where)
    (store_path(where).parent / "x/y").put(b"")
    with pytest.raises(UsageError, match=r"is neither empty nor this release \(it holds 1.0.0/"):
        _publish(release, str(root.parent))


def test_the_command_shows_first_and_does_with_yes(hub: HubServer, sound: Path, typed: Typed) -> None:
    where, num_files = _new(), len(_names(sound))
    code, out, err = typed("release", "publish", sound, where)
    assert (code, "nothing was done; give --yes to do it" in out, "a private repository" in out) == (0, True, True), err
    assert f"{num_files} files" in out
    assert not hub.repositories
    code, out, err = typed("release", "publish", sound, where, "--yes", "--public")
    assert (code, f"published: tales 1.0.0 in {where}, tag 1.0.0" in out) == (0, True), err
    assert err.splitlines() == [f"{num_files} of {num_files} files are sent"], "no bars and no lines of the client"
    assert _of(hub, where).access == "public"
    code, out, err = typed("verify", f"{where}@1.0.0")
    assert (code, "none refuses this release" in out) == (0, True), err
    code, out, _ = typed("release", "publish", sound, where, "--public")
    assert (code, f"tales 1.0.0 is already published in {where}; nothing to do" in out) == (0, True)
    code, _, err = typed("release", "publish", sound.parent / "run", where)
    assert (code, "is not a release" in err) == (2, True)


def test_an_interrupted_command_can_be_given_again(
    hub: HubServer, sound: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    where = _new()
    with monkeypatch.context() as once:
        once.setattr(HubRepository, "commit", interrupt)
        code, _, err = typed("release", "publish", sound, where, "--yes")
    assert (code, "the same command goes on where it stopped" in err) == (130, True)
    code, _, err = typed("release", "publish", sound, where, "--yes")
    assert (code, _of(hub, where).messages) == (0, ["tales 1.0.0"]), err

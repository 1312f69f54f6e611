"""The part of a stand-in for the Hugging Face hub that publishing asks for: large files, commits, tags."""

import base64
import hashlib
import json
import re
from typing import Any

from tests.hub_state import LARGE_BYTES, OWNER, TOKEN, HubServer, RefusedError, Repository, commit_of, repository_of

_REPOSITORY = r"(?:/api)?/(\w+)/([\w-]+/[\w-]+)"


def published(hub: HubServer, path: str, token: str | None, body: bytes) -> object:
    """What is answered to a client that publishes, in JSON."""
    if path == "/api/validate-yaml":
        return {"warnings": [{"message": f"of {token}"}]}
    if path == "/api/repos/create":
        return _create(hub, json.loads(body), token)
    found = re.fullmatch(rf"{_REPOSITORY}(?:/|\.git/info/)(refs|auth-check|preupload|lfs|commit|tag)(?:/(.+))?", path)
    assert found is not None, path
    repository = repository_of(hub, found[1], found[2], token)
    if found[3] == "refs":
        tags = [{"name": name, "ref": "", "targetCommit": repository.names[name]} for name in repository.tags]
        return {"branches": [], "converts": [], "tags": tags}
    if token != TOKEN:
        raise RefusedError(403, X_Error_Message=f"Forbidden for {token}")
    match found[3]:
        case "preupload":
            return {"files": [_mode(one) for one in json.loads(body)["files"]]}
        case "lfs":
            return {"objects": [_action(hub, one) for one in json.loads(body)["objects"]]}
        case "commit":
            return _commit(hub, repository, [json.loads(line) for line in body.splitlines()])
        case "tag":
            return _tag(repository, found[4], json.loads(body)["tag"])
        case _:
            return {}


def keep(hub: HubServer, sha256: str, content: bytes) -> None:
    """Takes a large file."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RefusedError(400)
    hub.blobs[sha256] = content


def _create(hub: HubServer, asked: dict[str, str], token: str | None) -> object:
    if token != TOKEN or asked["organization"] != OWNER:
        raise RefusedError(403, X_Error_Message=f"Forbidden for {token}")
    kind, name = f"{asked['type']}s", f"{OWNER}/{asked['name']}"
    if (kind, name) in hub.repositories:
        raise RefusedError(409)
    made = Repository(kind, name, "private" if asked["visibility"] == "private" else "public")
    made.commit({".gitattributes": b"*.parquet filter=lfs"})
    hub.repositories[kind, name] = made
    return {"url": f"{hub.endpoint}/{kind}/{name}"}


def _mode(asked: dict[str, Any]) -> dict[str, Any]:
    mode = "lfs" if asked["size"] >= LARGE_BYTES else "regular"
    return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False}


def _action(hub: HubServer, asked: dict[str, Any]) -> dict[str, Any]:
    """Where a large file is to be sent; nowhere, where it is there."""
    upload = {"href": f"{hub.far_endpoint}/upload/{asked['oid']}"}
    return asked if asked["oid"] in hub.blobs else {**asked, "actions": {"upload": upload}}


def _commit(hub: HubServer, repository: Repository, lines: list[dict[str, Any]]) -> object:
    files, header = dict(repository.commits[repository.names["main"]]), lines[0]["value"]
    if header["parentCommit"] != repository.names["main"]:
        raise RefusedError(412)
    for line in lines[1:]:
        value = line["value"]
        match line["key"]:
            case "file":
                files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                files[value["path"]] = hub.blobs[value["oid"]]
            case _:
                del files[value["path"]]
    repository.messages.append(header["summary"])
    return {"commitUrl": hub.endpoint, "commitOid": repository.commit(files)}


def _tag(repository: Repository, revision: str, tag: str) -> object:
    if tag in repository.tags:
        raise RefusedError(409)
    repository.names[tag] = commit_of(repository, revision)
    repository.tags.add(tag)
    return {}

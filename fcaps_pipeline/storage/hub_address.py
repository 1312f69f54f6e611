"""Where something lies on the Hugging Face hub, as users write it: `hf://datasets/ORG/NAME@REVISION/path`.

Enters: text. Leaves: a HubAddress and what follows it. Nothing is asked of the Hub here.
"""

import re
from typing import NamedTuple, NoReturn
from urllib.parse import quote, unquote

from fcaps_pipeline.errors import UsageError

SCHEME = "hf"
_REVISION = r"refs/convert/[\w.-]+|refs/pr/\d+|[^/]+"
_ADDRESS = re.compile(rf"(datasets|models|spaces)/([\w.-]+/[\w.-]+)(?:@({_REVISION}))?(?:/(.*))?", re.ASCII | re.DOTALL)
_SPECIAL = re.compile(r"refs/(convert|pr)/[^/]+")
_COMMIT = re.compile("[0-9a-f]{40}")


class HubAddress(NamedTuple):
    """A repository, and which of its commits."""

    kind: str
    """`datasets`, `models` or `spaces`."""
    name: str
    """Owner and name, `ORG/NAME`."""
    revision: str | None
    """A branch, a tag or a commit; None is the main branch."""

    @property
    def is_commit(self) -> bool:
        """Whether what lies there never changes."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    @property
    def repository(self) -> str:
        """As users write it, without the revision."""
        return f"{SCHEME}://{self.kind}/{self.name}"

    @property
    def page(self) -> str:
        """Its path below the address of the Hub."""
        return self.name if self.kind == "models" else f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        if self.revision is None:
            return self.repository
        return f"{self.repository}@{quote(self.revision, safe='/' if _SPECIAL.fullmatch(self.revision) else '')}"


def parse(text: str) -> tuple[HubAddress, str]:
    """What an address with or without its scheme names: the repository, and the path in it, still quoted.

    Raises:
        UsageError: it names no repository.
    """
    found = _ADDRESS.fullmatch(text.removeprefix(f"{SCHEME}://"))
    if found is None:
        raise UsageError(
            f"{text} names no repository of the Hub; expected hf://datasets/ORG/NAME/PATH, with @REVISION behind the "
            "NAME where it is not the main branch, and / in a revision written %2F"
        )
    kind, name, revision, path = found.groups()
    return HubAddress(kind, name, unquote(revision) if revision else None), path or ""


def refuse_writing(where: str) -> NoReturn:
    """Says what to do instead of writing files to the Hub one by one.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{where} can only be read: the Hub makes a commit of every file; write to a folder or a bucket, and publish "
        "what is finished with `fcaps release publish`"
    )

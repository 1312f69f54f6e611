"""The YAML of jobs: what editors check by the schemas, which is YAML 1.2, and not what YAML 1.1 makes of plain text.

Enters: text. Leaves: nodes, which know their lines, and plain values. `no` is Norwegian and `2026-11-26` a revision,
neither is a truth value or a date.
"""

from collections.abc import Callable
from typing import Any

import yaml

_TRUTH = "tag:yaml.org,2002:bool"
_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Plain `true` and `false` are truth values; dates are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the attribute of the base class, in its form
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE and (tag != _TRUTH or first in "tTfF")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_node(text: str) -> tuple[yaml.Node | None, Callable[[], Any]]:
    """The one document of a text, and what yields its content; None of an empty text.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    loader = _Loader(text)
    node = loader.get_single_node()
    return node, lambda: None if node is None else loader.construct_document(node)


def read_value(text: str) -> Any:
    """The content of a text.

    Raises:
        yaml.YAMLError: the text is not YAML.
        ValueError: a tag names a type that its value has not.
    """
    _, construct = read_node(text)
    return construct()

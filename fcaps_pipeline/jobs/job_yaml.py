"""The YAML of jobs: the core schema of YAML 1.2, by which editors check them, and not what YAML 1.1 reads into text.

Enters: text. Leaves: nodes, which know their lines, and plain values; and the way back. `no` is Norwegian, `2026-11-26`
a revision, `1:30` a time and `010` ten.

Source: YAML 1.2.2, section 10.3.2, tag resolution. `<<` merges mappings, which is no part of it but known to editors.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
)
"""What plain text is, in order: a type, its form, and the characters that it may begin with."""
_BASES = {"0o": 8, "0x": 16}
_BUILT = ("null", "str", "seq", "map")
"""Types that PyYAML builds as YAML 1.2 does."""


class _Loader(yaml.SafeLoader):
    """Knows the types of the core schema, and no others."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the attribute of the base class, in its form
    yaml_constructors = {  # noqa: RUF012 - likewise
        tag: build
        for tag, build in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in _BUILT
    }


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 would take for something else."""


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, _BASES.get(text[:2], 10))


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(re.sub(r"\.(?=inf|nan)", "", str(loader.construct_scalar(node)).lower()))


def _bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    text = str(loader.construct_scalar(node))
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{text!r} is no truth value, expected true or false")
    return text.lower() == "true"


for _type, _form, _first in _CORE:
    for _yaml in (_Loader, _Dumper):
        _yaml.add_implicit_resolver(_TAG + _type, re.compile(rf"(?:{_form})\Z"), _first)
for _type, _build in (("int", _int), ("float", _float), ("bool", _bool)):
    _Loader.add_constructor(_TAG + _type, _build)


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


def write_value(value: Any) -> str:
    """A value on one line, so that `read_value` gives it back."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("...\n").strip()

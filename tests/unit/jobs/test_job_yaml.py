"""Plain text of jobs is what the core schema of YAML 1.2 says, and what is written is read back."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.jobs.job_yaml import read_value, write_value

_WORDS = st.one_of(st.text(max_size=12), st.text("0123456789+-.eExXoO_:aFfnN~<=", max_size=8))
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS, inner, max_size=4)),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("010", 10),
        ("-012", -12),
        ("+7", 7),
        ("0o10", 8),
        ("0x1F", 31),
        ("1e-5", 1e-5),
        ("1.e5", 1e5),
        ("1E3", 1e3),
        (".5", 0.5),
        ("-.5", -0.5),
        ("3.", 3.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("!!int 0x1F", 31),
        ("!!float 3", 3.0),
        ("!!bool true", True),
        ("!!str 010", "010"),
    ],
)
def test_types_of_the_core_schema(text: str, value: Any) -> None:
    found = read_value(text)
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_one() -> None:
    assert math.isnan(read_value(".nan"))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1:30",
            "1_000",
            "0b11",
            "0o8",
            "0x",
            "0xG",
            "-0x1F",
            "-0o7",
            "1e",
            "1e5.0",
            "1.2.3",
            ".",
            "+",
            ".e5",
            "1,000",
        ),
        *(".Nan", "-.nan", "inf", "nan", "yes", "No", "on", "OFF", "y", "n", "tRUE", "nULL", "=", "2026-11-26"),
        "2026-11-26T10:00:00Z",
    ],
)
def test_all_else_is_text(text: str) -> None:
    assert read_value(text) == text


def test_mappings_are_merged() -> None:
    assert read_value("base: &b {a: 1, c: 2}\nmine: {<<: *b, c: 3}")["mine"] == {"a": 1, "c": 3}


@pytest.mark.parametrize("text", ["!!bool yes", "!!int ten", "!!float much"])
def test_a_tag_that_its_value_has_not(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected true or false|invalid literal|could not convert"):
        read_value(text)


@pytest.mark.parametrize("tag", ["timestamp", "set", "binary", "omap", "python/name:os.system"])
def test_other_types_are_unknown(tag: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match="could not determine a constructor"):
        read_value(f"!!{tag} 2026-11-26")


@given(_VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = write_value(value)
    found = read_value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["1e5", "0o17", "010", "1_000", "1:30", "no", "2026-11-26"])
def test_text_that_any_yaml_takes_for_something_else_is_quoted(text: str) -> None:
    assert write_value(text) == f"'{text}'"

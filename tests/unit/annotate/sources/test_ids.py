import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.sources.ids import id_from_name, id_from_path

SAFE = re.compile(r"[A-Za-z0-9_-]{1,200}")
PART = st.text(st.sampled_from("aB9_-. äx"), min_size=1, max_size=6).filter(lambda part: part.strip("."))
PATHS = st.builds(
    lambda parts, suffix: "/".join(parts) + suffix,
    st.lists(PART, min_size=1, max_size=4),
    st.sampled_from([".wav", ".mp3"]),
)


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ("formats/stereo.mp3", "formats--stereo_mp3"),
        ("formats/stereo.wav", "formats--stereo_wav"),
        ("jfk.flac", "jfk_flac"),
        ("train-clean-100/125-121124-0000.flac", "train-clean-100--125-121124-0000_flac"),
    ],
)
def test_plain_paths_stay_readable(relative: str, expected: str) -> None:
    assert id_from_path(relative) == expected


def test_other_characters_are_replaced_and_hashed() -> None:
    assert re.fullmatch(r"ex03--a_17_22_wav-[0-9a-f]{16}", id_from_path("ex03/a_17.22.wav"))
    assert id_from_path("a.b.wav") != id_from_path("a_b.wav")
    assert id_from_path("a/b.wav") != id_from_path("a--b.wav")
    assert id_from_path("a-/b.wav") != id_from_path("a/-b.wav")


def test_names_of_a_manifest_stay_as_they_are_where_they_can() -> None:
    assert id_from_name("EN_B00000_S00010-W000000") == "EN_B00000_S00010-W000000"
    assert re.fullmatch(r"EN--B1_2-[0-9a-f]{16}", id_from_name("EN/B1.2"))


def test_long_names_are_capped_and_still_differ() -> None:
    ids = {id_from_path(f"{'deep/' * 80}{index}.wav") for index in range(3)}
    assert len(ids) == 3
    assert all(len(identifier) == 200 for identifier in ids)


@given(st.lists(PATHS, unique=True, max_size=40))
def test_ids_of_paths_are_safe_and_differ(paths: list[str]) -> None:
    ids = [id_from_path(path) for path in paths]
    assert all(SAFE.fullmatch(identifier) for identifier in ids)
    assert len(set(ids)) == len(paths)


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, max_size=20))
def test_ids_of_names_are_safe_and_differ(names: list[str]) -> None:
    ids = [id_from_name(name) for name in names]
    assert all(SAFE.fullmatch(identifier) for identifier in ids)
    assert len(set(ids)) == len(names)

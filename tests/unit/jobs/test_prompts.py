"""Prompts are found, rendered, and never change once released."""

import hashlib
import json
from pathlib import Path

import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.prompts import load_prompt, shipped_prompts
from fcaps_pipeline.jobs.resources import shipped_folder


def test_a_released_prompt_never_changes() -> None:
    released = json.loads((shipped_folder("prompts") / "released.json").read_text())
    found = {reference: load_prompt(reference).sha256 for reference in shipped_prompts()}
    assert found == released, "a new wording is a new version; a new prompt needs its hash in prompts/released.json"


@pytest.mark.parametrize("reference", shipped_prompts())
def test_tagged_prompts_have_a_place_for_tags_probes_one_for_a_claim_and_no_others_do(reference: str) -> None:
    prompt = load_prompt(reference)
    assert prompt.reference == reference
    assert prompt.takes_tags == prompt.name.endswith("_tagged")
    assert prompt.takes_claim == prompt.name.endswith("probe")


def test_the_hash_is_that_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.v12.txt"
    path.write_text("\n  Describe the voice.\n\n")
    prompt = load_prompt(str(path))
    assert (prompt.name, prompt.version, prompt.text) == ("mine", 12, "Describe the voice.")
    assert prompt.sha256 == hashlib.sha256(b"Describe the voice.").hexdigest()


def test_a_claim_stands_where_the_text_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.v1.txt"
    path.write_text("Is it so? {claim} Say yes or no.")
    assert load_prompt(str(path)).about("The speaker is a man.") == "Is it so? The speaker is a man. Say yes or no."


def test_tags_stand_where_the_text_wants_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.v1.txt"
    path.write_text('Labels: {tags}. Answer as {"gender": "female"}.')
    assert load_prompt(str(path)).render(("slow", "Irish accent")) == (
        'Labels: slow, Irish accent. Answer as {"gender": "female"}.'
    )


def test_a_missing_prompt_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"captioner_fine\.v9 does not exist.*mean 'captioner_fine\.v1'"):
        load_prompt("captioner_fine.v9")
    with pytest.raises(UsageError, match=r"prompt instruct_fine: expected NAME\.vN of .*mean 'instruct_fine\.v1'"):
        load_prompt("instruct_fine")


@pytest.mark.parametrize("name", ["captioner_fine.txt", "captioner_fine.v0.txt", "Fine.v1.txt"])
def test_a_file_name_without_a_version_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Describe the voice.")
    with pytest.raises(UsageError, match=r"must read NAME\.vN\.txt"):
        load_prompt(str(tmp_path / name))


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.v1.txt").write_text("  \n")
    with pytest.raises(UsageError, match="is empty"):
        load_prompt(str(tmp_path / "mine.v1.txt"))

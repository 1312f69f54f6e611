"""`croissant.json` is read by `mlcroissant`, which is what others read it with."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from fcaps_pipeline.release.croissant import croissant_text
from fcaps_pipeline.release.layout import ParentRelease
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import measure
from tests.unit.learn.training.written_runs import RunWriter
from tests.unit.release.laid_out import LaidOut, lay_out, rows_of

# Of mlcroissant and what it rests on.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]
_CARD = {"license": "cc-by-4.0", "published": "2026-12-01", "homepage": "https://example.org/tales"}


def _dataset(made: LaidOut) -> Any:
    text = croissant_text(made.layout, made.recipe, made.draft, measure(made.layout, made.draft))
    made.layout.croissant.put(text)
    return mlcroissant.Dataset(str(made.layout.croissant))


def test_it_is_valid_without_a_warning_and_its_records_are_the_rows(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    made = lay_out(tmp_path / "release", rows, card=_CARD)
    dataset = _dataset(made)
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    found = {record["data/segment_id"].decode(): record for record in dataset.records("data")}
    assert found.keys() == {row["segment_id"] for row in rows["data"]}
    for row in rows["data"]:
        record = found[row["segment_id"]]
        assert record["data/split"].decode() == row["split"]
        assert record["data/audio"] == row["audio"]["bytes"]
        assert [one.decode() for one in record["data/fine_captions"]] == row["fine_captions"]
        texts = [one["data/captions/text"].decode() for one in record["data/captions"]]
        assert texts == [one["text"] for one in row["captions"]]
        assert record["data/num_pauses"] == row["num_pauses"]
    assert sum(1 for _ in dataset.records("candidates")) == 36
    assert [one["excluded/reason"] for one in dataset.records("excluded")] == [b"license", b"rejected"]
    assert [one["splits/name"] for one in dataset.records("splits")] == ["train", "validation", "test"]


def test_it_names_files_models_and_prompts(laid_out: LaidOut) -> None:
    parent = ParentRelease(name="tales", version="0.9.0", release_sha256="9" * 64)
    made = replace(laid_out, draft=laid_out.draft.model_copy(update={"parent": parent}))
    _dataset(made)
    content = json.loads(made.layout.croissant.read_text())
    assert content["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert (content["version"], content["isLiveDataset"], content["license"]) == ("1.0.0", False, ["CC-BY-4.0"])
    sums = {one["@id"]: one["sha256"] for one in content["distribution"] if one["@type"] == "cr:FileObject"}
    assert sums == {file.path: file.sha256 for file in [*made.draft.shards]} | {
        file.path: file.sha256 for file in made.draft.files
    }
    captioning = content["prov:wasGeneratedBy"][0]
    assert captioning["prov:wasAssociatedWith"]["softwareVersion"] == "sha256:abc"
    assert captioning["prov:used"]["sha256"] == "f" * 64
    assert [one["sha256"] for one in content["prov:wasDerivedFrom"]] == ["1" * 64]
    assert content["prov:wasRevisionOf"]["version"] == "0.9.0"


def test_text_of_strangers_is_text_there(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    hostile = '"}], "@id": "x" \\ <a>\n\x00'.replace("\x00", "\x1b")
    for row in rows["data"]:
        row["license"] = hostile
    for row in rows["candidates"]:
        row["model"] = hostile
    made = lay_out(tmp_path / "release", rows)
    made = replace(made, recipe=Recipe.model_validate({**made.recipe.model_dump(mode="json"), "card": {**_CARD}}))
    assert not _dataset(made).metadata.ctx.issues.errors
    assert json.loads(made.layout.croissant.read_text())["license"] == ["cc-by-4.0", '"}], "@id": "x" \\ <a> \\x1b']

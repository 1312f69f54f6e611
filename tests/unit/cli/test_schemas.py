"""`schemas/` holds what the models say, and the grammar is small enough for xgrammar."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from fcaps_pipeline.cli.schemas import check_schemas, write_schemas
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.records.captions import global_caption_schema


def test_the_committed_schemas_are_up_to_date() -> None:
    check_schemas()


def test_the_file_is_the_grammar() -> None:
    file = shipped_folder("schemas") / "global_caption.schema.json"
    content = json.loads(file.read_text())
    assert {key: content[key] for key in content if not key.startswith("$")} == global_caption_schema()


def test_a_changed_a_missing_and_a_stray_file_are_named(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path)
    check_schemas(tmp_path)
    paths[0].write_text("{}")
    paths[1].unlink()
    (tmp_path / "stray.schema.json").write_text("{}")
    with pytest.raises(UsageError, match=f"{paths[0].name}, {paths[1].name}, stray.schema.json differ"):
        check_schemas(tmp_path)


def test_the_grammar_is_flat_closed_and_free_of_what_xgrammar_refuses() -> None:
    schema = global_caption_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    for field in schema["properties"].values():
        assert not {"minLength", "maxLength", "format", "anyOf", "$ref"} & set(field)
        assert "enum" in field or "pattern" in field
    assert all("unknown" in field["enum"] for field in schema["properties"].values() if "enum" in field)


@pytest.mark.parametrize("job", sorted(shipped_folder("jobs").glob("*.yaml")), ids=lambda job: job.stem)
def test_every_shipped_job_names_the_schema_that_it_fits(job: Path) -> None:
    text = job.read_text(encoding="utf-8")
    written = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    schema = json.loads((job.parent / written).read_text(encoding="utf-8"))
    assert schema["$id"] == f"urn:fcaps:schema:{job.stem.partition('_')[0]}_job"
    jsonschema.validate(yaml.safe_load(text), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**yaml.safe_load(text), "samplng": {}}, schema)


def test_schemas_explain_keys() -> None:
    schema = json.loads((shipped_folder("schemas") / "annotate_job.schema.json").read_text())
    assert schema["$defs"]["CaptionConfig"]["properties"]["keep"]["description"].startswith("Distinct captions")
    assert all("None" not in file.read_text() for file in shipped_folder("schemas").glob("*.json"))

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard

from fcaps_pipeline.release.card import card_text
from fcaps_pipeline.release.describe import describe
from fcaps_pipeline.release.figures import FIGURES
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import measure
from tests.unit.learn.training.written_runs import RunWriter
from tests.unit.release.laid_out import LaidOut, lay_out, rows_of

HOSTILE = "a: \"b'\n---\n# Heading | cell\x1b[2J <script>alert(1)</script> ![x](http://e.vil) `code` ``` $x$ \u202e"


def _card(made: LaidOut) -> DatasetCard:
    text = card_text(made.layout, made.recipe, made.draft, measure(made.layout, made.draft))
    return DatasetCard(text)


@pytest.mark.usefixtures("no_figures")
def test_the_hub_and_datasets_read_every_split_of_every_config(laid_out: LaidOut, tmp_path: Path) -> None:
    files = describe(laid_out.layout, laid_out.recipe, laid_out.draft)
    root = laid_out.layout.root.on_disk()
    card = DatasetCard.load(root / "README.md")
    assert card.data.license == "unknown"
    assert card.data.language == ["en"]
    assert card.data.size_categories == ["n<1K"]
    assert card.data.annotations_creators == ["machine-generated"]
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(root), cache_dir=cache)
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 6, "validation": 3, "test": 3}
    assert isinstance(loaded["train"].features["audio"], datasets.Audio)
    answers = datasets.load_dataset(str(root), "candidates", cache_dir=cache)
    assert {name: len(rows) for name, rows in answers.items()} == {"train": 18, "validation": 9, "test": 9}
    excluded = datasets.load_dataset(str(root), "excluded", split="excluded", cache_dir=cache)
    assert excluded["reason"][:] == ["license", "rejected"]
    streamed = datasets.load_dataset(str(root), split="test", streaming=True)
    row = next(iter(streamed.cast_column("audio", datasets.Audio(decode=False))))
    assert row["fine_captions"] == ["A man begins softly and grows louder."]
    assert row["audio"]["bytes"][:4] == b"fLaC"
    for file in files:
        content = (root / file.path).read_bytes()
        assert (file.num_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_shards_give_the_same_bytes(laid_out: LaidOut) -> None:
    first = describe(laid_out.layout, laid_out.recipe, laid_out.draft)
    assert describe(laid_out.layout, laid_out.recipe, laid_out.draft) == first
    names = [file.path for file in first]
    assert names == sorted(
        ["CHANGES.md", "README.md", "croissant.json", "statistics.json", *(f"figures/{name}.png" for name in FIGURES)]
    )
    picture = (laid_out.layout.root.on_disk() / "figures" / "pitch.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert b"matplotlib" not in picture.lower()


def test_the_card_tells_its_figures(laid_out: LaidOut) -> None:
    text = _card(laid_out).text
    assert "12 segments of speech" in text
    assert "4 named speakers in 12 recordings" in text
    assert "| train | 6 | 0.00 | 6 | 2 | 6 | 6 |" in text
    assert "| gender | `female` | 50 % | 100 % | 0 % | 50 % |" in text
    assert "| fine | dropped: `absence` | 12 | 50 % |" in text
    assert "| fine | 12 | `package:captioner` | `sha256:abc` | `vllm 0.32.0` | `embedded_fine.v1` |" in text
    assert "temperature 0.6, top p 0.95" in text
    assert "| `license` | 1 | its license is not among those allowed |" in text
    assert "- No benchmark was held out" in text


@pytest.mark.parametrize("field", ["title", "description", "license", "homepage", "citation", "limits"])
def test_text_of_strangers_breaks_neither_yaml_nor_markdown(laid_out: LaidOut, field: str) -> None:
    plain = _card(laid_out)
    stated = (HOSTILE,) if field == "limits" else HOSTILE
    recipe = Recipe.model_validate({**laid_out.recipe.model_dump(mode="json"), "card": {field: stated}})
    card = _card(replace(laid_out, recipe=recipe))
    assert [one["config_name"] for one in _header(card)["configs"]] == ["default", "candidates", "excluded"]
    assert _headings(card.text)[1:] == _headings(plain.text)[1:]
    assert not {"\x1b", "\u202e"} & set(card.content)
    outside = _without_blocks(card.text)
    assert "<script>" not in outside.replace("\\<script", "")
    assert "![x]" not in outside.replace("\\!\\[x", "")


@pytest.mark.usefixtures("no_figures")
def test_values_of_rows_break_neither_yaml_nor_markdown(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    plain = _card(lay_out(tmp_path / "plain", rows))
    for row in rows["data"]:
        row.update(license=HOSTILE, language=HOSTILE, corpus=HOSTILE, emotion=HOSTILE)
        row["warnings"] = [{"name": HOSTILE, "detail": HOSTILE, "start_samples": None, "end_samples": None}]
    for row in rows["candidates"]:
        row.update(model=HOSTILE, prompt_name=HOSTILE, sampling=HOSTILE, reasons=[HOSTILE])
    made = lay_out(tmp_path / "release", rows)
    card = _card(made)
    assert _header(card)["language"] == ["en"]
    assert _headings(card.text) == _headings(plain.text)
    assert "\x1b" not in card.content
    header = next(line for line in card.text.splitlines() if line.startswith("| granularity | captions | model"))
    cells = [line for line in card.text.splitlines() if line.startswith("| fine | 12 | `a: ")]
    assert [line.count("|") for line in cells] == [header.count("|")]
    assert describe(made.layout, made.recipe, made.draft)


@pytest.mark.parametrize(
    ("stated", "named", "name"),
    [(None, "unknown", None), ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", None), ("Our own (v2)", "other", "our-own-v2")],
)
def test_only_names_that_the_hub_takes_are_given_as_license(
    laid_out: LaidOut, stated: str | None, named: str, name: str | None
) -> None:
    recipe = Recipe.model_validate({**laid_out.recipe.model_dump(mode="json"), "card": {"license": stated}})
    data = _header(_card(replace(laid_out, recipe=recipe)))
    assert (data["license"], data.get("license_name")) == (named, name)


def test_what_is_not_in_the_release_is_not_spoken_of(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    made = lay_out(tmp_path / "release", {"data": rows["data"]}, without_columns=("audio", "snr_db"))
    made = replace(made, draft=made.draft.model_copy(update={"files": (), "num_excluded": {}}))
    card = _card(made)
    (config,) = _header(card)["configs"]
    assert config["config_name"] == "default"
    features = _header(card)["dataset_info"][0]["features"]
    assert {"audio", "snr_db"}.isdisjoint(one["name"] for one in features)
    assert "| `snr_db` |" not in card.text
    assert "Every row of the runs is here." in card.text


def _header(card: DatasetCard) -> dict[str, Any]:
    """The front matter as the Hub has it."""
    found: dict[str, Any] = yaml.safe_load(card.data.to_yaml())
    return found


def _headings(text: str) -> list[str]:
    return [line for line in _without_blocks(text).splitlines() if line.startswith("#")]


def _without_blocks(text: str) -> str:
    """Markdown without what stands in fences."""
    kept, fence = [], None
    for line in text.splitlines():
        marks = line[: len(line) - len(line.lstrip("`"))]
        if fence is None and len(marks) >= 3:
            fence = marks
        elif fence is not None and line == fence:
            fence = None
        elif fence is None:
            kept.append(line)
    assert fence is None
    return "\n".join(kept)

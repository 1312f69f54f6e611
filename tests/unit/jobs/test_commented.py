"""A job that explains itself is the job it was made from, and every commented key is one with its default."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcaps_pipeline.cli.kinds import JOBS
from fcaps_pipeline.jobs.commented import commented
from fcaps_pipeline.jobs.resources import shipped_folder

SHIPPED = sorted(shipped_folder("jobs").glob("*.yaml"))


def _read(text: str, model: Any) -> Any:
    return model.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_says_the_same_with_and_without_its_comments(path: Path) -> None:
    model = JOBS[path.stem.partition("_")[0]]
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = commented(model, content, "schema.json")
    job = model.model_validate(content)
    assert _read(text, model) == job
    without = re.sub(r"^( *)#(?=\w)", r"\1", text, flags=re.MULTILINE)
    assert without.count("\n#") < text.count("\n#")
    assert _read(without, model) == job


def test_keys_are_explained() -> None:
    content = yaml.safe_load((shipped_folder("jobs") / "annotate_demo_cpu.yaml").read_text())
    lines = commented(JOBS["annotate"], content, "../schema.json").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../schema.json"
    place = next(index for index, line in enumerate(lines) if line == "    keep: 2")
    assert lines[place - 1] == "    # Distinct captions kept per Segment, at most."
    assert "# Audio LLMs, or the baseline, by a name of your choice. Kinds: vllm, endpoint, cascade." in lines
    assert "  #min_segment_s: 2.0" in lines
    assert "    # Prompt for Recordings that have human tags; null asks the same of all." in lines
    assert max(map(len, lines)) <= 120

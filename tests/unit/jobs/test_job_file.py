"""A mistake in a job is told with the line and the key that were written, and the key that was meant."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import load_job
from fcaps_pipeline.jobs.sources import FolderSource
from fcaps_pipeline.records.captions import Granularity

JOB = """\
source:
  kind: folder
  path: speech
engines:
  small:
    kind: vllm
    max_model_len: 2048
  far:
    kind: endpoint
    base_url: http://localhost:8000/v1
    model: omni
captions:
  fine:
    engine: small
    prompt: embedded_fine.v1
    sampling: {temperature: 0.6, top_p: 0.9}
    num_candidates: 2
  global:
    engine: far
    prompt: embedded_global.v1
"""


def _mistake(tmp_path: Path, text: str, *overrides: str) -> str:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(JobError) as raised:
        load_job(path, overrides)
    return str(raised.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("written", "instead", "expected"),
    [
        ("kind: vllm", "knd: vllm", "job.yaml:5: engines.small.kind: missing; it decides which other keys"),
        ("kind: vllm", "kind: vlm", "job.yaml:6: engines.small.kind: unknown kind; did you mean 'vllm'?, found 'vlm'"),
        ("max_model_len", "max_model_length", "job.yaml:7: engines.small.max_model_length: unknown key; did you mean"),
        ("sampling", "samplng", "job.yaml:16: captions.fine.samplng: unknown key; did you mean 'sampling'?"),
        (
            "top_p: 0.9",
            "top_p: 9",
            "job.yaml:16: captions.fine.sampling.top_p: Input should be less than or",
        ),
        ("temperature: 0.6", "temperature: 3", "captions.fine.sampling.temperature: Input should be less than"),
        ("temperature: 0.6", "temperature: .nan", "captions.fine.sampling.temperature: "),
        ("temperature: 0.6", "max_tokens: 0", "captions.fine.sampling.max_tokens: Input should be greater than 0"),
        ("temperature: 0.6", "max_tokens: 9000", "job.yaml:16: captions.fine.sampling.max_tokens: "),
        (
            "engine: small",
            "engine: smal",
            "job.yaml:14: captions.fine.engine: there is no engine",
        ),
        ("num_candidates: 2", "keep: 2", "job.yaml:17: captions.fine.keep: keep 2 must not exceed num_candidates 1"),
        ("http://", "", "job.yaml:10: engines.far.base_url: "),
        ("    prompt: embedded_fine.v1\n", "", "job.yaml:13: captions.fine.prompt: missing"),
        ("  path: speech\n", "  path: speech\n  path: b\n", "job.yaml:4: source.path: stands twice"),
        ("path: speech", "path: a: b", "job.yaml:3: not YAML: mapping values are not allowed here"),
        ("fine:", "fin:", "job.yaml:13: captions.fin: Input should be 'global' or 'fine'; did you mean 'fine'?"),
        ("path: speech", "path:", "job.yaml:3: source.path: Input should be a valid string, found nothing"),
        ("{temperature: 0.6, top_p: 0.9}", "", "job.yaml:16: captions.fine.sampling: expected a section with keys"),
        ("num_candidates: 2", "num_candidates: 1000000", "job.yaml:17: captions.fine.num_candidates: Input should be"),
        ("source:", "shards: {unit_hours: .inf}\nsource:", "job.yaml:1: shards.unit_hours: Input should be a finite"),
        (
            "source:",
            "segmentation: {padding_s: 1.0e+300}\nsource:",
            "segmentation.padding_s: Input should be less than",
        ),
        ("source:", "segmentation: &a {padding_s: *a}\nsource:", "job.yaml:1: segmentation.padding_s: the anchor of"),
        ("source:", "segmentation: {padding_s: !!int a}\nsource:", "job.yaml is not YAML: invalid literal for int()"),
        ("path: speech", "path: 0o17", "job.yaml:3: source.path: Input should be a valid string, found 15; text that"),
        ("num_candidates: 2", "num_candidates: 1:30", "job.yaml:17: captions.fine.num_candidates: Input should be"),
        (
            "num_candidates: 2",
            "seeded: maybe",
            "job.yaml:17: captions.fine.seeded: Input should be a valid boolean",
        ),
        ("  path: speech", "\tpath: speech", "job.yaml:3: not YAML: found character '\\t'"),
        (
            "captions:",
            "require: [fien]\ncaptions:",
            "job.yaml:12: require.0: Input should be 'global' or 'fine'; did you",
        ),
    ],
)
def test_line_and_key_are_named(tmp_path: Path, written: str, instead: str, expected: str) -> None:
    assert written in JOB
    found = _mistake(tmp_path, JOB.replace(written, instead, 1))
    assert expected in found
    assert "; job.yaml" not in found.replace(f"{tmp_path}/", ""), "one mistake is told once"


def test_words_that_another_yaml_would_change_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("path: speech", "path: 2026-11-26\n  language: no"))
    job = load_job(path, ["source.corpus=2026-13-45"])
    assert isinstance(job.source, FolderSource)
    assert (job.source.path, job.source.language, job.source.corpus) == ("2026-11-26", "no", "2026-13-45")


@pytest.mark.parametrize(("written", "seeded"), [("no", False), ("Off", False), ("true", True), ("yes", True)])
def test_a_truth_value_may_be_written_as_elsewhere(tmp_path: Path, written: str, *, seeded: bool) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("num_candidates: 2", f"seeded: {written}"))
    assert load_job(path).captions[Granularity.FINE].seeded is seeded


def test_numbers_are_those_of_the_core_schema(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("max_model_len: 2048", "max_model_len: 02048").replace("0.6", "6e-1"))
    job = load_job(path)
    assert job.captions[Granularity.FINE].sampling.temperature == 0.6
    assert job.engines["small"].model_dump()["max_model_len"] == 2_048


def test_every_mistake_is_named(tmp_path: Path) -> None:
    found = _mistake(tmp_path, JOB.replace("sampling", "samplng").replace("num_candidates", "num_candidate"))
    assert found.count("did you mean") == 2
    assert "\n" not in found


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "captions.fine.num_candidate=3",
            "--set captions.fine.num_candidate: unknown key; did",
        ),
        ("captions.fine.sampling.top_p=7", "--set captions.fine.sampling.top_p: "),
        ("caption.fine.keep=1", "--set caption.fine.keep: caption: unknown key; did you mean 'captions'?"),
        (
            "captions.fin.keep=1",
            "--set captions.fin.keep: captions.fin: Input should be 'global' or 'fine'; did you mean",
        ),
        ("captions..keep=1", "--set captions..keep=1: captions..keep has an empty part"),
        ("captions.fine.keep=!!int a", "--set captions.fine.keep=!!int a: the value is not YAML"),
    ],
)
def test_an_override_is_named_as_it_was_typed(tmp_path: Path, override: str, expected: str) -> None:
    assert expected in _mistake(tmp_path, JOB, override)

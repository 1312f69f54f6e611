"""The Python blocks of the READMEs, on a run and a model in the places that they name."""

import runpy
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import lhotse
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fcaps_pipeline.records.annotations import Annotation
from tests.readmes import ROOT, block_with, bound_names, run_block
from tests.unit.learn.training.measured import slow_speech, slow_text, tiny_model
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus

ROWS = corpus(23)
TOP = ROOT / "README.md"
SHARDS = ROOT / "fcaps_pipeline/shards/README.md"
FINE = ["A man begins softly and grows louder."]


@pytest.fixture
def writer(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def run(writer: RunWriter, tmp_path: Path) -> Path:
    return writer.write(tmp_path / "run", ROWS, unit_rows=8, row_group_bytes=100_000, change=_in_english)


def _in_english(annotation: Annotation) -> Annotation:
    return annotation.model_copy(
        update={
            "recording": annotation.recording.model_copy(update={"language": "en"}),
            "segment": annotation.segment.model_copy(update={"transcript": "once upon a time"}),
        }
    )


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Any]:
    """What a block of the page on shards defines, as a module of its own that workers can import."""

    def run_as_script(name: str) -> Any:
        script = tmp_path / f"{name}.py"
        script.write_text(block_with(SHARDS, name), encoding="utf-8")
        return runpy.run_path(str(script))[name]

    return run_as_script


def _expected(writer: RunWriter) -> dict[str, Any]:
    """Samples of each Segment, as float32 in [-1, 1)."""
    audios = [writer.audio(spoken, index) for index, spoken in enumerate(ROWS)]
    return {audio.segment.segment_id: audio.float_T() for audio in audios}


def _compare(rows: Iterable[Any], expected: dict[str, Any]) -> None:
    seen = []
    for name, audio_T, rate_hz, captions in rows:
        seen.append(name)
        np.testing.assert_array_equal(audio_T, expected[name])
        assert captions == FINE
        assert rate_hz == 16_000
    assert sorted(seen) == sorted(expected)


def test_every_python_block_of_every_readme_is_run_below() -> None:
    assert bound_names() == {
        "README.md": ["row", "model"],
        "fcaps_pipeline/shards/README.md": ["stream_rows", "TorchRows", "read_cuts"],
    }


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="torchcodec needs the Debian package ffmpeg")
def test_datasets_decodes_a_row(run: Path, writer: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", run.parent / "cache")
    audio_CT, fine, profile, f0_hz = run_block(block_with(TOP, "row"))
    np.testing.assert_array_equal(audio_CT[0], next(iter(_expected(writer).values())))
    assert fine == FINE
    assert profile == ["A man with a low voice speaks softly at a measured pace."]
    assert f0_hz == 120.0


def test_the_model_compares_audio_and_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "runs/train_demo_cpu/best")
    monkeypatch.chdir(tmp_path)
    pcm_T = np.random.default_rng(0).integers(-3000, 3000, 16_000).astype(np.int16)
    samples = pcm_T.astype(np.float32) / 32768
    with torch.no_grad():
        [[similarity]] = run_block(block_with(TOP, "model"), samples=samples).tolist()
        speech_BE, text_NE = slow_speech(model, pcm_T)[None], slow_text(model, "A woman speaks softly.")[None]
        [[expected]] = model.similarity(torch.from_numpy(speech_BE), torch.from_numpy(text_NE)).tolist()
    assert similarity == pytest.approx(expected, abs=1e-4)


def test_datasets_streams_every_row(run: Path, writer: RunWriter, example: Callable[[str], Any]) -> None:
    _compare(example("stream_rows")(run), _expected(writer))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_plain_torch_reads_every_row_once(
    run: Path, writer: RunWriter, example: Callable[[str], Any], num_workers: int
) -> None:
    context = "fork" if num_workers else None
    loader = DataLoader(
        example("TorchRows")(run),
        batch_size=4,
        collate_fn=list,
        num_workers=num_workers,
        multiprocessing_context=context,
    )
    _compare((row for batch in loader for row in batch), _expected(writer))


def test_lhotse_keeps_audio_captions_text_and_language_in_a_file(
    run: Path, writer: RunWriter, example: Callable[[str], Any], tmp_path: Path
) -> None:
    cuts = lhotse.CutSet.from_cuts(example("read_cuts")(run, tmp_path / "audio"))
    cuts.to_file(tmp_path / "cuts.jsonl.gz")
    read = list(lhotse.CutSet.from_file(tmp_path / "cuts.jsonl.gz"))
    expected = _expected(writer)
    assert sorted(cut.id for cut in read) == sorted(expected)
    for cut in read:
        np.testing.assert_array_equal(cut.load_audio()[0], expected[cut.id])
        [said] = cut.supervisions
        assert (said.text, said.language, said.custom["long_captions"]) == ("once upon a time", "en", FINE)

"""The examples of `shards/README.md` read every row of a run: `datasets` streaming, plain torch and lhotse."""

import re
import runpy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lhotse
import numpy as np
import pytest
from torch.utils.data import DataLoader

import fcaps_pipeline.shards
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus

ROWS = corpus(23)
PAGE = Path(fcaps_pipeline.shards.__file__).with_name("README.md")


@pytest.fixture
def writer(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def run(writer: RunWriter, tmp_path: Path) -> Path:
    return writer.write(tmp_path / "run", ROWS, unit_rows=8, row_group_bytes=100_000)


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Any]:
    return lambda name: _example(name, tmp_path / f"{name}.py")


def _example(name: str, script: Path) -> Any:
    """What the page defines by this name, run as a script of its own."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    defining = [block for block in blocks if re.search(rf"^(?:def|class) {name}\b", block, re.MULTILINE)]
    assert len(defining) == 1
    script.write_text(defining[0], encoding="utf-8")
    return runpy.run_path(str(script))[name]


def _expected(writer: RunWriter) -> dict[str, Any]:
    """Samples of each Segment, as float32 in [-1, 1)."""
    audios = [writer.audio(spoken, index) for index, spoken in enumerate(ROWS)]
    return {audio.segment.segment_id: audio.float_T() for audio in audios}


def _compare(rows: Iterable[Any], expected: dict[str, Any]) -> None:
    seen = []
    for name, audio_T, rate_hz, captions in rows:
        seen.append(name)
        np.testing.assert_array_equal(audio_T, expected[name])
        assert captions == ["A man begins softly and grows louder."]
        assert rate_hz == 16_000
    assert sorted(seen) == sorted(expected)


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


def test_lhotse_makes_a_cut_of_every_row(run: Path, writer: RunWriter, example: Callable[[str], Any]) -> None:
    cuts = lhotse.CutSet.from_cuts(example("read_cuts")(run))
    expected = _expected(writer)
    assert sorted(cut.id for cut in cuts) == sorted(expected)
    for cut in cuts:
        np.testing.assert_array_equal(cut.load_audio()[0], expected[cut.id])
        assert cut.supervisions[0].custom["long_captions"] == ["A man begins softly and grows louder."]

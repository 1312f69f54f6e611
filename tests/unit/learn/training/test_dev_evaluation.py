"""Retrieval on dev against ranks counted by hand, and rows that the towers cannot take."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.ranks import process_group
from fcaps_pipeline.learn.training.dev_evaluation import DevEvaluator
from tests.unit.learn.training.tones import TINY_MODEL, ToneWriter, tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, Spoken, rewrite_shard


@pytest.fixture
def model() -> DualEncoder:
    return DualEncoder.new(DualEncoderConfig.model_validate(TINY_MODEL), ["a deep tone", "a loud tone"]).train()


def _dev(run: Path) -> DevEvaluator:
    with process_group("cpu") as context:
        return DevEvaluator(read_catalogue([run]), tone_job(run, run), context)


def test_figures_are_those_counted_by_hand(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate, model: DualEncoder
) -> None:
    run = write_tones(tmp_path / "dev", make_audio, annotate, 13, "dev")
    scores = _dev(run).measure(model)
    assert model.training
    rows = [row for shard in sorted((run / "data").glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    clips = [decode_flac(row["audio"]["bytes"]) / np.float32(32768) for row in rows]
    with torch.no_grad():
        speech = torch.cat([model.encode_speech(torch.tensor(one)[None], torch.tensor([len(one)])) for one in clips])
        for granularity in ("global", "fine"):
            own = [row[f"{granularity}_captions"][0] for row in rows]
            texts = sorted(set(own))
            cosines = speech @ model.encode_text(texts).T
            hits = [texts[int(row.argmax())] == text for row, text in zip(cosines, own, strict=True)]
            assert scores.values[f"{granularity}.speech_to_text.recall_at_1"] == pytest.approx(np.mean(hits))
            found = [own[int(column.argmax())] == text for column, text in zip(cosines.T, texts, strict=True)]
            assert scores.values[f"{granularity}.text_to_speech.recall_at_1"] == pytest.approx(np.mean(found))
    recalls = [value for name, value in scores.values.items() if name.count(".") == 2 and name.endswith("recall_at_1")]
    assert scores.values["mean_recall_at_1"] == pytest.approx(np.mean(recalls))
    assert (scores.num_rows, scores.bad_rows) == (13, ())


def test_rows_that_are_too_short_or_lack_all_captions_are_bad(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate, model: DualEncoder
) -> None:
    rows = [Spoken(f"r{index}", None, 300 if index == 1 else 4000) for index in range(4)]
    run = ToneWriter(make_audio, annotate).write(tmp_path / "dev", rows)
    (shard,) = (run / "data").glob("*.parquet")
    rewrite_shard(shard, _without_captions_of_last_row, 10)
    scores = _dev(run).measure(model)
    assert [(row.segment_id[:2], row.reason) for row in scores.bad_rows] == [
        ("r1", "lasts 300 samples, the speech tower takes 640 at least"),
        ("r3", "has no caption"),
    ]
    assert scores.num_rows == 2


def test_dev_without_a_granularity_is_one_clear_line(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate, model: DualEncoder
) -> None:
    run = ToneWriter(make_audio, annotate).write(tmp_path / "dev", [Spoken("a", None, 4000), Spoken("b", None, 4000)])
    (shard,) = (run / "data").glob("*.parquet")
    rewrite_shard(shard, lambda table: _with_captions(table, "fine_captions", [[], []]), 10)
    with pytest.raises(UsageError, match="split dev has no fine caption"):
        _dev(run).measure(model)


def _without_captions_of_last_row(table: pa.Table) -> pa.Table:
    for name in ("fine_captions", "global_captions"):
        table = _with_captions(table, name, [*table[name].to_pylist()[:-1], []])
    return table


def _with_captions(table: pa.Table, name: str, captions: list[list[str]]) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), pa.array(captions, table.schema.field(name).type))


def test_a_caption_that_is_refused_names_its_segment(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    run = write_tones(tmp_path / "dev", make_audio, annotate, 3, "dev")
    content = {**TINY_MODEL, "text": {**TINY_MODEL["text"], "max_tokens": 4}, "long_texts": "refuse"}
    model = DualEncoder.new(DualEncoderConfig.model_validate(content), ["a deep tone"])
    with pytest.raises(UsageError, match=r"a text of dev\d-c0\S+ is longer than the 4 tokens"):
        _dev(run).measure(model)

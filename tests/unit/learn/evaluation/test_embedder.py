"""Order, batches and bad files: what enters comes out in its place, or by name."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from fcaps_pipeline.errors import CorruptRunError, ModelError, RecordingError, UsageError
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.evaluation import embedder as module
from fcaps_pipeline.learn.evaluation.embedder import Embedder, read_clip
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from tests.unit.learn.training.measured import (
    Notes,
    slow_file,
    slow_speech,
    slow_text,
    stored_rows,
    tiny_embedder,
    tiny_model,
    with_column,
    write_tone,
)
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus, rewrite_shard


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def test_texts_come_back_in_their_order_with_the_number_of_those_that_were_cut() -> None:
    embedder = tiny_embedder()
    texts = ["a voice " * 60, "low", "a high voice speaks", "low", "x" * 300]
    embedded = embedder.texts(texts)
    expected = np.stack([slow_text(embedder.model, text) for text in texts])
    assert embedded.num_cut == 2
    assert np.allclose(embedded.text_NE.numpy(), expected, atol=1e-5)


def test_more_texts_than_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_TEXTS", 3)
    embedder = tiny_embedder()
    texts = ["v" * (1 + index * 7 % 11) for index in range(11)]
    expected = np.stack([slow_text(embedder.model, text) for text in texts])
    assert np.allclose(embedder.texts(texts).text_NE.numpy(), expected, atol=1e-5)


def test_no_text_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least one text"):
        tiny_embedder().texts([])


def test_files_of_all_lengths_come_back_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POOL_BATCHES", 2)
    embedder = tiny_embedder(batch_s=1.5)
    lengths_s = [0.5, 2.0, 0.1, 0.7, 0.3, 1.1, 0.9, 0.2]
    paths = [write_tone(tmp_path / f"{number}.wav", 100 + 20 * number, s) for number, s in enumerate(lengths_s)]
    batches: list[tuple[int, int]] = []
    encode = embedder.model.encode_speech

    def noted(audio_BT: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        batches.append((audio_BT.shape[0], audio_BT.shape[1]))
        return encode(audio_BT, lengths_B)

    monkeypatch.setattr(embedder.model, "encode_speech", noted)
    files = embedder.files(paths)
    monkeypatch.undo()
    assert files.kept == tuple(range(len(paths)))
    assert np.allclose(
        files.speech_BE.numpy(), np.stack([slow_file(embedder.model, path) for path in paths]), atol=1e-5
    )
    assert all(rows * samples <= 1.5 * SAMPLE_RATE_HZ for rows, samples in batches if rows > 1)
    assert max(rows for rows, _ in batches) > 1


def test_files_that_cannot_be_used_are_named_and_the_others_stay_in_place(tmp_path: Path) -> None:
    good = write_tone(tmp_path / "good.wav", 120, 0.4)
    (tmp_path / "bad.wav").write_text("no audio")
    short = write_tone(tmp_path / "short.wav", 120, 0.01)
    embedder = tiny_embedder()
    files = embedder.files([tmp_path / "bad.wav", tmp_path / "missing.wav", good, short])
    assert files.kept == (2,)
    assert [Path(item.name).name for item in files.bad_items] == ["bad.wav", "missing.wav", "short.wav"]
    assert all(item.name in item.reason for item in files.bad_items)
    assert isinstance(embedder.callback, Notes)
    assert (embedder.callback.begun_items, embedder.callback.num_advanced) == ([("audio files", 4)], 4)


def test_no_usable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none of 1 audio files can be used; the first: .*nowhere\.wav"):
        tiny_embedder().files([tmp_path / "nowhere.wav"])


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(130 * 8000, np.int16), 8000)
    with pytest.raises(RecordingError, match="more than the 120 s"):
        read_clip(path, tiny_model().speech_tower)


def test_rows_come_back_in_their_order(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(12))
    embedder = tiny_embedder(batch_s=3.0)
    embedded = embedder.rows(read_catalogue([run]))
    rows = stored_rows(run)
    assert [row.segment_id for row in embedded.rows] == [row["segment_id"] for row in rows]
    expected = np.stack([slow_speech(embedder.model, row["pcm_T"]) for row in rows])
    assert np.allclose(embedded.speech_BE.numpy(), expected, atol=1e-5)


def test_bad_rows_are_named(runs: RunWriter, tmp_path: Path) -> None:
    rows = [Spoken("a", "s1", 100), Spoken("b", "s2", 2000), Spoken("c", "s3", 2000)]
    run = runs.write(tmp_path / "run", rows)
    shard = next((run / "data").glob("*.parquet"))
    ids = [row["segment_id"] for row in stored_rows(run)]
    hashes = [row["audio_sha256"] for row in stored_rows(run)]
    rewrite_shard(shard, lambda table: with_column(table, "audio_sha256", [*hashes[:2], "0" * 64]), 3)
    embedded = tiny_embedder().rows(read_catalogue([run]))
    assert [row.segment_id for row in embedded.rows] == [ids[1]]
    named = {item.name: item.reason for item in embedded.bad_items}
    assert set(named) == {f"{shard}: {ids[0]}", f"{shard}: {ids[2]}"}
    assert "at least" in named[f"{shard}: {ids[0]}"]
    assert "sha256" in named[f"{shard}: {ids[2]}"]


def test_no_usable_row_is_one_line(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", [Spoken("a", "s1", 100)])
    with pytest.raises(CorruptRunError, match=r"none of 1 rows can be used; the first: .*at least"):
        tiny_embedder().rows(read_catalogue([run]))


def test_a_model_folder_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "model")
    loaded = Embedder.load(
        str(tmp_path / "model"), torch.device("cpu"), Notes(), batch_s=1.0, num_workers=0, bf16=False
    )
    assert np.allclose(loaded.texts(["low"]).text_NE.numpy(), slow_text(model, "low"), atol=1e-6)


def test_bf16_is_close_to_float32() -> None:
    exact = tiny_embedder().texts(["a low voice"]).text_NE
    rough = Embedder(tiny_model(), Notes(), bf16=True).texts(["a low voice"]).text_NE
    assert 0.99 < float((exact * rough).sum()) < 1.0 + 1e-4
    assert not torch.equal(exact, rough)


def test_a_missing_model_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        Embedder.load(str(tmp_path / "nowhere"), torch.device("cpu"), Notes(), batch_s=1.0, num_workers=0, bf16=False)

"""The log survives kills: torn lines and steps that are taken again are dropped."""

from pathlib import Path

from fcaps_pipeline.learn.data.batches import BadRow
from fcaps_pipeline.learn.training.metrics_log import MetricsLog, read_log

_BAD = BadRow(segment_id="s1", shard="data/a.parquet", reason="has no audio")


def test_a_resumed_log_goes_on_after_its_checkpoint(tmp_path: Path) -> None:
    path, board = tmp_path / "log.jsonl", tmp_path / "tensorboard"
    with MetricsLog(path, board, step=0) as log:
        for step in (1, 2, 3):
            log.figures("train", step, {"loss": 1.0 / step})
    with path.open("a") as file:
        file.write('{"event": "tr')
    with MetricsLog(path, board, step=2) as log:
        log.bad_row(3, "dev", _BAD)
    entries = read_log(path)
    assert [(entry["event"], entry["step"]) for entry in entries] == [("train", 1), ("train", 2), ("bad_row", 3)]
    assert entries[-1]["reason"] == "has no audio"
    assert len(list(board.iterdir())) == 2


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none.jsonl") == []

"""`fcaps evaluate`, `score` and `rerank` as they are typed: what they print where, and how they end."""

import json
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from fcaps_pipeline.learn.dual_encoder import DualEncoder, collate_audio
from tests.conftest import Typed
from tests.unit.learn.training.measured import slow_file, slow_text, tiny_model, write_tone
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus


@pytest.fixture
def model(tmp_path: Path) -> Path:
    tiny_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("command", ["evaluate", "score", "rerank"])
def test_help(typed: Typed, command: str) -> None:
    code, out, _ = typed(command, "--help")
    assert (code, "Usage" in out) == (0, True)


def test_score_prints_a_table_or_json(typed: Typed, model: Path, tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "voice.wav", 120, 0.8)
    code, out, err = typed("score", audio, "A low voice.", "A high voice.", "--model", model)
    assert code == 0
    assert "A high voice." in out
    assert "similarity" in out
    assert "embedding 2 texts" in err
    code, out, _ = typed("score", audio, "A low voice.", "--model", model, "--json")
    expected = float(slow_file(tiny_model(), audio) @ slow_text(tiny_model(), "A low voice."))
    assert json.loads(out)["texts"][0]["similarity"] == pytest.approx(expected, abs=1e-5)


def test_the_command_line_and_python_give_the_same_similarity(typed: Typed, model: Path, tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "voice.wav", 120, 0.8)
    texts = ["A low voice.", "A high voice."]
    _, out, _ = typed("score", audio, *texts, "--model", model, "--json")
    loaded = DualEncoder.from_pretrained(model)
    samples, _ = soundfile.read(audio, dtype="float32")
    with torch.no_grad():
        [expected] = loaded.similarity(loaded.encode_speech(*collate_audio([samples])), loaded.encode_text(texts))
    assert [one["similarity"] for one in json.loads(out)["texts"]] == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_text_that_is_cut_is_noted_on_stderr(typed: Typed, model: Path, tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "voice.wav", 120, 0.8)
    code, _, err = typed("score", audio, "voice " * 100, "--model", model)
    assert (code, "1 of 1 texts are longer" in err) == (0, True)


def test_rerank_prints_the_best_first_and_says_what_is_left_out(typed: Typed, model: Path, tmp_path: Path) -> None:
    paths = [write_tone(tmp_path / f"{number}.wav", 80 + 90 * number, 0.5) for number in range(3)]
    text = slow_text(tiny_model(), "A low voice.")
    best_first = sorted(paths, key=lambda path: -float(slow_file(tiny_model(), path) @ text))
    code, out, _ = typed("rerank", *paths, "--text", "A low voice.", "--model", model)
    assert code == 0
    assert [out.index(path.name) for path in best_first] == sorted(out.index(path.name) for path in paths)
    code, out, err = typed("rerank", *paths, tmp_path / "no.wav", "--text", "A low voice.", "--model", model, "--json")
    assert code == 3
    assert [one["audio"] for one in json.loads(out)["files"]] == [str(path) for path in best_first]
    assert "no.wav" in err
    assert "1 of 4 audio files could not be used" in err


def test_mistakes_are_one_line_with_an_exit_code(typed: Typed, model: Path, tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "voice.wav", 120, 0.8)
    for arguments, code, expected in (
        (("score", audio, "low", "--model", tmp_path / "nowhere"), 2, "does not exist"),
        (("score", tmp_path / "no.wav", "low", "--model", model), 1, "no.wav"),
        (("score", audio, " ", "--model", model), 2, "is empty"),
        (("score", audio, "--model", model), 2, "TEXT"),
        (("rerank", "--text", "low", "--model", model), 2, "AUDIO"),
        (("evaluate", tmp_path / "job.yaml"), 2, "job.yaml does not exist"),
    ):
        found, out, err = typed(*arguments)
        assert (found, out) == (code, "")
        assert expected in err
        assert "Traceback" not in err


def test_evaluate_prints_tables_and_tells_bad_rows_by_its_exit_code(
    typed: Typed, model: Path, make_audio: MakeAudio, annotate: Annotate, tmp_path: Path
) -> None:
    root = RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(8))
    job = tmp_path / "job.yaml"
    job.write_text(
        f"model: {model}\nnum_workers: 0\n"
        f"tasks: {{release: {{kind: retrieval, splits: {{kind: whole, runs: [{root}]}}}}}}"
    )
    code, out, _ = typed("evaluate", job, "--out", tmp_path / "out")
    assert code == 0
    assert "| fine, text to speech |" in out
    assert str(tmp_path / "out/report.md") in out
    write_tone(tmp_path / "speech/03-01-01-01-01-01-01.wav", 120, 0.4)
    (tmp_path / "speech/03-01-02-01-01-01-01.wav").write_text("no audio")
    changes = [f"tasks.release={{kind: zero_shot, corpus: ravdess, folder: {tmp_path}/speech}}", "device=cpu"]
    code, out, _ = typed("evaluate", job, "--out", tmp_path / "acted", *[x for one in changes for x in ("--set", one)])
    assert code == 3
    assert "03-01-02-01-01-01-01.wav" in out


@pytest.mark.parametrize("arguments", [("score", "a.wav", "A low voice."), ("rerank", "a.wav", "--text", "Low.")])
def test_a_folder_that_is_no_model_is_told_before_anything_is_loaded(
    arguments: tuple[str, ...], typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcaps_pipeline.learn.evaluation.file_scores", None)
    code, _, err = typed(*arguments, "--model", tmp_path / "nowhere")
    assert (code, "nowhere does not exist; give one that" in err.replace("\n", " ")) == (2, True)

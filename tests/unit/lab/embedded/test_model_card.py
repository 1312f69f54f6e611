"""The model card tells how the captioner was made, and whose recordings are in it."""

from pathlib import Path

import pytest

from fcaps_pipeline.cli.captioner import train
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.lab.embedded.model_card import CARD_FILE, TrainingRun, read_run, write_model_card
from fcaps_pipeline.lab.embedded.requests import PROMPTS
from fcaps_pipeline.lab.embedded.scores import Score, estimate, share

_RUN = TrainingRun(
    machine="2 cores",
    training_clips=96,
    training_hours=0.2,
    steps=40,
    hearing_steps=30,
    agreeing_steps=5,
    batch_clips=8,
    peak_learning_rate=1e-3,
    training_minutes=1.0,
    parameters=2_900_000,
    corpus_seed=4,
    training_seed=0,
)


def test_a_card_names_every_option_that_decided_the_weights(tmp_path: Path) -> None:
    write_model_card(
        tmp_path,
        _RUN,
        [Score(name="gender", measure="share", value=estimate(share, [True, True]), constant=None, rule=None)],
    )
    card = " ".join((tmp_path / CARD_FILE).read_text(encoding="utf-8").split())
    assert (
        "--seed 4 --clips 96 --steps 40 --hearing-steps 30 --agreeing-steps 5 --batch-clips 8 --learning-rate 0.001`"
        in card
    )
    assert "license: cc0-1.0" in card
    assert "| gender | share | 1.000 [1.000, 1.000] | | | 2 |" in card
    assert read_run(tmp_path) == _RUN


def test_a_card_tells_what_the_weights_answer(tmp_path: Path) -> None:
    """Of a run that says nothing about it, the two captions: so were the first weights made."""
    for prompts, listens in ((_RUN.prompts, False), (PROMPTS, True)):
        write_model_card(tmp_path, _RUN.model_copy(update={"prompts": prompts}), [])
        card = (tmp_path / CARD_FILE).read_text(encoding="utf-8")
        assert "- `embedded_fine.v1`: prose over time\n- `embedded_global.v1`: JSON" in card
        assert ("- `embedded_probe.v1`: whether one claim is true" in card) is listens
        assert ("A *probe* asks" in card) is listens


def test_the_shipped_weights_answer_what_their_card_says() -> None:
    folder = resolve_path("package:captioner")
    run, card = read_run(folder), (folder / CARD_FILE).read_text(encoding="utf-8")
    assert {reference for reference in PROMPTS if f"`{reference}`" in card} == set(run.prompts)


def test_a_card_gives_the_weights_the_licence_that_real_speech_asks_for(tmp_path: Path) -> None:
    run = _RUN.model_copy(
        update={"real_speakers": 7, "real_credit": "recordings of a choir", "real_licence": "cc-by-sa-4.0"}
    )
    write_model_card(tmp_path, run, [])
    card = (tmp_path / CARD_FILE).read_text(encoding="utf-8")
    assert "license: cc-by-sa-4.0" in card
    assert "recordings of a choir" in card
    assert "--real-licence cc-by-sa-4.0" in card


def test_real_speech_without_its_licence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--real-licence go together"):
        train(out=tmp_path / "out", work=tmp_path / "work", real=tmp_path, real_credit="recordings of a choir")

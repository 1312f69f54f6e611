"""What a training will take, against the same by hand."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.cost import estimate
from tests.unit.learn.dual_encoder.building import TEXTS, TINY, write_text_encoder, write_waveform_encoder
from tests.unit.learn.training.tones import TINY_MODEL, tone_job

_RUNS = Path("a"), Path("b")


def test_steps_hours_and_memory_follow_from_the_job() -> None:
    job = tone_job(*_RUNS, optimisation={"steps": 900})
    cost = estimate(job)
    assert cost.num_steps == 900
    assert cost.audio_h == pytest.approx(900 * 8.0 / 3600)
    assert cost.state_gb == pytest.approx(cost.num_weights * 16 / 1e9)
    dear = estimate(tone_job(*_RUNS, optimisation={"steps": 900, "chunk_rows": 4, "activation_checkpointing": True}))
    assert dear.gpu_days == pytest.approx(cost.gpu_days * 10 / 6)


def test_towers_are_counted_without_their_weights(tmp_path: Path) -> None:
    speech, text = write_waveform_encoder(tmp_path / "speech"), write_text_encoder(tmp_path / "text")
    towers = {"speech": speech.model_dump(), "text": text.model_dump()}
    job = tone_job(*_RUNS, model={**TINY_MODEL, **towers}, optimisation={"steps": 1})
    for folder in ("speech", "text"):
        (tmp_path / folder / "model.safetensors").rename(tmp_path / f"{folder}.safetensors")
    found = estimate(job).num_weights
    stored = [load_file(tmp_path / f"{folder}.safetensors") for folder in ("speech", "text")]
    kept = [
        size
        for one in stored
        for name, tensor in one.items()
        if "pooler" not in name and "masked_spec" not in name
        for size in [tensor.numel()]
    ]
    assert found == sum(kept)


def test_a_stage_counts_the_towers_of_the_model_it_starts_from(tmp_path: Path) -> None:
    model = DualEncoder.new(TINY, TEXTS)
    model.save_pretrained(tmp_path / "model")
    job = tone_job(*_RUNS, model=None, init_from=str(tmp_path / "model"), optimisation={"steps": 1})
    towers = (model.speech_tower, model.text_tower)
    assert estimate(job).num_weights == sum(item.numel() for tower in towers for item in tower.parameters())
    missing = tone_job(*_RUNS, model=None, init_from=str(tmp_path / "none"), optimisation={"steps": 1})
    with pytest.raises(ModelError, match="does not exist"):
        estimate(missing)

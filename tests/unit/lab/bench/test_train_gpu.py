"""Counting operations, knowing GPUs, and the whole measurement on towers so small that a CPU trains them."""

from pathlib import Path

import pytest
import torch
from transformers import RobertaConfig, RobertaModel, WavLMConfig, WavLMModel

from fcaps_pipeline.lab.bench.train_gpu import ROBERTA_BASE, WAVLM_LARGE, count_flops, measure_towers, peak_flops
from fcaps_pipeline.learn.dual_encoder.config import SmallTextTowerConfig
from fcaps_pipeline.learn.dual_encoder.text_towers import build_text_tower
from tests.unit.lab.bench.train_jobs import write_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio

WAVLM = WavLMConfig(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    conv_dim=(8,) * 7,
    feat_extract_norm="layer",
    do_stable_layer_norm=True,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
)
ROBERTA = RobertaConfig(
    vocab_size=300,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=66,
    pad_token_id=0,
)


def test_operations_of_a_tower_are_those_counted_by_hand() -> None:
    num_texts, length, width, num_layers = 3, 10, 16, 2
    config = SmallTextTowerConfig(width=width, num_layers=num_layers, num_heads=2, vocabulary_size=300)
    tower = build_text_tower(config, long_texts="truncate", texts=["a low voice"])
    ids_NL = torch.ones(num_texts, length, dtype=torch.int64)
    mask_NL = torch.ones(num_texts, length, dtype=torch.bool)
    projections = 4 * width * width + 2 * 4 * width * width
    products = 2 * length * width
    forward = 2 * num_texts * length * num_layers * (projections + products)
    assert count_flops(lambda: tower(ids_NL, mask_NL)) == forward
    backward = 2 * forward
    assert count_flops(lambda: tower(ids_NL, mask_NL).sum().backward()) == forward + backward


def test_operations_of_a_convolution_are_those_counted_by_hand() -> None:
    layer = torch.nn.Conv1d(4, 6, kernel_size=3, stride=2)
    assert count_flops(lambda: layer(torch.zeros(5, 4, 21))) == 2 * 5 * 10 * 6 * 4 * 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA GeForce RTX 4090", None),
    ],
)
def test_peaks_are_known_for_whole_data_centre_gpus(name: str, expected: float | None) -> None:
    assert peak_flops(name) == expected


def test_towers_of_any_size_are_measured(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    found = measure_towers(job, WAVLM, ROBERTA, num_rows=4, num_steps=2)
    assert found.num_rows == 4
    assert found.audio_s == pytest.approx(0.4)
    assert found.step_flops > 0
    assert found.num_parameters > 20_000
    assert found.rows_per_s == pytest.approx(4 / found.step_s)
    assert found.peak_flops is None
    assert found.share_of_peak is None
    of_a_gpu = found.model_copy(update={"peak_flops": 4 * found.step_flops / found.step_s})
    assert of_a_gpu.share_of_peak == pytest.approx(0.25)


def test_the_large_towers_have_as_many_weights_as_their_models() -> None:
    with torch.device("meta"):
        towers = (WavLMModel(WAVLM_LARGE), RobertaModel(ROBERTA_BASE, add_pooling_layer=False))
    sizes = [sum(one.numel() for one in tower.parameters()) for tower in towers]
    assert [round(size / 1e6, 1) for size in sizes] == [315.5, 124.1]

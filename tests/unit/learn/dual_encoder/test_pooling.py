import pytest
import torch

from fcaps_pipeline.learn.dual_encoder.audio_batch import valid_mask
from fcaps_pipeline.learn.dual_encoder.config import TextPooling
from fcaps_pipeline.learn.dual_encoder.pooling import AttentionPooling, build_pooling


@pytest.mark.parametrize("kind", ["mean", "attention", "first"])
def test_padding_does_not_count_even_where_it_is_nan(kind: TextPooling) -> None:
    torch.manual_seed(0)
    pooling = build_pooling(kind, 8)
    states_BLD = torch.randn(2, 5, 8)
    states_BLD[1, 3:] = torch.nan
    pooled_BD = pooling(states_BLD, valid_mask(torch.tensor([5, 3]), 5))
    alone_D = pooling(states_BLD[1:, :3], torch.ones(1, 3, dtype=torch.bool))[0]
    assert torch.allclose(pooled_BD[1], alone_D, atol=1e-6)


def test_mean_is_the_mean_of_the_valid_states() -> None:
    states_BLD = torch.tensor([[[1.0], [3.0], [99.0]]])
    assert build_pooling("mean", 1)(states_BLD, torch.tensor([[True, True, False]])).item() == 2.0


@torch.inference_mode()
def test_attention_is_the_weighted_sum_written_out() -> None:
    torch.manual_seed(0)
    pooling = AttentionPooling(4)
    states_BLD = torch.randn(1, 3, 4)
    scores = [float(pooling.score(torch.tanh(pooling.hidden(state)))) for state in states_BLD[0]]
    weights = torch.tensor(scores).exp() / torch.tensor(scores).exp().sum()
    expected_D = sum(weight * state for weight, state in zip(weights, states_BLD[0], strict=True))
    pooled_BD = pooling(states_BLD, torch.ones(1, 3, dtype=torch.bool))
    assert torch.allclose(pooled_BD[0], torch.as_tensor(expected_D), atol=1e-6)

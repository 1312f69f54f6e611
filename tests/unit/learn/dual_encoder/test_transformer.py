import math

import pytest
import torch

from fcaps_pipeline.learn.dual_encoder.audio_batch import valid_mask
from fcaps_pipeline.learn.dual_encoder.transformer import Transformer, sinusoids


def _transformer(dropout: float = 0.0) -> Transformer:
    torch.manual_seed(0)
    return Transformer(width=16, num_layers=2, num_heads=2, dropout=dropout)


def test_padding_changes_nothing() -> None:
    transformer = _transformer().eval()
    states_BLD = torch.randn(2, 7, 16)
    out_BLD = transformer(states_BLD, valid_mask(torch.tensor([7, 4]), 7))
    alone_BLD = transformer(states_BLD[1:, :4], torch.ones(1, 4, dtype=torch.bool))
    assert torch.allclose(out_BLD[1, :4], alone_BLD[0], atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_checkpointing_gives_the_same_gradients(dropout: float) -> None:
    states_BLD, mask_BL = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    gradients = []
    for checkpointing in (False, True):
        transformer = _transformer(dropout)
        transformer.checkpointing = checkpointing
        torch.manual_seed(1)
        transformer(states_BLD, mask_BL).square().sum().backward()
        gradients.append([parameter.grad for parameter in transformer.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_positions_are_the_sines_and_cosines_of_the_paper() -> None:
    signal_LD = sinusoids(5, 6, torch.device("cpu"))
    for position in range(5):
        for index in range(3):
            angle = position / 10_000 ** (index / 3)
            assert signal_LD[position, index].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert signal_LD[position, 3 + index].item() == pytest.approx(math.cos(angle), abs=1e-6)

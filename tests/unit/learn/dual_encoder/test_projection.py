import math

import pytest
import torch

from fcaps_pipeline.learn.dual_encoder.config import (
    FrameProjectorConfig,
    MlpConfig,
    ProjectionConfig,
    ResidualProjectionConfig,
    TwoMlpsConfig,
)
from fcaps_pipeline.learn.dual_encoder.projection import FrameProjector, LogitScale, Projection, cosine_matrix

_TWO_MLPS, _RESIDUAL = TwoMlpsConfig(kind="two_mlps"), ResidualProjectionConfig(kind="residual")


@pytest.mark.parametrize("config", [MlpConfig(), _TWO_MLPS, _RESIDUAL], ids=lambda config: config.kind)
def test_projected_vectors_have_unit_length(config: ProjectionConfig) -> None:
    torch.manual_seed(0)
    assert torch.allclose(Projection(config, 8, 4)(torch.randn(3, 8)).norm(dim=1), torch.ones(3))


def test_two_perceptrons_follow_each_other_as_in_clsp() -> None:
    """Linear, ReLU, Linear, then Linear, ReLU, dropout, Linear: nothing but a product between the two."""
    head = Projection(_TWO_MLPS, 8, 4).eval()
    a, b, c, d = (layer for layer in head.modules() if isinstance(layer, torch.nn.Linear))
    vectors_BD = torch.randn(3, 8)
    expected_BE = d(torch.relu(c(b(torch.relu(a(vectors_BD))))))
    torch.testing.assert_close(head(vectors_BD), torch.nn.functional.normalize(expected_BE, dim=1))
    assert [layer.p for layer in head.modules() if isinstance(layer, torch.nn.Dropout)] == [0.1]


def test_the_residual_head_is_that_of_paraspeechclap() -> None:
    head = Projection(_RESIDUAL, 8, 4).eval()
    a, b = (layer.weight for layer in head.modules() if isinstance(layer, torch.nn.Linear))
    vectors_BD = torch.randn(3, 8)
    first_BE = vectors_BD @ a.T
    expected_BE = torch.nn.functional.layer_norm(first_BE + torch.nn.functional.gelu(first_BE) @ b.T, (4,))
    torch.testing.assert_close(head(vectors_BD), torch.nn.functional.normalize(expected_BE, dim=1))
    assert [layer.p for layer in head.modules() if isinstance(layer, torch.nn.Dropout)] == [0.5]
    assert all("bias" not in name or "norm" in name for name, _ in head.named_parameters())


def test_frames_have_unit_length_and_padding_is_zero() -> None:
    torch.manual_seed(0)
    projector = FrameProjector(FrameProjectorConfig(num_heads=2), width=8, embedding_size=16)
    mask_BF = torch.tensor([[True, True, False]])
    frames_BFE = projector(torch.randn(1, 3, 8), mask_BF)
    assert frames_BFE.norm(dim=2)[0].tolist() == pytest.approx([1.0, 1.0, 0.0])


def test_logits_start_at_the_inverse_temperature_and_the_bias() -> None:
    logits = LogitScale(temperature=0.1, bias=-10.0)(torch.tensor([0.5, -1.0]))
    assert logits.tolist() == pytest.approx([-5.0, -20.0])


@pytest.mark.parametrize(("stored", "scale"), [(-3.0, 1.0), (2.0, math.exp(2.0)), (9.0, 100.0)])
def test_scale_stays_between_one_and_a_hundred(stored: float, scale: float) -> None:
    logit_scale = LogitScale(temperature=0.07, bias=0.0)
    torch.nn.init.constant_(logit_scale.log_scale, stored)
    assert logit_scale.scale.item() == pytest.approx(scale)


def test_clamped_scale_learns_again() -> None:
    logit_scale = LogitScale(temperature=0.07, bias=0.0)
    torch.nn.init.constant_(logit_scale.log_scale, 9.0)
    logit_scale.clamp_()
    logit_scale(torch.tensor(0.5)).backward()
    assert logit_scale.log_scale.item() == pytest.approx(math.log(100.0))
    assert logit_scale.log_scale.grad is not None
    assert logit_scale.log_scale.grad.item() == pytest.approx(50.0)


def test_cosines_stay_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    frames_BFE, texts_NE = torch.randn(2, 3, 8), torch.randn(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        cosines_BFN = cosine_matrix(frames_BFE, texts_NE)
    expected = [[[float(frame @ text) for text in texts_NE] for frame in clip] for clip in frames_BFE]
    torch.testing.assert_close(cosines_BFN, torch.tensor(expected))

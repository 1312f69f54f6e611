import math

import pytest
import torch

from fcaps_pipeline.learn.dual_encoder.config import FrameProjectorConfig
from fcaps_pipeline.learn.dual_encoder.projection import FrameProjector, LogitScale, Projection, cosine_matrix


def test_projected_vectors_have_unit_length() -> None:
    torch.manual_seed(0)
    assert torch.allclose(Projection(8, 4)(torch.randn(3, 8)).norm(dim=1), torch.ones(3))


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

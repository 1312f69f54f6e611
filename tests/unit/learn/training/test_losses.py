"""Each loss against loops over its formula; masks hide pairs, never broken numbers."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from fcaps_pipeline.errors import TrainingError
from fcaps_pipeline.learn.training.losses import (
    HardNegatives,
    RowLosses,
    cosines,
    flip_choice_loss,
    frame_losses,
    info_nce,
    mean_of_rows,
    require_finite,
    sigmoid_loss,
    tag_losses,
)
from fcaps_pipeline.learn.training.targets import PairTargets
from tests.unit.learn.training.text_targets import text_targets

_SCALE, _BIAS = 7.0, -3.0
_NAN = float("nan")


def _cosines(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, shape))


def _targets(
    num_rows: int, weights: tuple[float, ...] = (1.0,), ignored: tuple[tuple[int, int], ...] = ()
) -> PairTargets:
    slots = [[f"text {row} of slot {slot}" for row in range(num_rows)] for slot in range(len(weights))]
    targets = text_targets(slots, slots[0], weights)
    for row, text in ignored:
        targets.ignored_BN[row, text] = True
    return targets


def _hard(num_rows: int, count: int) -> HardNegatives:
    present_BH = torch.tensor([[(row + flip) % 3 != 0 for flip in range(count)] for row in range(num_rows)])
    return HardNegatives(_cosines(num_rows, count, seed=9), present_BH)


def _slow_softmax(logits: list[float], index: int) -> float:
    return math.exp(logits[index]) / sum(math.exp(logit) for logit in logits)


def _slow_info_nce(cosines_BN: Tensor, targets: PairTargets, hard: HardNegatives | None) -> float:
    num_rows, num_texts = cosines_BN.shape
    speech = text = 0.0
    for column in range(num_texts):
        row = int(targets.owner_N[column])
        choices = {n: _SCALE * float(cosines_BN[row, n]) for n in range(num_texts) if not targets.ignored_BN[row, n]}
        extra = (
            []
            if hard is None
            else [
                _SCALE * float(cosine)
                for cosine, present in zip(hard.cosines_BH[row], hard.present_BH[row], strict=True)
                if present
            ]
        )
        share = _slow_softmax([*choices.values(), *extra], list(choices).index(column))
        speech -= float(targets.weight_N[column]) * math.log(share) / num_rows
        rows = {b: _SCALE * float(cosines_BN[b, column]) for b in range(num_rows) if not targets.ignored_BN[b, column]}
        text -= math.log(_slow_softmax(list(rows.values()), list(rows).index(row))) / num_texts
    return (speech + text) / 2


def _slow_sigmoid(cosines_BN: Tensor, targets: PairTargets, hard: HardNegatives | None) -> float:
    total = 0.0
    for row in range(cosines_BN.shape[0]):
        for column in range(cosines_BN.shape[1]):
            sign = 1 if int(targets.owner_N[column]) == row else -1
            if not targets.ignored_BN[row, column]:
                total += math.log(1 + math.exp(-sign * (_SCALE * float(cosines_BN[row, column]) + _BIAS)))
        if hard is not None:
            for cosine, present in zip(hard.cosines_BH[row], hard.present_BH[row], strict=True):
                total += math.log(1 + math.exp(_SCALE * float(cosine) + _BIAS)) if present else 0.0
    return total / cosines_BN.shape[1]


_CASES = [
    pytest.param(_targets(5), None, id="one text"),
    pytest.param(_targets(5, ignored=((0, 3), (3, 0), (4, 1))), None, id="ignored pairs"),
    pytest.param(_targets(5, (0.3, 0.7), ignored=((1, 7), (2, 6))), None, id="two texts"),
    pytest.param(_targets(5, (0.5, 0.5)), _hard(5, 2), id="hard negatives"),
    pytest.param(_targets(1), _hard(1, 3), id="one row"),
]


@pytest.mark.parametrize(("targets", "hard"), _CASES)
def test_info_nce_is_its_formula(targets: PairTargets, hard: HardNegatives | None) -> None:
    cosines_BN = _cosines(*targets.ignored_BN.shape)
    value = info_nce(cosines_BN, targets, _SCALE, hard)
    assert float(value) == pytest.approx(_slow_info_nce(cosines_BN, targets, hard), rel=1e-6)


@pytest.mark.parametrize(("targets", "hard"), _CASES)
def test_sigmoid_loss_is_its_formula(targets: PairTargets, hard: HardNegatives | None) -> None:
    cosines_BN = _cosines(*targets.ignored_BN.shape)
    value = sigmoid_loss(cosines_BN, targets, _SCALE, _BIAS, hard)
    assert float(value) == pytest.approx(_slow_sigmoid(cosines_BN, targets, hard), rel=1e-6)


def test_two_texts_are_stage_two_of_clsp_in_matrices() -> None:
    cosines_BN, share = _cosines(4, 8), 0.3
    eye = torch.eye(4, dtype=torch.float64)
    speech = torch.nn.functional.cross_entropy(_SCALE * cosines_BN, torch.cat([share * eye, (1 - share) * eye], dim=1))
    text = torch.nn.functional.cross_entropy(_SCALE * cosines_BN.T, torch.cat([eye, eye]))
    value = info_nce(cosines_BN, _targets(4, (share, 1 - share)), _SCALE)
    assert float(value) == pytest.approx(float(speech + text) / 2, rel=1e-6)


def test_identical_texts_leave_the_floor_of_the_loss_at_zero() -> None:
    targets = text_targets([["same", "Same.", "other"]], ["a", "b", "c"], [1.0])
    perfect_BN = torch.tensor([[1.0, 1, -1], [1, 1, -1], [-1, -1, 1]])
    assert float(info_nce(perfect_BN, targets, 100.0)) == pytest.approx(0, abs=1e-6)


def test_ignored_pairs_get_no_gradient() -> None:
    cosines_BN = _cosines(5, 5).requires_grad_()
    targets = _targets(5, ignored=((0, 3), (4, 1)))
    (info_nce(cosines_BN, targets, _SCALE) + sigmoid_loss(cosines_BN, targets, _SCALE, _BIAS)).backward()  # type: ignore[no-untyped-call]
    gradient_BN = cosines_BN.grad
    assert gradient_BN is not None
    assert ((gradient_BN == 0) == targets.ignored_BN).all()


def test_flip_choice_is_a_choice_among_own_texts() -> None:
    own_B, hard = _cosines(5), _hard(5, 2)
    hard.present_BH[3] = False
    losses = flip_choice_loss(own_B, hard, _SCALE)
    for row in range(5):
        flips = [_SCALE * float(c) for c, p in zip(hard.cosines_BH[row], hard.present_BH[row], strict=True) if p]
        expected = -math.log(_slow_softmax([_SCALE * float(own_B[row]), *flips], 0))
        assert float(losses.loss_B[row]) == pytest.approx(expected)
    assert losses.counted_B.tolist() == [1, 1, 1, 0, 1]


def _slow_bce(cosine: float, label: float) -> float:
    likely = 1 / (1 + math.exp(-(_SCALE * cosine + _BIAS)))
    return -(label * math.log(likely) + (1 - label) * math.log(1 - likely))


def test_tag_losses_weigh_tags_that_hold_and_skip_rows_without() -> None:
    cosines_BG, label_BG = _cosines(3, 4), torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
    weights = [0.5, 2.0, 0.0, 1.5]
    losses = tag_losses(cosines_BG, label_BG, _SCALE, _BIAS, torch.tensor(weights))
    expected = [
        np.mean([(w if y else 1) * _slow_bce(float(c), float(y)) for w, c, y in zip(weights, *row, strict=True)])
        for row in zip(cosines_BG, label_BG, strict=True)
    ]
    assert losses.loss_B.tolist() == pytest.approx([expected[0], 0, expected[2]])
    assert float(mean_of_rows(losses)) == pytest.approx((expected[0] + expected[2]) / 2)
    alike = tag_losses(cosines_BG, label_BG, _SCALE, _BIAS).loss_B[0]
    assert float(alike) == pytest.approx(
        np.mean([_slow_bce(float(cosines_BG[0, g]), float(label_BG[0, g])) for g in range(4)])
    )


def _frames() -> dict[str, Tensor]:
    return {
        "label_BTP": torch.from_numpy(np.random.default_rng(3).integers(0, 2, (3, 4, 2))),
        "frame_present_BT": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]).bool(),
        "phrase_present_BP": torch.tensor([[1, 1], [0, 0], [1, 0]]).bool(),
    }


def test_frame_losses_are_means_over_real_frames_and_phrases() -> None:
    cosines_BTP, given = _cosines(3, 4, 2), _frames()
    losses = frame_losses(cosines_BTP, **given, scale=_SCALE, bias=_BIAS)
    expected = []
    for row in range(3):
        entries = [
            _slow_bce(float(cosines_BTP[row, t, p]), float(given["label_BTP"][row, t, p]))
            for t in range(4)
            for p in range(2)
            if given["frame_present_BT"][row, t] and given["phrase_present_BP"][row, p]
        ]
        expected.append(sum(entries) / len(entries) if entries else 0.0)
    assert losses.loss_B.tolist() == pytest.approx(expected)
    assert losses.counted_B.tolist() == [1, 0, 1]
    assert float(mean_of_rows(losses)) == pytest.approx((expected[0] + expected[2]) / 2)


def test_batch_without_events_loses_nothing_and_can_be_backpropagated() -> None:
    cosines_BTP, given = _cosines(3, 4, 2).requires_grad_(), _frames()
    given["phrase_present_BP"][:] = False
    loss = mean_of_rows(frame_losses(cosines_BTP, **given, scale=_SCALE, bias=_BIAS))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert cosines_BTP.grad is not None
    assert not cosines_BTP.grad.any()


def _contrastive(loss: Callable[..., Tensor], *bias: float) -> Callable[[], Tensor]:
    def broken() -> Tensor:
        cosines_BN = _cosines(5, 5)
        cosines_BN[0, 3] = _NAN
        return loss(cosines_BN, _targets(5, ignored=((0, 3),)), _SCALE, *bias)

    return broken


def _padded_flip() -> Tensor:
    hard = HardNegatives(torch.tensor([[0.5, _NAN]]), torch.tensor([[True, False]]))
    return info_nce(_cosines(1, 1), _targets(1), _SCALE, hard)


def _row_without_tags() -> Tensor:
    return mean_of_rows(tag_losses(torch.tensor([[0.1], [_NAN]]), torch.tensor([[1], [0]]), _SCALE, _BIAS))


def _padded_frame() -> Tensor:
    cosines_BTP = _cosines(3, 4, 2)
    cosines_BTP[2, 3, 1] = _NAN
    return mean_of_rows(frame_losses(cosines_BTP, **_frames(), scale=_SCALE, bias=_BIAS))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(_contrastive(info_nce), id="ignored pair of InfoNCE"),
        pytest.param(_contrastive(sigmoid_loss, _BIAS), id="ignored pair of the sigmoid loss"),
        pytest.param(_padded_flip, id="padded hard negative"),
        pytest.param(_row_without_tags, id="row without tags"),
        pytest.param(_padded_frame, id="padded frame"),
    ],
)
def test_no_mask_hides_a_broken_number(broken: Callable[[], Tensor]) -> None:
    with pytest.raises(TrainingError, match=r"^loss at step 12 is nan, expected .* on Segments a, b; .* --out"):
        require_finite(broken(), 12, ["a", "b"])


def test_finite_numbers_pass_and_infinite_ones_do_not() -> None:
    require_finite(torch.tensor(3.0), 0, [])
    with pytest.raises(TrainingError, match=r"gradient norm at step 4 is inf, .* 6, 7 and 2 more"):
        require_finite(torch.tensor(torch.inf), 4, [str(index) for index in range(10)], "gradient norm")


def test_cosines_keep_float32_under_autocast() -> None:
    embedding_BD = torch.nn.functional.normalize(_cosines(4, 16).float(), dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = cosines(embedding_BD, embedding_BD)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, embedding_BD @ embedding_BD.T)
    assert cosines(embedding_BD.bfloat16(), embedding_BD.bfloat16()).dtype == torch.float32


def test_mean_of_no_rows_is_zero() -> None:
    assert float(mean_of_rows(RowLosses(torch.zeros(2), torch.zeros(2)))) == 0

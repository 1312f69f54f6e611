"""The sum of losses against the same losses computed one by one, and the shape of an empty share."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fcaps_pipeline.errors import JobError, UsageError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.batches import Event, TrainingBatch, TrainingRow
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.losses import info_nce, sigmoid_loss
from fcaps_pipeline.learn.training.objectives import Objective, PreparedBatch
from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank
from fcaps_pipeline.learn.training.text_sampling import StepContext
from tests.unit.learn.training.text_targets import text_targets
from tests.unit.learn.training.tones import TINY_MODEL, tone_job

_MODEL = {**TINY_MODEL, "frames": {"num_layers": 1, "num_heads": 2, "dropout": 0.0}}
_MOMENT = StepContext(seed=0, epoch=0, step=0, num_steps=10)
_BANK = PhraseBank(["laugh", "cough"])
_FINE = ("A man speaks softly.", "A woman speaks loudly.", "A deep hum.")


def _model(max_tokens: int = 64, long_texts: str = "truncate") -> DualEncoder:
    text = {**_MODEL["text"], "max_tokens": max_tokens}
    content = {**_MODEL, "text": text, "long_texts": long_texts}
    return DualEncoder.new(DualEncoderConfig.model_validate(content), _FINE).train()


def _job(**objectives: Any) -> TrainJob:
    captions = {"kind": "one_each", "granularities": ["fine"]}
    return tone_job(Path("a"), Path("b"), model=_MODEL, objectives=objectives, captions=captions)


def _batch(num_rows: int = 3) -> TrainingBatch:
    audio_BT = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (num_rows, 6400)).astype(np.float32))
    rows = [
        TrainingRow(
            row=index,
            segment_id=f"s{index}",
            recording_id=f"r{index}",
            speaker=None,
            tags=(("deep",), ("loud", "fast"), ())[index],
            global_captions=(),
            fine_captions=(_FINE[index],),
            events=(
                (Event(phrase="laugh", start_s=0.1, end_s=0.2),),
                (),
                (Event(phrase="cough", start_s=0, end_s=0.1),),
            )[index],
            audio_id=f"a{index}",
        )
        for index in range(num_rows)
    ]
    return TrainingBatch(
        position=Position(),
        is_last_of_epoch=False,
        num_global_rows=num_rows,
        audio_BT=audio_BT,
        lengths_B=torch.tensor([6400, 5000, 3000][:num_rows]),
        rows=tuple(rows),
        bad_rows=(),
    )


def _loss(objective: Objective, prepared: PreparedBatch) -> tuple[float, dict[str, float]]:
    (part,) = prepared.parts
    loss, terms = objective.loss(prepared, objective(part))
    return float(loss.detach()), {name: float(term) for name, term in terms.items()}


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    weights = {"info_nce": 0.5, "sigmoid": 2.0, "flips": 0.3, "frames": 0.7, "tags": 1.5}
    sections: dict[str, Any] = {name: {"weight": weight} for name, weight in weights.items()}
    sections["tags"]["wordings"] = {"deep": ["deep"], "loud": ["loud", "strong"]}
    objective = Objective(_model(), _job(**sections), tag_weight_G=torch.tensor([1.0, 2.0]), phrases=_BANK)
    loss, terms = _loss(objective, objective.prepare(_batch(), _MOMENT))
    assert loss == pytest.approx(sum(weights[name] * terms[name] for name in weights))


def test_pair_losses_are_those_of_the_embeddings() -> None:
    model, batch = _model(), _batch()
    objective = Objective(model, _job(info_nce={}, sigmoid={}), tag_weight_G=None)
    _, terms = _loss(objective, objective.prepare(batch, _MOMENT))
    cosines_BN = model.encode_speech(batch.audio_BT, batch.lengths_B) @ model.encode_text(_FINE).T
    cosines_BN = cosines_BN.detach()
    targets = text_targets([_FINE], _FINE, [1.0])
    scale, bias = model.clip_scale.scale.item(), model.clip_scale.bias.item()
    assert terms["info_nce"] == pytest.approx(info_nce(cosines_BN, targets, scale).item(), rel=1e-5)
    assert terms["sigmoid"] == pytest.approx(sigmoid_loss(cosines_BN, targets, scale, bias).item(), rel=1e-5)


def test_a_copy_of_a_row_is_no_negative_of_it_though_its_caption_differs() -> None:
    objective, batch = Objective(_model(), _job(info_nce={}), tag_weight_G=None), _batch()
    copied = replace(batch, rows=(*batch.rows[:2], replace(batch.rows[2], audio_id="a0")))
    ignored_BN = objective.targets(objective.prepare(copied, _MOMENT)).ignored_BN
    assert ignored_BN.nonzero().tolist() == [[0, 2], [2, 0]]
    assert not objective.targets(objective.prepare(batch, _MOMENT)).ignored_BN.any()


def test_captions_that_are_cut_count_and_changed_ones_do_not() -> None:
    objective = Objective(_model(max_tokens=4), _job(info_nce={}, flips={"per_row": 2}), tag_weight_G=None)
    assert objective.prepare(_batch(), _MOMENT).num_truncated == 3


@pytest.mark.parametrize(("max_tokens", "phrase"), [(4, "laugh"), (32, "a laugh that goes on and on " * 9)])
def test_a_caption_or_phrase_that_is_refused_names_its_segment(max_tokens: int, phrase: str) -> None:
    model = _model(max_tokens, long_texts="refuse")
    objective, batch = Objective(model, _job(info_nce={}, frames={}), tag_weight_G=None, phrases=_BANK), _batch()
    event = batch.rows[0].events[0].model_copy(update={"phrase": phrase})
    batch = replace(batch, rows=(replace(batch.rows[0], events=(event,)), *batch.rows[1:]))
    with pytest.raises(UsageError, match=f"a text of s0 is longer than the {max_tokens} tokens"):
        objective(objective.prepare(batch, _MOMENT).parts[0])


def test_tags_are_means_of_their_wordings_and_rows_without_tags_do_not_count() -> None:
    model, batch = _model(), _batch()
    tags = {"wordings": {"deep": ["deep"], "loud": ["loud", "strong"]}}
    objective = Objective(model, _job(info_nce={}, tags=tags), tag_weight_G=None)
    _, terms = _loss(objective, objective.prepare(batch, _MOMENT))
    deep, loud, strong = model.encode_text(["deep", "loud", "strong"])
    tag_GE = functional.normalize(torch.stack([deep, (loud + strong) / 2]), dim=1)
    speech_BE = model.encode_speech(batch.audio_BT, batch.lengths_B)[:2]
    logits_BG = model.tag_scale(model.similarity(speech_BE, tag_GE))
    expected = functional.binary_cross_entropy_with_logits(logits_BG, torch.eye(2))
    assert terms["tags"] == pytest.approx(expected.item(), rel=1e-5)


def test_frames_ask_own_phrases_and_those_of_other_rows() -> None:
    model, batch = _model(), _batch()
    objective = Objective(model, _job(info_nce={}, frames={}), tag_weight_G=None, phrases=_BANK)
    _, terms = _loss(objective, objective.prepare(batch, _MOMENT))
    frames_BFE, mask_BF = model.encode_frames(batch.audio_BT, batch.lengths_B)
    logits_BFP = model.frame_logits(frames_BFE, model.encode_text(["laugh", "cough"]))
    per_row = []
    for row, phrase, start_s, end_s in ((0, 0, 0.1, 0.2), (2, 1, 0.0, 0.1)):
        num_frames = int(mask_BF[row].sum())
        middle_s = (np.arange(num_frames) + 0.5) / model.frame_rate_hz
        label_FP = torch.zeros(num_frames, 2)
        label_FP[:, phrase] = torch.from_numpy((middle_s >= start_s) & (middle_s < end_s))
        per_row.append(functional.binary_cross_entropy_with_logits(logits_BFP[row, :num_frames], label_FP))
    assert terms["frames"] == pytest.approx(torch.stack(per_row).mean().item(), rel=1e-5)


def test_changed_captions_are_wrong_for_their_row_alone() -> None:
    model, batch = _model(), _batch()
    plain, in_batch, apart = (
        Objective(model, _job(info_nce={}, **flips), tag_weight_G=None)
        for flips in ({}, {"flips": {"weight": 0.0}}, {"flips": {"in_batch": False}})
    )
    prepared = in_batch.prepare(batch, _MOMENT)
    assert prepared.has_flip_BH[:, 0].tolist() == [True, True, False]
    terms = [_loss(one, one.prepare(batch, _MOMENT))[1] for one in (plain, in_batch, apart)]
    assert terms[1]["info_nce"] > terms[0]["info_nce"]
    assert terms[2]["info_nce"] == pytest.approx(terms[0]["info_nce"])
    assert terms[1]["flips"] == pytest.approx(terms[2]["flips"])


def test_a_share_without_rows_has_the_shapes_of_one_with_rows() -> None:
    objective = Objective(_model(), _job(info_nce={}, frames={}, flips={"per_row": 2}), tag_weight_G=None)
    empty, full = (objective(objective.prepare(_batch(rows), _MOMENT).parts[0]) for rows in (0, 3))
    assert [len(output) for output in empty] == [0] * len(full)
    assert [output.shape[1:] for output in empty] == [output.shape[1:] for output in full]


def test_frames_need_a_model_that_embeds_them() -> None:
    model = DualEncoder.new(DualEncoderConfig.model_validate(TINY_MODEL), _FINE)
    with pytest.raises(JobError, match="needs a model with a frame projector"):
        Objective(model, _job(info_nce={}, frames={}), tag_weight_G=None, phrases=_BANK)

"""From a batch to its loss: what the towers embed, part by part, and what is made of all embeddings.

Enters: a `TrainingBatch` and the context of its step. Leaves: parts for `gradient_caching.backward_in_parts`,
the embeddings of a part, and the weighted sum of the losses that the job names, over all ranks.

Shape suffixes: B rows, T samples, K captions of a row, H changed captions of a row, J = K + H, N = K x B
captions, G tags, W wordings, E embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.tokenization import Tokens
from fcaps_pipeline.learn.training.collectives import gather_rows
from fcaps_pipeline.learn.training.frame_objective import phrase_losses
from fcaps_pipeline.learn.training.gradient_caching import Outputs
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.losses import (
    HardNegatives,
    RowLosses,
    cosines,
    flip_choice_loss,
    info_nce,
    mean_of_rows,
    sigmoid_loss,
    tag_losses,
)
from fcaps_pipeline.learn.training.objective_config import OneEach, Tags, TwoTexts
from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank
from fcaps_pipeline.learn.training.targets import PairTargets, audio_keys, pair_targets, stack_slots, text_keys
from fcaps_pipeline.learn.training.text_sampling import (
    LabelledPhrase,
    StepContext,
    draw_captions,
    draw_flips,
    draw_phrases,
)

_Term = tuple[str, float, Tensor]
"""Name, weight and value of a loss."""

IGNORED_SHARE = "ignored_share"
"""Name of the share of pairs that are neither positive nor negative, among the terms of a loss."""
_STAND_IN = "a"


@dataclass(frozen=True)
class MicroBatch:
    """Rows that are embedded together."""

    segment_ids: tuple[str, ...]
    """Of the rows, for messages."""
    audio_BT: Tensor
    lengths_B: Tensor
    tokens: Tokens | None
    """Texts row by row, K captions and H changed ones of each; None without rows."""
    asked: tuple[tuple[LabelledPhrase, ...], ...]
    """Phrases of each row; empty where nothing is learnt from frames."""


@dataclass(frozen=True)
class PreparedBatch:
    """A rank's share of a batch, with its texts."""

    parts: tuple[MicroBatch, ...]
    """As many on every rank; a rank with too few rows brings parts without any."""
    row_counts: tuple[int, ...]
    """Rows of each rank."""
    slots: tuple[tuple[str, ...], ...]
    """Captions of the rows, `slots[k][b]`."""
    weights: tuple[float, ...]
    """Share of each slot in the speech-to-text target."""
    audio_ids: tuple[str, ...]
    has_flip_BH: Tensor
    """False where a row has fewer changed captions; without columns where nothing is learnt from them."""
    label_BG: Tensor
    """Tags of the rows; without columns where nothing is learnt from tags."""
    context: StepContext
    num_truncated: int
    """Captions that were cut; changed ones do not count."""
    num_substituted: int


class Objective(nn.Module):
    """The losses of one job on one model."""

    def __init__(
        self,
        model: DualEncoder,
        job: TrainJob,
        *,
        tag_weight_G: Tensor | None,
        phrases: PhraseBank | None = None,
    ) -> None:
        """Checks that the model has what the losses need.

        Args:
            model: on its device.
            job: names the losses.
            tag_weight_G: weight of each tag in the tag loss where it holds; None weighs all alike.
            phrases: those of the corpus, from which negatives are drawn; None where nothing is learnt from frames.

        Raises:
            JobError: the job learns from frames and the model has no frame projector.
        """
        if job.objectives.frames and model.frame_projector is None:
            raise JobError(
                f"objectives.frames needs a model with a frame projector, {job.init_from} has none; "
                "train it with a `frames` section in its model, or leave the objective out"
            )
        super().__init__()
        self.model = model
        self._phrases = phrases
        self._captions: OneEach | TwoTexts = job.captions
        self._objectives = job.objectives
        self._bf16 = job.optimisation.bf16
        self._chunk_rows = job.optimisation.chunk_rows
        self._tag_weight_G = None if tag_weight_G is None else tag_weight_G.to(model.device)

    def prepare(
        self, batch: TrainingBatch, context: StepContext, row_counts: Sequence[int] | None = None
    ) -> PreparedBatch:
        """Draws and tokenizes the texts of this rank's share of a batch.

        Args:
            batch: the share.
            context: of the step.
            row_counts: rows of the share of each rank; None for a single one.

        Raises:
            UsageError: a text is too long for the text tower, where long texts are refused.
        """
        row_counts = tuple(row_counts or [len(batch.rows)])
        drawn = draw_captions(batch.rows, self._captions, context)
        asked: Sequence[tuple[LabelledPhrase, ...]] = [() for _ in batch.rows]
        if self._objectives.frames and self._phrases:
            asked = draw_phrases(batch.rows, self._phrases, self._objectives.frames.phrases_per_row, context)
        size = self._chunk_rows or max(1, *row_counts)
        flips, has_flip_BH = self._flips(batch, drawn.slots[0], context)
        slices = [slice(start, start + size) for start in range(0, max(1, *row_counts), size)]
        parts = tuple(self._part(batch, (*drawn.slots, *flips), asked, rows) for rows in slices)
        return PreparedBatch(
            parts=parts,
            row_counts=row_counts,
            slots=drawn.slots,
            weights=drawn.weights,
            audio_ids=tuple(row.audio_id for row in batch.rows),
            has_flip_BH=has_flip_BH,
            label_BG=self._tag_labels(batch),
            context=context,
            num_truncated=sum(self._num_cut_captions(part.tokens) for part in parts if part.tokens),
            num_substituted=drawn.num_substituted,
        )

    def targets(self, prepared: PreparedBatch) -> PairTargets:
        """Which text belongs to which row, over all ranks, on the device. All ranks call it together.

        It is asked for behind the towers, so that a GPU computes while the CPU reads the texts.
        """
        by_claims = self._objectives.same == "claims"
        keys = [text_keys(slot, by_claims=by_claims) for slot in prepared.slots]
        own_BC = torch.stack([*keys, audio_keys(prepared.audio_ids)], dim=1).to(self.model.device)
        key_BC = gather_rows(own_BC, prepared.row_counts)
        return pair_targets(key_BC[:, :-1].T, key_BC[:, -1], prepared.weights)

    def forward(self, part: MicroBatch) -> Outputs:
        """Embeddings of the rows: speech_BE, text_BJE and, with frames, the loss_B and counted_B of the frames.

        A part without rows goes through the towers as well, as one row that is cut off again: the other ranks wait
        for this one in the towers.
        """
        num_rows = len(part.lengths_B)
        if part.tokens is None:
            part = self._stand_in()
        assert part.tokens is not None
        with self._autocast():
            text_NE = self.model.encode_tokens(part.tokens)
            text_BJE = text_NE.reshape(len(part.lengths_B), self._num_texts, -1)
            if not self._objectives.frames:
                return self.model.encode_speech(part.audio_BT, part.lengths_B)[:num_rows], text_BJE[:num_rows]
            speech = self.model.embed_speech(part.audio_BT, part.lengths_B)
            assert speech.frames_BFE is not None
            frames = phrase_losses(self.model, speech.frames_BFE, speech.mask_BF, part.asked, part.segment_ids)
        outputs = (speech.speech_BE, text_BJE, frames.loss_B, frames.counted_B)
        return tuple(output[:num_rows] for output in outputs)

    def loss(self, prepared: PreparedBatch, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum over the rows of all ranks; each loss without its weight, and the share of ignored pairs."""
        speech_BE, text_BJE, *of_frames = (gather_rows(output, prepared.row_counts) for output in outputs)
        targets = self.targets(prepared)
        terms = self._pair_terms(prepared, targets, speech_BE, text_BJE)
        if tags := self._objectives.tags:
            terms.append(("tags", tags.weight, self._tag_loss(tags, prepared, speech_BE)))
        if frames := self._objectives.frames:
            terms.append(("frames", frames.weight, mean_of_rows(RowLosses(*of_frames))))
        total = torch.stack([weight * term for _, weight, term in terms]).sum()
        found = {name: term.detach() for name, _, term in terms}
        return total, {**found, IGNORED_SHARE: targets.ignored_BN.float().mean()}

    @property
    def _num_slots(self) -> int:
        return 2 if isinstance(self._captions, TwoTexts) else len(self._captions.granularities)

    @property
    def _num_texts(self) -> int:
        flips = self._objectives.flips
        return self._num_slots + (flips.per_row if flips else 0)

    def _num_cut_captions(self, tokens: Tokens) -> int:
        return int(tokens.cut_N.reshape(-1, self._num_texts)[:, : self._num_slots].sum())

    def _stand_in(self) -> MicroBatch:
        """One row of silence, with which nothing is compared."""
        length_B = torch.tensor([self.model.speech_tower.min_samples])
        audio_BT = torch.zeros(1, int(length_B))
        return MicroBatch(("",), audio_BT, length_B, self.model.tokenizer([_STAND_IN] * self._num_texts), ((),))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bf16)

    def _part(
        self,
        batch: TrainingBatch,
        slots: Sequence[Sequence[str]],
        asked: Sequence[tuple[LabelledPhrase, ...]],
        rows: slice,
    ) -> MicroBatch:
        lengths_B = batch.lengths_B[rows]
        texts = [text for of_row in zip(*(slot[rows] for slot in slots), strict=True) for text in of_row]
        segment_ids = tuple(row.segment_id for row in batch.rows[rows])
        owners = [segment_id for segment_id in segment_ids for _ in slots]
        return MicroBatch(
            segment_ids=segment_ids,
            audio_BT=batch.audio_BT[rows, : int(lengths_B.max())] if len(lengths_B) else batch.audio_BT[rows],
            lengths_B=lengths_B,
            tokens=self.model.tokenizer(texts, owners) if texts else None,
            asked=tuple(asked[rows]),
        )

    def _flips(
        self, batch: TrainingBatch, texts: Sequence[str], context: StepContext
    ) -> tuple[list[tuple[str, ...]], Tensor]:
        """Changed captions as further slots, padded with the caption itself, and which of them are no padding."""
        count = self._objectives.flips.per_row if self._objectives.flips else 0
        drawn = draw_flips(batch.rows, texts, count, context) if count else [() for _ in texts]
        slots = [
            tuple(flips[place] if place < len(flips) else text for flips, text in zip(drawn, texts, strict=True))
            for place in range(count)
        ]
        has_flip = [[place < len(flips) for place in range(count)] for flips in drawn]
        return slots, torch.tensor(has_flip, dtype=torch.bool).reshape(len(texts), count)

    def _pair_terms(
        self, prepared: PreparedBatch, targets: PairTargets, speech_BE: Tensor, text_BJE: Tensor
    ) -> list[_Term]:
        cosines_BN = cosines(speech_BE, stack_slots(text_BJE[:, : self._num_slots]))
        flips = self._objectives.flips
        hard = self._hard_negatives(prepared, speech_BE, text_BJE) if flips else None
        in_batch = hard if flips and flips.in_batch else None
        scale, bias = self.model.clip_scale.scale, self.model.clip_scale.bias
        terms: list[_Term] = []
        if chosen := self._objectives.info_nce:
            terms.append(("info_nce", chosen.weight, info_nce(cosines_BN, targets, scale, in_batch)))
        if asked := self._objectives.sigmoid:
            terms.append(("sigmoid", asked.weight, sigmoid_loss(cosines_BN, targets, scale, bias, in_batch)))
        if flips and hard is not None:
            own_B = cosines_BN[:, : len(speech_BE)].diagonal()
            terms.append(("flips", flips.weight, mean_of_rows(flip_choice_loss(own_B, hard, scale))))
        return terms

    def _hard_negatives(self, prepared: PreparedBatch, speech_BE: Tensor, text_BJE: Tensor) -> HardNegatives:
        with torch.autocast(speech_BE.device.type, enabled=False):
            cosines_BH = (text_BJE[:, self._num_slots :].float() @ speech_BE.float()[:, :, None]).squeeze(2)
        return HardNegatives(cosines_BH, gather_rows(prepared.has_flip_BH.to(speech_BE.device), prepared.row_counts))

    def _tag_labels(self, batch: TrainingBatch) -> Tensor:
        names = tuple(self._objectives.tags.wordings) if self._objectives.tags else ()
        label_BG = [[name in row.tags for name in names] for row in batch.rows]
        return torch.tensor(label_BG, dtype=torch.float32).reshape(len(batch.rows), len(names))

    def _tag_loss(self, tags: Tags, prepared: PreparedBatch, speech_BE: Tensor) -> Tensor:
        """Each rank embeds all tags with the same dropout, as the gradients across ranks ask for."""
        device = self.model.device
        wordings = [text for texts in tags.wordings.values() for text in texts]
        context = prepared.context
        seed = int(seed_sequence(context.seed, Stream.TAG_DROPOUT, step=context.step).generate_state(1, np.uint64)[0])
        with torch.random.fork_rng([device] if device.type == "cuda" else []), self._autocast():
            torch.manual_seed(seed)
            text_WE = self.model.encode_tokens(self.model.tokenizer(wordings))
        split = torch.split(text_WE, [len(texts) for texts in tags.wordings.values()])
        tag_GE = functional.normalize(torch.stack([part.mean(0) for part in split]), dim=-1)
        scale = self.model.tag_scale
        label_BG = gather_rows(prepared.label_BG.to(device), prepared.row_counts)
        return mean_of_rows(
            tag_losses(cosines(speech_BE, tag_GE), label_BG, scale.scale, scale.bias, self._tag_weight_G)
        )

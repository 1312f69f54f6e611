"""Grounding with the frame stream and, as its baseline, without it.

Enters: a trained model, the task. Leaves: the outcome that `fcaps evaluate` gives. A model without frame projector
gives its frames through the projection of clips: a clip is the mean of its frames before that projection, so each frame
is treated as a clip of its own. Source of the comparison: FineLAP, arXiv 2604.01155, which measures event detection
with and without its frame loss.

Shape suffixes: B clips, F frames, D tower features, E embedding features.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from fcaps_pipeline.learn.data.training_hashes import read_training_hashes
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.projection import Projection
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.grounding import measure_grounding
from fcaps_pipeline.learn.evaluation.job import GroundingTask
from fcaps_pipeline.learn.evaluation.outcomes import GroundingOutcome
from fcaps_pipeline.records.progress import ProgressCallback


class FramesAsClips(nn.Module):
    """Embeds every frame by the projection of clips."""

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.projection = projection

    def forward(self, frames_BFD: torch.Tensor, mask_BF: torch.Tensor) -> torch.Tensor:
        """Returns `(B, F, E)` in float32, zero at padded frames."""
        frames_BFE: torch.Tensor = self.projection(frames_BFD)
        return frames_BFE.masked_fill(~mask_BF[:, :, None], 0.0)


def ground(model_folder: Path, task: GroundingTask, callback: ProgressCallback, seed: int) -> GroundingOutcome:
    """Measures one model on the CPU; the threshold is chosen on dev either variant.

    Args:
        model_folder: the model.
        task: its rows.
        callback: told of progress.
        seed: draws clips for the intervals.

    Raises:
        FcapsError: as `measure_grounding`.
    """
    model = DualEncoder.from_pretrained(model_folder)
    if model.frame_projector is None:
        model.frame_projector = FramesAsClips(model.speech_projection)  # type: ignore[assignment]
    embedder = Embedder(model, callback, training_hashes=read_training_hashes(model_folder))
    outcome, _ = measure_grounding(embedder, task, np.random.default_rng(seed))
    return outcome

"""Targets of texts and names of audio as they stand."""

from collections.abc import Sequence

import torch

from fcaps_pipeline.learn.training.targets import PairTargets, audio_keys, pair_targets, text_keys


def text_targets(slots: Sequence[Sequence[str]], audio_ids: Sequence[str], weights: Sequence[float]) -> PairTargets:
    """What a single rank makes of them."""
    return pair_targets(torch.stack([text_keys(slot) for slot in slots]), audio_keys(audio_ids), weights)

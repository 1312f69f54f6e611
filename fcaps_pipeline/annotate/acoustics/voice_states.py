"""Which voice speaks at every moment of a Segment: modal, whispered, breathy, creaky, laughing.

Enters: the measurements of `timbre`, and the weights of a small network that `fcaps bench events --calibrate` learnt
from voices of known truth. Leaves: log probabilities. Nothing here is random.

Shape suffixes: M moments of 20 ms, Q qualities, H hidden units, S states.
"""

import numpy as np

from fcaps_pipeline.annotate.acoustics.frames import FloatArray
from fcaps_pipeline.records.audio import EventPhrase
from fcaps_pipeline.records.base import Record

STATES: tuple[EventPhrase | None, ...] = (
    None,
    "whispers",
    "speaks in a breathy voice",
    "speaks in a creaky voice",
    "laughs",
)
"""What the outputs of the network stand for; None for a voice of which nothing is said."""


class StateNetwork(Record):
    """One hidden layer of tanh units; lists of lists are matrices, row by row."""

    mean_Q: tuple[float, ...]
    scale_Q: tuple[float, ...]
    """Measurements less their mean, over this, are what enters."""
    hidden_QH: tuple[tuple[float, ...], ...]
    hidden_H: tuple[float, ...]
    out_HS: tuple[tuple[float, ...], ...]
    out_S: tuple[float, ...]

    def log_probabilities(self, timbre_MQ: FloatArray) -> FloatArray:
        """Of each state at each moment, of shape (M, S)."""
        entered_MQ = (timbre_MQ - np.array(self.mean_Q)) / np.array(self.scale_Q)
        hidden_MH = np.tanh(entered_MQ @ np.array(self.hidden_QH) + np.array(self.hidden_H))
        logits_MS = hidden_MH @ np.array(self.out_HS) + np.array(self.out_S)
        top_M = logits_MS.max(axis=1, keepdims=True)
        return np.asarray(logits_MS - top_M - np.log(np.exp(logits_MS - top_M).sum(axis=1, keepdims=True)))

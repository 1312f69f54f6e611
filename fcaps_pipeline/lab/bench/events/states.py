"""Teaches the small network which voice speaks, from clips whose truth is known.

Enters: measurements of timbre with the voice that was asked of the synthesizer. Leaves: a `StateNetwork`. The same
clips and seed give the same weights on one machine.

Shape suffixes: M moments, Q qualities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.annotate.acoustics.analysis import Analysis
from fcaps_pipeline.annotate.acoustics.frames import FloatArray, IntArray
from fcaps_pipeline.annotate.acoustics.timbre import MOMENT_FRAMES, QUALITIES, measure_timbre
from fcaps_pipeline.annotate.acoustics.voice_states import STATES, StateNetwork
from fcaps_pipeline.lab.synthesis.recording_truth import RecordingTruth

_NUM_HIDDEN = 12
_STEPS = 500
_BATCH_MOMENTS = 2048
_LEARNING_RATE = 0.01
_WEIGHT_DECAY = 0.3
_UNSURE_S = 0.08
"""So close to where the voice changes, a moment is of neither."""
_DIGITS = 4


@dataclass(frozen=True)
class KnownMoments:
    """The speech of a clip, moment by moment."""

    timbre_MQ: FloatArray
    state_M: IntArray
    """Place in `STATES`."""


def known_moments(truth: RecordingTruth, analysis: Analysis) -> KnownMoments:
    """What is known of the moments of a clip in which somebody speaks, away from changes of the voice."""
    time_s_M = analysis.frames.time_s_N[::MOMENT_FRAMES]
    is_used_M = analysis.activity.is_speech_N[::MOMENT_FRAMES].copy()
    state_M = np.zeros(len(time_s_M), dtype=np.int64)
    for event in truth.events:
        if event.phrase in STATES:
            state_M[(time_s_M >= event.start_s) & (time_s_M < event.end_s)] = STATES.index(event.phrase)
            for edge_s in (event.start_s, event.end_s):
                is_used_M &= np.abs(time_s_M - edge_s) > _UNSURE_S
    return KnownMoments(measure_timbre(analysis)[is_used_M], state_M[is_used_M])


def teach(known: list[KnownMoments], seed: int) -> StateNetwork:
    """Fits the network by Adam on the cross entropy, with the rarer voices weighing more."""
    timbre_MQ = np.concatenate([one.timbre_MQ for one in known])
    state_M = np.concatenate([one.state_M for one in known])
    mean_Q, scale_Q = timbre_MQ.mean(axis=0), np.maximum(timbre_MQ.std(axis=0), 1e-3)
    torch.manual_seed(seed)
    hidden, out = torch.nn.Linear(len(QUALITIES), _NUM_HIDDEN), torch.nn.Linear(_NUM_HIDDEN, len(STATES))
    _fit(torch.nn.Sequential(hidden, torch.nn.Tanh(), out), (timbre_MQ - mean_Q) / scale_Q, state_M, seed)
    return StateNetwork(
        mean_Q=_rounded(mean_Q),
        scale_Q=_rounded(scale_Q),
        hidden_QH=tuple(map(_rounded, hidden.weight.detach().numpy().T)),
        hidden_H=_rounded(hidden.bias.detach().numpy()),
        out_HS=tuple(map(_rounded, out.weight.detach().numpy().T)),
        out_S=_rounded(out.bias.detach().numpy()),
    )


def _fit(network: torch.nn.Sequential, entered_MQ: FloatArray, state_M: IntArray, seed: int) -> None:
    counts_S = np.bincount(state_M, minlength=len(STATES))
    weights_S = 1.0 / np.sqrt(np.maximum(counts_S, 1))
    loss_of = torch.nn.CrossEntropyLoss(torch.tensor(weights_S / weights_S[0], dtype=torch.float32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    inputs, targets = torch.tensor(entered_MQ, dtype=torch.float32), torch.tensor(state_M)
    rng = np.random.default_rng(seed)
    for _ in range(_STEPS):
        chosen = torch.from_numpy(rng.integers(len(state_M), size=_BATCH_MOMENTS))
        optimizer.zero_grad()
        loss_of(network(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
        scheduler.step()


def _rounded(values: npt.NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)

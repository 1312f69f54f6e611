"""Holds trials against a verifier: which faults are found, and what of the truth is lost.

Enters: trials with what became of their captions. Leaves: shares with intervals from drawing speakers, since clips of
one voice are alike. A fault is found where the caption is dropped or says nothing false any more; a true statement is
lost where it stood in a true caption and stands there no longer.

Shape suffixes: N trials, C clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.lab.bench.verification.faults import NONE, Trial, says_nothing_false
from fcaps_pipeline.lab.caption_scores import count
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, mean_estimates, metric_estimates
from fcaps_pipeline.records.base import Record


@dataclass(frozen=True)
class Checked:
    """What a verifier left of a caption."""

    trial: Trial
    text: str | None
    """None where it was dropped."""
    num_claims: int
    """What the caption states, as far as it is understood."""
    num_called_false: int
    """Of those, what the verifier contradicts."""
    seconds: float
    num_tokens: int


class FaultRow(Record):
    """One fault under one verifier."""

    fault: str
    found: Estimate
    num_trials: int


class WayRow(Record):
    """One verifier, or several in a row."""

    way: str
    faults: tuple[FaultRow, ...]
    called_false: Estimate
    """Share of the claims of true captions that are contradicted."""
    lost: Estimate
    """Share of the true statements of true captions that are gone: a caption that grows too short is dropped whole."""
    dropped: Estimate
    """Share of the true captions that are."""
    seconds: float
    """Of a caption, in the mean."""
    tokens: float
    """Of a caption, in the mean: prompts and answers of engines."""


def sum_up(way: str, checked: Sequence[Checked], truths: Sequence[ClipTruth]) -> WayRow:
    """The figures of one way to verify.

    Args:
        way: its name.
        checked: all trials.
        truths: of the clips that the trials count.

    Raises:
        UsageError: there is no true caption.
    """
    true = [one for one in checked if one.trial.fault == NONE]
    faults = dict.fromkeys(one.trial.fault for one in checked if one.trial.fault != NONE)
    called_false, lost, dropped = _losses(true, truths)
    return WayRow(
        way=way,
        faults=tuple(_found(fault, [one for one in checked if one.trial.fault == fault], truths) for fault in faults),
        called_false=called_false,
        lost=lost,
        dropped=dropped,
        seconds=float(np.mean([one.seconds for one in checked])),
        tokens=float(np.mean([one.num_tokens for one in checked])),
    )


def _found(fault: str, checked: Sequence[Checked], truths: Sequence[ClipTruth]) -> FaultRow:
    is_found_N = np.array(
        [one.text is None or says_nothing_false(one.trial, one.text, _speech(one, truths)) for one in checked]
    )
    (found,) = mean_estimates(
        is_found_N[:, None].astype(np.float64), np.random.default_rng(0), groups_N=_speakers(checked, truths)
    )
    return FaultRow(fault=fault, found=found, num_trials=len(checked))


def _losses(true: Sequence[Checked], truths: Sequence[ClipTruth]) -> tuple[Estimate, Estimate, Estimate]:
    claims_C = np.array([one.num_claims for one in true], dtype=np.float64)
    false_C = np.array([one.num_called_false for one in true], dtype=np.float64)
    before_C = np.array([_num_correct(one, one.trial.text, truths) for one in true], dtype=np.float64)
    after_C = np.array([_num_correct(one, one.text, truths) for one in true], dtype=np.float64)
    is_dropped_C = np.array([one.text is None for one in true], dtype=np.float64)

    def shares(positions: np.ndarray) -> tuple[float, float, float]:
        return (
            false_C[positions].sum() / claims_C[positions].sum(),
            1 - after_C[positions].sum() / before_C[positions].sum(),
            float(is_dropped_C[positions].mean()),
        )

    called_false, lost, dropped = metric_estimates(
        shares, len(true), np.random.default_rng(0), groups_N=_speakers(true, truths)
    )
    return called_false, lost, dropped


def _num_correct(one: Checked, text: str | None, truths: Sequence[ClipTruth]) -> int:
    return 0 if text is None else count(_speech(one, truths), read_attributes(text)).num_correct


def _speakers(checked: Sequence[Checked], truths: Sequence[ClipTruth]) -> np.ndarray:
    _, groups_N = np.unique([_speech(one, truths).speaker for one in checked], return_inverse=True)
    return groups_N


def _speech(one: Checked, truths: Sequence[ClipTruth]) -> SpeechTruth:
    speech = truths[one.trial.clip].speech
    assert speech is not None, "trials are made of clips with speech"
    return speech


def fault_table(rows: Sequence[WayRow]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows: faults down, ways across, with the number of trials."""
    header = ("fault", "trials", *(row.way for row in rows))
    by_way: list[Mapping[str, FaultRow]] = [{one.fault: one for one in row.faults} for row in rows]
    lines = [
        (one.fault, f"{one.num_trials}", *(_percent(of[one.fault].found) for of in by_way)) for one in rows[0].faults
    ]
    return header, [
        *lines,
        ("true claims called false", "", *(_percent(row.called_false) for row in rows)),
        ("true statements lost", "", *(_percent(row.lost) for row in rows)),
        ("true captions dropped", "", *(_percent(row.dropped) for row in rows)),
        ("ms a caption", "", *(f"{1000 * row.seconds:.1f}" for row in rows)),
        ("tokens a caption", "", *(f"{row.tokens:.0f}" for row in rows)),
    ]


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"

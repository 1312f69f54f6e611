"""Counting what was heard against what is true, with detectors that know it or hear nothing."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerTurn
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.lab.bench.speakers.corpus import KnownRecording
from fcaps_pipeline.lab.bench.speakers.scoring import SpeakerCounts, add, ratios, score_recording
from fcaps_pipeline.records.audio import SpeechInterval

RULES = PlanRules.of(SegmentationConfig())
_SECOND = 16_000


class Everything:
    """A voice detector to which all is speech, in pieces of ten seconds."""

    def __init__(self) -> None:
        self._num_samples = 0

    def open_stream(self) -> "Everything":
        return Everything()

    @property
    def decided_samples(self) -> int:
        return 0

    def push(self, pcm_T: npt.NDArray[np.int16]) -> list[SpeechInterval]:
        self._num_samples += len(pcm_T)
        return []

    def finish(self) -> list[SpeechInterval]:
        edges = [*range(0, self._num_samples, 10 * _SECOND), self._num_samples]
        return [SpeechInterval(start_samples=start, end_samples=end) for start, end in pairwise(edges)]


class Saying:
    """A speaker detector that says the same of every Segment."""

    def __init__(self, *turns: SpeakerTurn) -> None:
        self._turns = turns

    def turns(self, _: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        return self._turns


def _turn(speaker: int, start_s: float, end_s: float) -> SpeakerTurn:
    start, end = round(start_s * _SECOND), round(end_s * _SECOND)
    return SpeakerTurn(speaker=speaker, start_samples=start, end_samples=end, confidence=1.0)


TRUTH = (_turn(0, 0, 8), _turn(1, 7, 15), _turn(0, 15.5, 20))
KNOWN = KnownRecording("conversation", np.zeros(20 * _SECOND, np.int16), TRUTH)


def _shares(counts: SpeakerCounts) -> dict[str, float]:
    return {name: float(part_N[0] / whole_N[0]) for name, part_N, whole_N in ratios([counts]) if whole_N[0]}


def test_who_hears_everything_misses_nothing() -> None:
    counts = score_recording(KNOWN, Everything(), Saying(*TRUTH), RULES)
    assert (counts.overlap_s, counts.alone_s) == (1.0, 18.5)
    assert (counts.changes, counts.changes_heard, counts.split_kept) == (3, 3, 3)
    shares = _shares(counts)
    assert shares["kept Segments of several speakers: off"] == 1.0
    assert shares["speech kept: split, drop"] == 19 / 20, "all but the second of both"
    assert {name for name, share in shares.items() if share} == {
        "kept Segments of several speakers: off",
        "speech kept: split, drop",
    }


def test_who_hears_one_speaker_misses_everything() -> None:
    shares = _shares(score_recording(KNOWN, Everything(), Saying(_turn(0, 0, 20)), RULES))
    assert shares["overlap missed, of its time"] == 1.0
    assert shares["changes missed"] == 1.0
    assert shares["Segments of several speakers missed"] == 1.0
    assert shares["kept Segments of several speakers: split, drop"] == 1.0


def test_speakers_that_are_not_there_are_counted() -> None:
    alone = KnownRecording("one speaker", KNOWN.pcm_T, (_turn(0, 0, 20),))
    counts = score_recording(alone, Everything(), Saying(*TRUTH), RULES)
    assert (counts.pure, counts.pure_called_mixed, counts.changes_invented) == (1, 1, 3)
    assert counts.alone_called_overlap_s == 1.0
    assert add([counts, counts]).changes_invented == 6

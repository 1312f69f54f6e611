"""Who speaks when in a Segment, and what follows: Segments cut at changes, and those of several speakers marked.

Enters: a PlannedInterval, its samples, and the turns that a speaker detector heard in them. Leaves: PlannedIntervals
that hold all of its speech and cross no change, each with a warning where more than one speaker is heard in it. Cuts
lie where the speaker changes, in the middle of the silence there; two at once are cut out, so that each side is of
one. A word or two that somebody throws in cuts nothing.

A Segment put together of all that one speaker says in a conversation is not made: it would be no interval of its
Recording, so that its place and its audio by reference would not hold, and its pauses and changes would be those of
the cutting. One caption per speaker is what cutting gives, for every stretch of one.

Source: the bounds of `multi_speaker` are those by which overlap is commonly routed, a tenth of the speech or half a
second of another.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fcaps_pipeline.annotate.segmentation.planner import PlannedInterval, PlanRules
from fcaps_pipeline.records.audio import (
    MULTI_SPEAKER,
    SAMPLE_RATE_HZ,
    AudioWarning,
    Interval,
    SpeechInterval,
    seconds_to_samples,
)

_MAX_OVERLAP_SHARE = 0.1
_MAX_OTHERS_SAMPLES = seconds_to_samples(0.5)
_THROWN_IN_SAMPLES = seconds_to_samples(0.5)
"""Up to so much of another cuts nothing, between two stretches of the same speaker."""
_SHORTEST_SAMPLES = seconds_to_samples(0.25)
"""Where the speaker changes, two at once that last no longer are shared between both sides."""


class SpeakerTurn(Interval):
    """A stretch in which one speaker is heard, alone or with others."""

    speaker: int
    """From 0, in the order in which they begin; numbers of another Segment are other people."""
    confidence: Annotated[float, Field(ge=0, le=1)]


class SpeakerDetector(Protocol):
    """A loaded detector. What it finds depends on the samples of a Segment alone."""

    def turns(self, pcm_T: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        """Who is heard when in at most a Segment of samples at 16 kHz, by start; empty where nobody is."""
        ...


@dataclass(frozen=True)
class _Region:
    """A stretch in which the same speakers are heard, pauses included."""

    start: int
    end: int
    speakers: frozenset[int]

    @property
    def num_samples(self) -> int:
        return self.end - self.start


class SpeakerSplitter:
    """Marks Segments of several speakers, and cuts where the job wants that."""

    def __init__(self, detector: SpeakerDetector, rules: PlanRules, *, splits: bool) -> None:
        """Keeps the detector, which is loaded once."""
        self._detector = detector
        self._rules = rules
        self._splits = splits

    def pieces(
        self, planned: PlannedInterval, pcm_T: npt.NDArray[np.int16]
    ) -> Iterator[tuple[PlannedInterval, tuple[AudioWarning, ...]]]:
        """What becomes of an interval with these samples, each piece with its warning; what is not kept stays so."""
        if not planned.is_kept:
            yield planned, ()
            return
        turns = self._turns(planned, pcm_T)
        pieces = split_at_changes(planned, turns, self._rules) if self._splits else [planned]
        yield from ((piece, _warnings(turns, piece) if piece.is_kept else ()) for piece in pieces)

    def warnings(self, interval: Interval, pcm_T: npt.NDArray[np.int16]) -> tuple[AudioWarning, ...]:
        """Of an interval that a source declares, and that stays as it is."""
        return _warnings(self._turns(interval, pcm_T), interval)

    def _turns(self, interval: Interval, pcm_T: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        """In samples of the Recording."""
        start = interval.start_samples
        return tuple(
            one.model_copy(update={"start_samples": start + one.start_samples, "end_samples": start + one.end_samples})
            for one in self._detector.turns(pcm_T)
        )


def several_speakers(turns: Iterable[SpeakerTurn], interval: Interval) -> AudioWarning | None:
    """The warning `multi_speaker` for an interval; None where one speaker is heard, or hardly another."""
    regions = list(_regions(turns, interval))
    heard: Counter[int] = Counter()
    for region in regions:
        heard.update(dict.fromkeys(region.speakers, region.num_samples))
    if len(heard) < 2:
        return None
    first = max(heard, key=lambda speaker: (heard[speaker], -speaker))
    others = heard.total() - heard[first]
    overlap = sum(region.num_samples for region in regions if len(region.speakers) > 1)
    speech = sum(region.num_samples for region in regions)
    if others <= _MAX_OTHERS_SAMPLES and overlap <= _MAX_OVERLAP_SHARE * speech:
        return None
    beside = [region for region in regions if region.speakers != {first}]
    confidence = max(one.confidence for one in turns if one.speaker != first and _common(one, interval) > 0)
    return AudioWarning(
        name=MULTI_SPEAKER,
        detail=f"{len(heard)} speakers: others than the first are heard for {others / SAMPLE_RATE_HZ:.2f} s, several "
        f"at once for {overlap / SAMPLE_RATE_HZ:.2f} s of {speech / SAMPLE_RATE_HZ:.2f} s; confidence {confidence:.2f}",
        start_samples=beside[0].start,
        end_samples=beside[-1].end,
    )


def split_at_changes(
    planned: PlannedInterval, turns: tuple[SpeakerTurn, ...], rules: PlanRules
) -> list[PlannedInterval]:
    """Pieces of an interval, in order, that together hold all of its speech and of which none crosses a change.

    Args:
        planned: what a Segment would be made of.
        turns: heard in it, in samples of the Recording.
        rules: what is long enough, and how much stays around speech.
    """
    regions = _lasting(_merged(_regions(turns, planned)))
    if len(regions) < 2:
        return [planned]
    cuts = [(left.end + right.start) // 2 for left, right in pairwise(regions)]
    borders = [planned.start_samples, *cuts, planned.end_samples]
    return [
        _piece(planned, region, start, end, rules)
        for region, (start, end) in zip(regions, pairwise(borders), strict=True)
    ]


def _piece(planned: PlannedInterval, region: _Region, start: int, end: int, rules: PlanRules) -> PlannedInterval:
    """What lies between two cuts, without most of the silence at its ends."""
    speech = tuple(_clipped(planned.speech, start, end))
    first = min([region.start, *(one.start_samples for one in speech)])
    last = max([region.end, *(one.end_samples for one in speech)])
    begin, finish = max(start, first - rules.padding_samples), min(end, last + rules.padding_samples)
    return PlannedInterval(
        start_samples=begin,
        end_samples=finish,
        speech=speech,
        is_kept=finish - begin >= rules.min_segment_samples,
        ends_in_speech=planned.ends_in_speech and finish == planned.end_samples,
    )


def _clipped(speech: Iterable[SpeechInterval], start: int, end: int) -> Iterator[SpeechInterval]:
    for one in speech:
        first, last = max(start, one.start_samples), min(end, one.end_samples)
        if first < last:
            yield SpeechInterval(start_samples=first, end_samples=last)


def _regions(turns: Iterable[SpeakerTurn], interval: Interval) -> Iterator[_Region]:
    """Stretches between two edges of turns in which somebody is heard, in order."""
    heard = [one for one in turns if _common(one, interval) > 0]
    inside = [edge for one in heard for edge in (one.start_samples, one.end_samples)]
    edges = sorted({min(max(edge, interval.start_samples), interval.end_samples) for edge in inside})
    for start, end in pairwise(edges):
        speakers = frozenset(one.speaker for one in heard if one.start_samples <= start and end <= one.end_samples)
        if speakers:
            yield _Region(start, end, speakers)


def _merged(regions: Iterable[_Region]) -> list[_Region]:
    """Neighbours of the same speakers as one."""
    merged: list[_Region] = []
    for region in regions:
        if merged and merged[-1].speakers == region.speakers:
            merged[-1] = replace(merged[-1], end=region.end)
        else:
            merged.append(region)
    return merged


def _lasting(regions: list[_Region]) -> list[_Region]:
    """Without what is too short to cut for, the shortest first; its time falls to its neighbours."""
    while len(regions) > 1:
        short = [
            (region.num_samples, place)
            for place, region in enumerate(regions)
            if region.num_samples <= _allowed(regions, place)
        ]
        if not short:
            break
        _, place = min(short)
        regions = _merged(regions[:place] + regions[place + 1 :])
    return regions


def _allowed(regions: list[_Region], place: int) -> int:
    """Longest that a region may be to cut nothing."""
    is_inside = 0 < place < len(regions) - 1
    is_thrown_in = is_inside and regions[place - 1].speakers == regions[place + 1].speakers
    return _THROWN_IN_SAMPLES if is_thrown_in else _SHORTEST_SAMPLES


def _warnings(turns: tuple[SpeakerTurn, ...], interval: Interval) -> tuple[AudioWarning, ...]:
    found = several_speakers(turns, interval)
    return () if found is None else (found,)


def _common(one: Interval, other: Interval) -> int:
    return min(one.end_samples, other.end_samples) - max(one.start_samples, other.start_samples)

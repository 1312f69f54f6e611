"""How well events are placed on voices that nothing was calibrated on, and how their bounds are calibrated.

Enters: clips of known truth. Leaves: a row per kind of event, with intervals by bootstrap over clips, beside a
constant: an event of the kind in every clip, at the median place of the true ones. Or, from other voices, the bounds.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from fcaps_pipeline.annotate.acoustics.analysis import Analysis, analyse
from fcaps_pipeline.annotate.acoustics.event_bounds import EventBounds, shipped_event_bounds
from fcaps_pipeline.annotate.acoustics.event_candidates import find_candidates
from fcaps_pipeline.annotate.acoustics.event_cues import Cues
from fcaps_pipeline.annotate.acoustics.events import find_events
from fcaps_pipeline.annotate.acoustics.measure import measure
from fcaps_pipeline.annotate.acoustics.voice_states import StateNetwork
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.bench.events.calibration import Scored, calibrate
from fcaps_pipeline.lab.bench.events.clips import read_clips, write_clips
from fcaps_pipeline.lab.bench.events.matching import Timed, match
from fcaps_pipeline.lab.bench.events.states import known_moments, teach
from fcaps_pipeline.lab.synthesis.recording_truth import RecordingTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Event, EventPhrase
from fcaps_pipeline.records.base import Record

IN_TIME_S = 0.3
_RESAMPLES = 1000
_CONFIDENCE = 0.95
_LONGEST_S = 30


class Share(Record):
    """A share with its interval; None where it is one of nothing."""

    value: float | None
    low: float | None = None
    high: float | None = None


class EventRow(Record):
    """One kind of event on all clips."""

    phrase: EventPhrase
    is_given: bool
    """Whether the bounds let it be given at all."""
    num_true: int
    num_given: int
    precision: Share
    recall: Share
    in_time: Share
    """Of the right ones, those that begin and end within 0.3 s of the truth."""
    confidence: float | None
    """Mean of what was said of those given; beside the precision it tells how honest it is."""
    constant_precision: float | None
    constant_recall: float | None


class EventBench(Record):
    """The table, and what it costs."""

    rows: tuple[EventRow, ...]
    num_clips: int
    audio_s: float
    acoustics_s: float
    """CPU time of analysis and measurements."""
    events_s: float
    """CPU time of placing events on the same analysis."""
    provenance: str
    """Of the bounds."""


@dataclass(frozen=True)
class _Judged:
    """One clip: what is true, what was given, and which true event each given one finds."""

    duration_s: float
    true: tuple[Timed, ...]
    given: tuple[Timed, ...]
    confidences: tuple[float, ...]
    found: tuple[Timed | None, ...]


def bench_events(work: Path, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]) -> EventBench:
    """Measures the shipped bounds on held-out voices.

    Args:
        work: keeps the clips; used again, it goes on where it was.
        num_clips: clips to make.
        seed: of the clips.
        workers: processes of the synthesis.
        on_clips: told of finished clips.

    Raises:
        DependencyError: a synthesizer is missing.
        JobError: the folder was begun with other clips.
    """
    blocks = write_clips(work, "test", num_clips=num_clips, seed=seed, workers=workers, on_clips=on_clips)
    judged: list[_Judged] = []
    acoustics_s = events_s = 0.0
    for block in blocks:
        for truth, pcm_T in read_clips(block):
            begun_s = time.process_time()
            analysis = analyse(pcm_T)
            measure(analysis)
            measured_s = time.process_time()
            events = find_events(analysis)
            acoustics_s += measured_s - begun_s
            events_s += time.process_time() - measured_s
            judged.append(_judge(truth, events))
    bounds = shipped_event_bounds()
    return EventBench(
        rows=tuple(_row(phrase, judged, bounds, seed) for phrase in get_args(EventPhrase)),
        num_clips=len(judged),
        audio_s=sum(one.duration_s for one in judged),
        acoustics_s=acoustics_s,
        events_s=events_s,
        provenance=bounds.provenance,
    )


def calibrate_events(
    work: Path, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> EventBounds:
    """Bounds from the voices of the train split: half teach the network, the others tell what scores are worth.

    Args and errors are those of `bench_events`.
    """
    blocks = write_clips(work, "train", num_clips=num_clips, seed=seed, workers=workers, on_clips=on_clips)
    heard = [(truth, pcm_T) for block in blocks for truth, pcm_T in read_clips(block)]
    taught = [(truth, analyse(pcm_T)) for truth, pcm_T in heard if _teaches(truth)]
    states = teach([known_moments(truth, analysis) for truth, analysis in taught], seed)
    others = [(truth, pcm_T) for truth, pcm_T in heard if not _teaches(truth)]
    scored = [one for truth, pcm_T in others for one in score_clip(truth, analyse(pcm_T), states)]
    provenance = (
        f"{len(heard)} synthetic clips of the train voices (fcaps bench events --calibrate, seed {seed}): the network "
        f"of voices from {len(taught)} of them, confidences and bounds from {len(others)} of other voices"
    )
    return calibrate(scored, states, provenance)


def score_clip(truth: RecordingTruth, analysis: Analysis, states: StateNetwork) -> list[Scored]:
    """All candidates of a clip against its truth."""
    found = find_candidates(Cues(analysis, states))
    spans = [analysis.span_samples(one.first, one.after) for one in found]
    given = [
        Timed(one.phrase, start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ)
        for one, (start, end) in zip(found, spans, strict=True)
    ]
    matched = match(given, _true(truth))
    return [Scored(one.phrase, one.score, hit is not None) for one, hit in zip(found, matched, strict=True)]


def _teaches(truth: RecordingTruth) -> bool:
    """Every other voice, whatever accent it speaks with."""
    return zlib.crc32(truth.speakers[0].voice.split("+")[-1].encode()) % 2 == 0


def _true(truth: RecordingTruth) -> tuple[Timed, ...]:
    return tuple(Timed(one.phrase, one.start_s, one.end_s) for one in truth.events)


def _judge(truth: RecordingTruth, events: Sequence[Event]) -> _Judged:
    given = tuple(
        Timed(one.phrase, one.start_samples / SAMPLE_RATE_HZ, one.end_samples / SAMPLE_RATE_HZ) for one in events
    )
    true = _true(truth)
    return _Judged(
        duration_s=truth.duration_s,
        true=true,
        given=given,
        confidences=tuple(one.confidence or 0.0 for one in events),
        found=tuple(match(given, true)),
    )


def _row(phrase: EventPhrase, judged: Sequence[_Judged], bounds: EventBounds, seed: int) -> EventRow:
    counts = np.array([_counts(phrase, one) for one in judged])
    constant = [
        _counts(phrase, _judge_given(one, given)) for one, given in zip(judged, _constant(phrase, judged), strict=True)
    ]
    num_true, num_given, *_ = counts.sum(axis=0)
    constant_true, constant_given, constant_right, _ = np.array(constant).sum(axis=0)
    said = [
        confidence
        for one in judged
        for given, confidence in zip(one.given, one.confidences, strict=True)
        if given.phrase == phrase
    ]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(judged), size=(_RESAMPLES, len(judged)))
    resampled = counts[draws].sum(axis=1)
    return EventRow(
        phrase=phrase,
        is_given=any(kind.phrase == phrase and kind.bound is not None for kind in bounds.kinds),
        num_true=int(num_true),
        num_given=int(num_given),
        precision=_share(counts, resampled, 2, 1),
        recall=_share(counts, resampled, 2, 0),
        in_time=_share(counts, resampled, 3, 2),
        confidence=float(np.mean(said)) if said else None,
        constant_precision=float(constant_right / constant_given) if constant_given else None,
        constant_recall=float(constant_right / constant_true) if constant_true else None,
    )


def _counts(phrase: EventPhrase, judged: _Judged) -> tuple[int, int, int, int]:
    """True, given, right, and right in time."""
    hits = [
        (given, found)
        for given, found in zip(judged.given, judged.found, strict=True)
        if found is not None and given.phrase == phrase
    ]
    in_time = sum(
        max(abs(given.start_s - found.start_s), abs(given.end_s - found.end_s)) <= IN_TIME_S for given, found in hits
    )
    num_true, num_given = (sum(one.phrase == phrase for one in some) for some in (judged.true, judged.given))
    return num_true, num_given, len(hits), in_time


def _judge_given(judged: _Judged, given: tuple[Timed, ...]) -> _Judged:
    found = tuple(match(given, judged.true))
    return _Judged(judged.duration_s, judged.true, given, (1.0,) * len(given), found)


def _constant(phrase: EventPhrase, judged: Sequence[_Judged]) -> list[tuple[Timed, ...]]:
    """The same event in every clip, placed by the truth at hand, which makes it as good as a constant gets."""
    places = [
        (event.start_s / one.duration_s, event.end_s / one.duration_s)
        for one in judged
        for event in one.true
        if event.phrase == phrase
    ]
    if not places:
        return [()] * len(judged)
    start, end = np.median(places, axis=0)
    return [(Timed(phrase, start * one.duration_s, end * one.duration_s),) for one in judged]


def _share(counts: np.ndarray, resampled: np.ndarray, part: int, whole: int) -> Share:
    total = counts.sum(axis=0)
    if not total[whole]:
        return Share(value=None)
    some = resampled[:, whole] > 0
    shares = resampled[some, part] / resampled[some, whole]
    low, high = np.quantile(shares, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return Share(value=float(total[part] / total[whole]), low=float(low), high=float(high))


class RealSpeech(Record):
    """What is found in recordings of which nobody knows what happens in them."""

    minutes: float
    per_minute: dict[EventPhrase, float]


def count_in(folder: Path) -> RealSpeech:
    """Events of each kind in a minute of real speech: of kinds that are rare there, most are false alarms.

    Args:
        folder: of audio files, in any depth; each is taken as one Segment up to 30 s.

    Raises:
        UsageError: it holds no audio.
        RecordingError: a file cannot be decoded.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".flac", ".wav", ".mp3", ".ogg"})
    heard = [decode_all(str(path))[0][: _LONGEST_S * SAMPLE_RATE_HZ] for path in files]
    minutes = sum(map(len, heard)) / SAMPLE_RATE_HZ / 60
    if not minutes:
        raise UsageError(f"{folder} holds no audio; name a folder of flac, wav, mp3 or ogg files")
    phrases = [one.phrase for pcm_T in heard for one in find_events(analyse(pcm_T))]
    return RealSpeech(
        minutes=minutes, per_minute={phrase: phrases.count(phrase) / minutes for phrase in get_args(EventPhrase)}
    )

"""Speakers that were heard against those that spoke, recording by recording.

Enters: recordings with truth, a voice detector and a speaker detector. Leaves: counts that add up: time of overlap,
changes, Segments of several speakers, before and after what the job may do about them. A change is found where one is
heard within half a second of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from time import process_time

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.planner import PlannedInterval, PlanRules, plan_intervals
from fcaps_pipeline.annotate.segmentation.speakers import (
    SpeakerDetector,
    SpeakerTurn,
    several_speakers,
    split_at_changes,
)
from fcaps_pipeline.lab.bench.speakers.corpus import KnownRecording
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Interval, seconds_to_samples

_FRAME_SAMPLES = seconds_to_samples(0.01)
_TOLERANCE_SAMPLES = seconds_to_samples(0.5)


@dataclass(frozen=True)
class SpeakerCounts:
    """Of one recording; times in seconds, within its Segments as they are without a speaker detector."""

    overlap_s: float = 0.0
    overlap_missed_s: float = 0.0
    alone_s: float = 0.0
    """One speaker and no other is heard."""
    alone_called_overlap_s: float = 0.0
    changes: float = 0
    changes_missed: float = 0
    changes_heard: float = 0
    changes_invented: float = 0
    mixed: float = 0
    """Segments that hold several speakers."""
    mixed_missed: float = 0
    pure: float = 0
    pure_called_mixed: float = 0
    segments: float = 0
    detect_kept: float = 0
    """Segments that `detect` with `drop` keeps."""
    detect_kept_mixed: float = 0
    split_kept: float = 0
    split_kept_mixed: float = 0
    speech_s: float = 0.0
    """In Segments as they are."""
    detect_kept_s: float = 0.0
    split_kept_s: float = 0.0
    listened_s: float = 0.0
    """Time that the processor spent on it."""
    heard_s: float = 0.0
    """Length of what it listened to."""


def score_recording(
    known: KnownRecording, voice: VoiceDetector, speakers: SpeakerDetector, rules: PlanRules
) -> SpeakerCounts:
    """Counts of one recording."""
    stream = voice.open_stream()
    intervals = [*stream.push(known.pcm_T), *stream.finish()]
    kept = [one for one in plan_intervals(intervals, len(known.pcm_T), rules) if one.is_kept]
    return add([_score_segment(known, one, speakers, rules) for one in kept])


def add(counts: Sequence[SpeakerCounts]) -> SpeakerCounts:
    """The sum of each count."""
    names = [field.name for field in fields(SpeakerCounts)]
    return SpeakerCounts(**{name: sum(getattr(one, name) for one in counts) for name in names})


def _score_segment(
    known: KnownRecording, planned: PlannedInterval, speakers: SpeakerDetector, rules: PlanRules
) -> SpeakerCounts:
    begun_s = process_time()
    found = speakers.turns(known.pcm_T[planned.start_samples : planned.end_samples])
    listened_s = process_time() - begun_s
    heard = tuple(_moved(one, planned.start_samples) for one in found)
    true_FS, heard_FS = (_num_speaking(turns, planned) for turns in (known.turns, heard))
    true_cuts, heard_cuts = (_cuts(planned, turns, rules) for turns in (known.turns, heard))
    is_mixed = several_speakers(known.turns, planned) is not None
    is_called_mixed = several_speakers(heard, planned) is not None
    pieces = [one for one in split_at_changes(planned, heard, rules) if one.is_kept]
    split = [one for one in pieces if several_speakers(heard, one) is None]
    return SpeakerCounts(
        overlap_s=_seconds(true_FS > 1),
        overlap_missed_s=_seconds((true_FS > 1) & (heard_FS < 2)),
        alone_s=_seconds(true_FS == 1),
        alone_called_overlap_s=_seconds((true_FS == 1) & (heard_FS > 1)),
        changes=len(true_cuts),
        changes_missed=_unmatched(true_cuts, heard_cuts),
        changes_heard=len(heard_cuts),
        changes_invented=_unmatched(heard_cuts, true_cuts),
        mixed=is_mixed,
        mixed_missed=is_mixed and not is_called_mixed,
        pure=not is_mixed,
        pure_called_mixed=is_called_mixed and not is_mixed,
        segments=1,
        detect_kept=not is_called_mixed,
        detect_kept_mixed=is_mixed and not is_called_mixed,
        split_kept=len(split),
        split_kept_mixed=sum(several_speakers(known.turns, one) is not None for one in split),
        speech_s=_speech_s([planned]),
        detect_kept_s=0.0 if is_called_mixed else _speech_s([planned]),
        split_kept_s=_speech_s(split),
        listened_s=listened_s,
        heard_s=planned.duration_s,
    )


def _moved(turn: SpeakerTurn, by: int) -> SpeakerTurn:
    return turn.model_copy(update={"start_samples": turn.start_samples + by, "end_samples": turn.end_samples + by})


def _num_speaking(turns: Sequence[SpeakerTurn], interval: Interval) -> npt.NDArray[np.int64]:
    """How many speak, frame by frame."""
    num_frames = interval.num_samples // _FRAME_SAMPLES
    speakers = sorted({one.speaker for one in turns})
    speaks_SF = np.zeros((len(speakers), num_frames), dtype=np.bool_)
    for one in turns:
        first = round((one.start_samples - interval.start_samples) / _FRAME_SAMPLES)
        last = round((one.end_samples - interval.start_samples) / _FRAME_SAMPLES)
        speaks_SF[speakers.index(one.speaker), max(0, first) : max(0, last)] = True
    number_F: npt.NDArray[np.int64] = speaks_SF.sum(axis=0)
    return number_F


def _cuts(planned: PlannedInterval, turns: tuple[SpeakerTurn, ...], rules: PlanRules) -> list[int]:
    pieces = split_at_changes(planned, turns, rules)
    return [(left.end_samples + right.start_samples) // 2 for left, right in pairwise(pieces)]


def _unmatched(wanted: list[int], there: list[int]) -> int:
    """How many have none near; each serves one, the nearest first."""
    free = list(there)
    num_without = 0
    for at in wanted:
        nearest = min(free, key=lambda one: abs(one - at), default=None)
        if nearest is None or abs(nearest - at) > _TOLERANCE_SAMPLES:
            num_without += 1
        else:
            free.remove(nearest)
    return num_without


def _speech_s(pieces: Sequence[PlannedInterval]) -> float:
    return sum(one.speech_samples for one in pieces) / SAMPLE_RATE_HZ


def _seconds(is_so_F: npt.NDArray[np.bool_]) -> float:
    return float(is_so_F.sum()) * _FRAME_SAMPLES / SAMPLE_RATE_HZ


def ratios(counts: Sequence[SpeakerCounts]) -> Iterator[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Each figure by name, with its parts and wholes, one per recording."""
    for name, part, whole in _RATIOS:
        yield name, _column(counts, part), _column(counts, whole)


def _column(counts: Sequence[SpeakerCounts], field: str) -> npt.NDArray[np.float64]:
    return np.array([float(getattr(one, field)) for one in counts])


_RATIOS = (
    ("overlap missed, of its time", "overlap_missed_s", "overlap_s"),
    ("one alone called overlap, of its time", "alone_called_overlap_s", "alone_s"),
    ("changes missed", "changes_missed", "changes"),
    ("cuts where nothing changes", "changes_invented", "changes_heard"),
    ("Segments of several speakers missed", "mixed_missed", "mixed"),
    ("Segments of one speaker called several", "pure_called_mixed", "pure"),
    ("kept Segments of several speakers: off", "mixed", "segments"),
    ("kept Segments of several speakers: detect, drop", "detect_kept_mixed", "detect_kept"),
    ("kept Segments of several speakers: split, drop", "split_kept_mixed", "split_kept"),
    ("speech kept: detect, drop", "detect_kept_s", "speech_s"),
    ("speech kept: split, drop", "split_kept_s", "speech_s"),
)

"""What follows from who speaks when, with turns that the test makes up."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.segmentation.planner import PlannedInterval, PlanRules
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerTurn, several_speakers, split_at_changes
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Cut, Interval, Recording, SegmentAudio, SpeechInterval
from tests.unit.annotate.segmentation.conftest import LoudnessDetector
from tests.unit.annotate.segmentation.test_segmenter import NOTHING

RULES = PlanRules.of(SegmentationConfig())


def _turns(*places: tuple[int, float, float]) -> tuple[SpeakerTurn, ...]:
    """Speaker, start and end in seconds."""
    return tuple(
        SpeakerTurn(speaker=one, start_samples=round(16_000 * start), end_samples=round(16_000 * end), confidence=0.9)
        for one, start, end in places
    )


def _planned(start_s: float, end_s: float, *speech: tuple[float, float]) -> PlannedInterval:
    places = speech or ((start_s, end_s),)
    return PlannedInterval(
        start_samples=round(16_000 * start_s),
        end_samples=round(16_000 * end_s),
        speech=tuple(
            SpeechInterval(start_samples=round(16_000 * start), end_samples=round(16_000 * end))
            for start, end in places
        ),
        is_kept=True,
        ends_in_speech=False,
    )


def _places(pieces: list[PlannedInterval]) -> list[tuple[float, float, bool]]:
    return [(round(one.start_s, 3), round(one.end_s, 3), one.is_kept) for one in pieces]


def _is_mixed(end_s: float, *places: tuple[int, float, float]) -> bool:
    interval = Interval(start_samples=0, end_samples=round(16_000 * end_s))
    return several_speakers(_turns(*places), interval) is not None


@st.composite
def heard(draw: st.DrawFn) -> tuple[PlannedInterval, tuple[SpeakerTurn, ...]]:
    """Speech in an interval of up to 30 s that does not begin at 0, and turns of three speakers anywhere in it."""
    first = draw(st.integers(0, 50)) * 800
    num_steps = draw(st.integers(40, 600))
    edges = sorted(draw(st.sets(st.integers(0, num_steps), min_size=2, max_size=12)))
    speech = tuple(
        SpeechInterval(start_samples=first + 800 * start, end_samples=first + 800 * end)
        for start, end in pairwise(edges)
        if draw(st.booleans()) or start == edges[0]
    )
    planned = PlannedInterval(
        start_samples=first,
        end_samples=first + 800 * num_steps,
        speech=speech,
        is_kept=True,
        ends_in_speech=draw(st.booleans()),
    )
    turns = []
    for _ in range(draw(st.integers(0, 10))):
        start = draw(st.integers(0, num_steps - 1))
        end = draw(st.integers(start + 1, num_steps))
        turns.append((first + 800 * start, first + 800 * end, draw(st.integers(0, 2))))
    return planned, tuple(
        SpeakerTurn(start_samples=start, end_samples=end, speaker=speaker, confidence=0.8)
        for start, end, speaker in sorted(turns)
    )


@settings(max_examples=400)
@given(heard())
def test_pieces_hold_all_speech_once_and_stay_inside(case: tuple[PlannedInterval, tuple[SpeakerTurn, ...]]) -> None:
    planned, turns = case
    pieces = split_at_changes(planned, turns, RULES)
    assert sum(one.speech_samples for one in pieces) == planned.speech_samples
    assert all(a.end_samples <= b.start_samples for a, b in pairwise(pieces))
    assert planned.start_samples <= pieces[0].start_samples
    assert pieces[-1].end_samples <= planned.end_samples
    for piece in pieces:
        assert all(piece.start_samples <= one.start_samples for one in piece.speech)
        assert all(one.end_samples <= piece.end_samples for one in piece.speech)
        assert len(pieces) == 1 or piece.is_kept == (piece.num_samples >= RULES.min_segment_samples)


@settings(max_examples=400)
@given(heard())
def test_no_piece_crosses_a_change(case: tuple[PlannedInterval, tuple[SpeakerTurn, ...]]) -> None:
    planned, turns = case
    for piece in split_at_changes(planned, turns, RULES):
        long_runs = [run for run in _runs(piece, turns) if run[1] > 8_000]
        assert len({speakers for speakers, _ in long_runs}) <= 1


def _runs(interval: Interval, turns: tuple[SpeakerTurn, ...]) -> list[tuple[frozenset[int], int]]:
    """Who is heard without a break and for how long, step by step."""
    edges = {edge for one in turns for edge in (one.start_samples, one.end_samples)}
    inside = {edge for edge in edges if interval.start_samples < edge < interval.end_samples}
    runs: list[tuple[frozenset[int], int]] = []
    for start, end in pairwise(sorted(inside | {interval.start_samples, interval.end_samples})):
        speakers = frozenset(one.speaker for one in turns if one.start_samples <= start and end <= one.end_samples)
        if runs and runs[-1][0] == speakers:
            runs[-1] = (speakers, runs[-1][1] + end - start)
        else:
            runs.append((speakers, end - start))
    return [run for run in runs if run[0]]


def test_a_change_is_cut_in_the_middle_of_its_silence() -> None:
    planned = _planned(10, 20, (10.1, 14), (15, 19.9))
    pieces = split_at_changes(planned, _turns((0, 10.1, 14), (1, 15, 19.9)), RULES)
    assert _places(pieces) == [(10.0, 14.1, True), (14.9, 20.0, True)]
    touching = split_at_changes(_planned(0, 10), _turns((0, 0, 4), (1, 4, 10)), RULES)
    assert _places(touching) == [(0.0, 4.0, True), (4.0, 10.0, True)]


def test_two_at_once_are_cut_out() -> None:
    pieces = split_at_changes(_planned(0, 12), _turns((0, 0, 6), (1, 5, 12)), RULES)
    assert _places(pieces) == [(0.0, 5.0, True), (5.0, 6.0, False), (6.0, 12.0, True)]
    shared = split_at_changes(_planned(0, 12), _turns((0, 0, 6), (1, 5.8, 12)), RULES)
    assert _places(shared) == [(0.0, 5.9, True), (5.9, 12.0, True)]


def test_a_word_thrown_in_cuts_nothing() -> None:
    thrown_in = _turns((0, 0, 10), (1, 4, 4.4))
    assert _places(split_at_changes(_planned(0, 10), thrown_in, RULES)) == [(0.0, 10.0, True)]
    in_a_pause = _turns((0, 0, 4), (1, 4.1, 4.5), (0, 4.6, 10))
    assert _places(split_at_changes(_planned(0, 10), in_a_pause, RULES)) == [(0.0, 10.0, True)]


def test_bounds_of_several_speakers() -> None:
    assert not _is_mixed(10, (0, 0, 10))
    assert not _is_mixed(10)
    assert not _is_mixed(10, (0, 0, 10), (1, 4, 4.4))
    assert _is_mixed(10, (0, 0, 10), (1, 4, 4.6)), "another for more than half a second"
    assert _is_mixed(10, (0, 0, 9), (1, 9.1, 9.4), (2, 9.5, 9.9)), "several others together"
    assert _is_mixed(3, (0, 0, 3), (1, 1, 1.4)), "two at once for more than a tenth"
    assert not _is_mixed(3, (0, 0, 2.6), (1, 2.6, 3))


def test_the_warning_says_where_and_how_sure() -> None:
    interval = Interval(start_samples=16_000, end_samples=160_000)
    warning = several_speakers(_turns((0, 0, 10), (1, 3, 4), (2, 6, 8)), interval)
    assert warning is not None
    assert (warning.name, warning.start_samples, warning.end_samples) == ("multi_speaker", 48_000, 128_000)
    assert warning.detail == (
        "3 speakers: others than the first are heard for 3.00 s, several at once for 3.00 s of 9.00 s; confidence 0.90"
    )


class Halves:
    """Hears two speakers, who change in the middle; whom it heard is counted."""

    def __init__(self) -> None:
        self.num_heard = 0

    def turns(self, pcm_T: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        self.num_heard += 1
        middle = len(pcm_T) // 2
        return tuple(
            SpeakerTurn(speaker=one, start_samples=start, end_samples=end, confidence=0.7)
            for one, (start, end) in enumerate(((0, middle), (middle, len(pcm_T))))
        )


def _run(
    folder: Path, config: SegmentationConfig, *parts: tuple[float, bool], cuts: tuple[Cut, ...] | None = None
) -> tuple[list[SegmentAudio], Segmenter, Recording]:
    rng = np.random.default_rng(1)
    pcm_T = np.concatenate([rng.integers(-9_000, 9_000, round(s * 16_000)) * is_loud for s, is_loud in parts])
    path = folder / "a.wav"
    soundfile.write(path, pcm_T.astype(np.int16), 16_000)
    recording = Recording(recording_id="a", location=str(path), source="a.wav", cuts=cuts)
    detector = LoudnessDetector(config)
    segmenter = Segmenter(config, detector, lambda _: NOTHING, speakers=Halves())
    return list(segmenter.prepare(recording)), segmenter, recording


def test_segments_are_marked_and_the_recording_counts_them(tmp_path: Path) -> None:
    config = SegmentationConfig(speakers="detect")
    segments, segmenter, recording = _run(tmp_path, config, (1, False), (6, True), (2, False), (5, True), (2, False))
    assert [[one.name for one in audio.recording.warnings] for audio in segments] == [["multi_speaker"]] * 2
    for audio in segments:
        (warning,) = audio.recording.warnings
        assert audio.segment.start_samples <= (warning.start_samples or 0)
        assert (warning.end_samples or 0) <= audio.segment.end_samples
    preparation = segmenter.prepare(recording)
    assert len(list(preparation)) == 2
    assert [one.name for one in preparation.recording.warnings] == ["multi_speaker"] * 2


def test_segments_are_split_and_all_speech_is_accounted_for(tmp_path: Path) -> None:
    config = SegmentationConfig(speakers="split")
    segments, segmenter, recording = _run(tmp_path, config, (1, False), (6, True), (2, False), (3, True), (2, False))
    assert len(segments) == 2, "the halves of the second are too short"
    assert all(audio.recording.warnings == () for audio in segments)
    preparation = segmenter.prepare(recording)
    ids = [audio.segment.segment_id for audio in preparation]
    assert ids == [audio.segment.segment_id for audio in segments], "the same cuts again"
    report = preparation.report
    assert (report.num_segments, report.num_discarded) == (2, 2)
    assert report.speech_s == pytest.approx(9.0, abs=0.1)
    assert report.discarded_s == pytest.approx(3.0, abs=0.1)


def test_declared_segments_are_marked_and_never_cut(tmp_path: Path) -> None:
    cuts = (Cut(start_samples=0, end_samples=96_000),)
    segments, *_ = _run(tmp_path, SegmentationConfig(speakers="split"), (8, True), cuts=cuts)
    (audio,) = segments
    assert audio.segment.num_samples == 96_000
    assert [one.name for one in audio.recording.warnings] == ["multi_speaker"]


def test_what_is_too_short_for_a_segment_is_not_listened_to(tmp_path: Path) -> None:
    config = SegmentationConfig(speakers="split")
    speakers = Halves()
    segmenter = Segmenter(config, LoudnessDetector(config), lambda _: NOTHING, speakers=speakers)
    path = tmp_path / "b.wav"
    loud_T = np.random.default_rng(0).integers(-9_000, 9_000, 16_000).astype(np.int16)
    soundfile.write(path, np.pad(loud_T, 16_000), 16_000)
    recording = Recording(recording_id="b", location=str(path), source="b.wav")
    assert (list(segmenter.prepare(recording)), speakers.num_heard) == ([], 0)


def test_a_segmenter_has_a_speaker_detector_where_the_job_asks_for_one() -> None:
    config = SegmentationConfig(speakers="split")
    with pytest.raises(ValueError, match="split"):
        Segmenter(config, LoudnessDetector(config), lambda _: NOTHING)

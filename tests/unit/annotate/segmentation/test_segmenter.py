from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.report import SegmentationReport, bears_on
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.audio.stream import AudioStream, decode_all
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Acoustics, AudioWarning, Cut, Interval, Measurements, Recording, SegmentAudio

Pcm = npt.NDArray[np.int16]
Run = Callable[..., tuple[list[SegmentAudio], SegmentationReport]]

NOTHING = Measurements(
    Acoustics(
        f0_median_hz=None,
        f0_p5_hz=None,
        f0_p95_hz=None,
        f0_slope_hz_per_s=None,
        voiced_share=0,
        syllables_per_s=0,
        articulation_syllables_per_s=0,
        loudness_lufs=None,
        level_range_db=0,
        num_pauses=0,
        pauses_total_s=0,
        pause_longest_s=0,
        dip_longest_s=0,
        level_change_db=None,
        f0_change_semitones=None,
        rate_change_ratio=None,
        snr_db=None,
        clipped_share=0,
    )
)


def _sound(*parts: tuple[float, bool]) -> Pcm:
    """Stretches of noise and silence, by length in seconds."""
    rng = np.random.default_rng(1)
    pieces = [rng.integers(-9_000, 9_000, round(s * 16_000)) * is_loud for s, is_loud in parts]
    return np.concatenate(pieces).astype(np.int16)


@pytest.fixture
def run(tmp_path: Path, detector: VoiceDetector) -> Run:
    def prepare(
        pcm: Pcm, config: SegmentationConfig | None = None, **fields: object
    ) -> tuple[list[SegmentAudio], SegmentationReport]:
        path = tmp_path / "a.wav"
        soundfile.write(path, pcm, 16_000)
        recording = Recording.model_validate({"recording_id": "a", "location": str(path), "source": "a.wav"} | fields)
        preparation = Segmenter(config or SegmentationConfig(), detector, lambda _: NOTHING).prepare(recording)
        return list(preparation), preparation.report

    return prepare


def test_segments_carry_their_samples_and_ids(run: Run) -> None:
    pcm_T = _sound((1, False), (5, True), (2, False), (3, True), (1, False))
    segments, report = run(pcm_T, speaker="anna")
    assert len(segments) == 2
    for audio in segments:
        segment = audio.segment
        assert np.array_equal(audio.pcm_T, pcm_T[segment.start_samples : segment.end_samples])
        assert segment.segment_id == f"a-c0-{segment.start_samples:09d}-{segment.end_samples:09d}"
        assert (segment.speaker, segment.transcript) == ("anna", None)
    assert (report.outcome, report.num_segments, report.duration_s) == ("segmented", 2, 12.0)
    assert report.speech_s == pytest.approx(8.0, abs=0.1)


def test_silence_is_no_error(run: Run) -> None:
    segments, report = run(_sound((5, False)))
    assert (segments, report.outcome, report.speech_s) == ([], "no_speech", 0.0)


def test_short_speech_is_counted(run: Run) -> None:
    segments, report = run(_sound((2, False), (1, True), (2, False)))
    assert (segments, report.outcome, report.num_discarded) == ([], "too_short", 1)
    assert report.discarded_s == report.speech_s == pytest.approx(1.0, abs=0.05)


def test_a_recording_shorter_than_any_speech_is_an_error(run: Run) -> None:
    with pytest.raises(RecordingError, match=r"is 0\.05 s long.* 0\.25 s;.*segmentation\.min_speech_s"):
        run(_sound((0.05, True)))


def test_a_recording_merely_shorter_than_a_segment_is_reported(run: Run) -> None:
    segments, report = run(_sound((1.5, True)))
    assert segments == []
    assert (report.outcome, report.num_discarded) == ("too_short", 1)


def test_speech_without_end_is_cut_and_reported(run: Run) -> None:
    segments, report = run(_sound((95, True)))
    assert report.num_forced_cuts == len(segments) - 1 >= 3
    assert sum(len(audio.pcm_T) for audio in segments) == 95 * 16_000
    assert max(audio.segment.duration_s for audio in segments) <= 30.0


def test_each_channel_is_segmented_on_its_own(run: Run) -> None:
    left_T, right_T = _sound((5, True), (5, False)), _sound((5, False), (5, True))
    segments, _ = run(np.stack([left_T, right_T], axis=1), SegmentationConfig(channels="each"))
    assert [audio.segment.channel for audio in segments] == [0, 1]
    assert segments[1].segment.start_s == pytest.approx(4.9, abs=0.05)


def test_declared_segments_are_taken_as_they_are(run: Run) -> None:
    pcm_T = _sound((40, True))
    cuts = (
        Cut(start_samples=16_000, end_samples=64_000, transcript="one", speaker="ben"),
        Cut(start_samples=32_000, end_samples=96_000, transcript="two"),
        Cut(start_samples=0, end_samples=16_000),
        Cut(start_samples=0, end_samples=496_000),
        Cut(start_samples=600_000, end_samples=640_500),
    )
    segments, report = run(pcm_T, cuts=cuts, speaker="anna")
    places = [
        (a.segment.start_samples, a.segment.end_samples, a.segment.transcript, a.segment.speaker) for a in segments
    ]
    assert places == [
        (16_000, 64_000, "one", "ben"),
        (32_000, 96_000, "two", "anna"),
        (600_000, 640_000, None, "anna"),
    ]
    assert all(np.array_equal(a.pcm_T, pcm_T[a.segment.start_samples : a.segment.end_samples]) for a in segments)
    assert (report.outcome, report.num_segments, report.num_discarded) == ("segmented", 3, 2)


def test_declared_segments_of_other_channels(run: Run) -> None:
    pcm_TC = np.stack([_sound((5, False)), _sound((5, True))], axis=1)
    cuts = tuple(Cut(start_samples=0, end_samples=48_000, channel=channel) for channel in (1, "mix"))
    second, mix = run(pcm_TC, cuts=cuts)[0]
    assert np.array_equal(second.pcm_T, pcm_TC[:48_000, 1])
    assert np.abs(mix.pcm_T * 2 - second.pcm_T).max() <= 1


def test_a_declared_segment_without_a_channel_is_taken_where_it_is_heard(run: Run) -> None:
    silent_T, loud_T = _sound((5, False)), _sound((5, True))
    pcm_TC = np.stack([np.concatenate((silent_T, loud_T)), np.concatenate((loud_T, loud_T // 2))], axis=1)
    cuts = (
        *(Cut(start_samples=start, end_samples=start + 64_000) for start in (0, 90_000)),
        Cut(start_samples=0, end_samples=48_000, channel="mix"),
    )
    segments, _ = run(pcm_TC, cuts=cuts)
    assert [one.segment.channel for one in segments] == ["mix", 1, 0]
    assert np.array_equal(segments[1].pcm_T, pcm_TC[:64_000, 1])


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ({"start_samples": 0, "end_samples": 90_000}, "ends at sample 80000 .* spans 0 to 90000"),
        ({"start_samples": 0, "end_samples": 40_000, "channel": 3}, "channel 3 was asked for"),
    ],
)
def test_declared_segments_that_are_not_there(run: Run, cut: dict[str, int], expected: str) -> None:
    with pytest.raises(RecordingError, match=expected):
        run(_sound((5, True)), cuts=(Cut.model_validate(cut),))


@pytest.mark.parametrize(("end_samples", "outcome"), [(16_000, "too_short"), (496_000, "too_long")])
def test_declared_segments_of_no_use(run: Run, end_samples: int, outcome: str) -> None:
    segments, report = run(_sound((5, True)), cuts=(Cut(start_samples=0, end_samples=end_samples),))
    assert (segments, report.outcome) == ([], outcome)


def test_segments_come_out_before_a_damaged_end_is_reached(tmp_path: Path, detector: VoiceDetector) -> None:
    whole = tmp_path / "whole.flac"
    soundfile.write(whole, _sound(*[(4, True), (3, False)] * 12), 16_000)
    path = tmp_path / "broken.flac"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    recording = Recording(recording_id="a", location=str(path), source="broken.flac")
    segments: list[SegmentAudio] = []
    with pytest.raises(RecordingError, match="truncated"):
        segments.extend(Segmenter(SegmentationConfig(), detector, lambda _: NOTHING).prepare(recording))
    assert 3 <= len(segments) <= 6


def test_real_speech_is_cut_into_segments(shared_audio: Path, speech_path: Path) -> None:
    config = SegmentationConfig()
    recording = Recording(recording_id="a", location=str(speech_path), source="a.wav")
    preparation = Segmenter(config, SileroDetector(config), lambda _: NOTHING).prepare(recording)
    segments = list(preparation)
    pcm_T = decode_all(str(speech_path))[0]
    assert all(2.0 <= audio.segment.duration_s <= 30.0 for audio in segments)
    assert all(np.array_equal(a.pcm_T, pcm_T[a.segment.start_samples : a.segment.end_samples]) for a in segments)
    assert preparation.report.speech_s == pytest.approx(47.5, abs=1.0)
    assert sum(audio.segment.duration_s for audio in segments) >= preparation.report.speech_s * 0.95


def test_a_segment_has_the_warnings_that_bear_on_its_interval(tmp_path: Path, detector: VoiceDetector) -> None:
    found = {"gap": (16_000, 32_000), "later": (200_000, 210_000), "moment": (40_000, 40_000), "header": (None, None)}

    class Warned(AudioStream):
        @property
        def warnings(self) -> tuple[AudioWarning, ...]:
            return tuple(
                AudioWarning(name=name, detail="", start_samples=start, end_samples=end)
                for name, (start, end) in found.items()
            )

    path = tmp_path / "a.wav"
    soundfile.write(path, _sound((5, True), (3, False), (5, True)), 16_000)
    recording = Recording(recording_id="a", location=str(path), source="a.wav")
    segmenter = Segmenter(
        SegmentationConfig(), detector, lambda _: NOTHING, lambda one, channels: Warned(one.location, channels)
    )
    names = [[warning.name for warning in one.recording.warnings] for one in segmenter.prepare(recording)]
    assert names == [["gap", "moment", "header"], ["later", "header"]]


def test_a_moment_bears_on_the_segments_that_hold_or_touch_it() -> None:
    def bears(at: int) -> bool:
        interval = Interval(start_samples=100, end_samples=200)
        return bears_on(AudioWarning(name="a", detail="", start_samples=at, end_samples=at), interval)

    assert [at for at in (0, 99, 100, 150, 200, 201) if bears(at)] == [100, 150, 200]

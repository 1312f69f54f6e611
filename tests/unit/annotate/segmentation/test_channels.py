"""Which channels of a recording are captioned, and what is said of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.annotate.segmentation.channels import Excerpts, KnownSpeech
from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.report import SegmentationReport
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Recording, SegmentAudio, SpeechInterval
from tests.unit.annotate.segmentation.test_segmenter import NOTHING

Sound = npt.NDArray[np.float64]
Take = Callable[..., tuple[list[SegmentAudio], SegmentationReport]]


def _voice(seed: int, *spans_s: tuple[float, float], length_s: float = 20.0) -> Sound:
    """Noise with the rise and fall of syllables, over some stretches."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(length_s * 16_000)) / 16_000
    syllables = np.repeat(rng.uniform(0.3, 1.0, round(length_s * 5) + 1), 3_200)[: len(time_s)]
    spoken = sum((time_s >= start) & (time_s < end) for start, end in spans_s)
    return rng.normal(0, 5_000, len(time_s)) * syllables * spoken


def _noise(seed: int, length_s: float = 20.0) -> Sound:
    return np.random.default_rng(seed).normal(0, 20, round(length_s * 16_000))


@pytest.fixture
def take(tmp_path: Path, detector: VoiceDetector) -> Take:
    def prepare(*channels: Sound, rule: str = "auto") -> tuple[list[SegmentAudio], SegmentationReport]:
        path = tmp_path / "a.wav"
        pcm_TC = np.stack(channels, axis=1).round().clip(-32_768, 32_767).astype(np.int16)
        soundfile.write(path, pcm_TC, 16_000)
        config = SegmentationConfig.model_validate({"channels": rule})
        recording = Recording(recording_id="a", location=str(path), source="a.wav")
        preparation = Segmenter(config, detector, lambda _: NOTHING).prepare(recording)
        return list(preparation), preparation.report

    return prepare


ANNA = _voice(1, (1, 6), (9, 13))
BEN = _voice(2, (6.5, 8.5), (14, 19))


def _channels(segments: list[SegmentAudio]) -> set[int | str]:
    return {audio.segment.channel for audio in segments}


def test_speech_in_one_channel_is_found_wherever_it_is(take: Take) -> None:
    segments, report = take(_noise(3) * 0, ANNA)
    assert _channels(segments) == {1}
    assert (report.notes, report.duration_s, len(segments)) == ((), 20.0, 2)


def test_both_parties_of_a_call_are_kept(take: Take) -> None:
    segments, report = take(ANNA + _noise(3), BEN + _noise(4))
    assert (_channels(segments), report.notes) == ({0, 1}, ())


def test_both_parties_are_kept_though_each_is_heard_in_the_other_channel(take: Take) -> None:
    segments, report = take(ANNA + 0.1 * BEN, BEN + 0.2 * np.roll(ANNA, 800))
    assert (_channels(segments), report.notes) == ({0, 1}, ())


def test_a_party_that_says_one_sentence_is_kept(take: Take) -> None:
    long_talk = _voice(1, (0, 100), (104, 300), length_s=300)
    segments, report = take(long_talk, _voice(2, (101, 103.5), length_s=300) + 0.05 * long_talk)
    assert report.notes == ()
    assert 1 in _channels(segments)


def test_a_silent_party_that_only_hears_the_other_is_left_out(take: Take) -> None:
    gain = np.where(np.arange(len(ANNA)) % 64_000 < 32_000, 0.2, 0.05)
    echo = gain * np.roll(ANNA, 1_600)
    segments, report = take(ANNA + _noise(3), echo + _noise(4))
    assert _channels(segments) == {0}
    assert report.notes == ("channel 1 holds only speech that is much louder in another channel",)


@pytest.mark.parametrize(
    "copy",
    [ANNA, -ANNA, 0.6 * ANNA, np.roll(ANNA, 40) + _noise(5), ANNA + 0.3 * np.roll(ANNA, 300)],
    ids=["same", "opposite", "quieter", "later", "another microphone"],
)
def test_a_copy_is_taken_once(take: Take, copy: Sound) -> None:
    segments, report = take(ANNA + _noise(6), copy)
    assert _channels(segments) == {0}
    assert report.notes == ("channel 1 is a copy of channel 0",)


def test_of_copies_the_much_louder_one_is_taken(take: Take) -> None:
    quiet = _voice(1, (1, 6), (9, 13)) / 4
    segments, report = take(quiet, quiet * 4, BEN)
    assert _channels(segments) == {1, 2}
    assert report.notes == ("channel 0 is a copy of channel 1",)


def test_two_people_who_speak_at_once_and_alike_are_no_copies(take: Take) -> None:
    together = np.abs(ANNA) / 5_000 * np.random.default_rng(8).normal(0, 5_000, len(ANNA))
    segments, report = take(ANNA + _noise(3), together + _noise(4))
    assert (_channels(segments), report.notes) == ({0, 1}, ())


def test_in_a_long_recording_loud_seconds_from_all_of_it_are_compared() -> None:
    excerpts = Excerpts()
    for block in range(200):
        pcm_CT = np.zeros((2, 48_000), np.int16)
        pcm_CT[:, 16_000:32_000] = block + 1
        excerpts.take(pcm_CT)
    assert [int(one_CT[0, 0]) for one_CT in excerpts.kept] == list(range(1, 201, 4))
    assert {one_CT.shape for one_CT in excerpts.kept} == {(2, 16_000)}


def test_what_is_a_copy_for_a_while_only_is_no_copy(take: Take) -> None:
    segments, report = take(ANNA, ANNA * (np.arange(len(ANNA)) < 160_000) + BEN * (np.arange(len(ANNA)) >= 160_000))
    assert (_channels(segments), report.notes) == ({0, 1}, ())


def test_each_drops_exact_copies_only(take: Take) -> None:
    segments, report = take(ANNA, ANNA, ANNA + 0.3 * np.roll(ANNA, 300), rule="each")
    assert _channels(segments) == {0, 2}
    assert report.notes == ("channel 1 is a copy of channel 0",)


def test_samples_and_places_are_those_of_a_single_pass(take: Take) -> None:
    alone, _ = take(ANNA)
    beside, _ = take(ANNA, BEN)
    of_anna = [audio for audio in beside if audio.segment.channel == 0]
    assert [audio.segment for audio in of_anna] == [audio.segment for audio in alone]
    assert all(np.array_equal(one.pcm_T, other.pcm_T) for one, other in zip(alone, of_anna, strict=True))


def test_channels_that_cancel_in_the_mix_are_noticed(take: Take) -> None:
    with pytest.raises(RecordingError, match=r"cancel each other .*opposite phase.*segmentation\.channels to auto"):
        take(ANNA, -ANNA, rule="mix")
    assert _channels(take(ANNA, BEN, rule="mix")[0]) == {"mix"}
    assert _channels(take(ANNA, ANNA, rule="mix")[0]) == {"mix"}


def test_no_speech_says_where_there_is_some(take: Take) -> None:
    _, report = take(ANNA * 0, ANNA, rule="first")
    assert report.outcome == "no_speech"
    assert report.notes == (
        "channel 0 is silent",
        "there is speech in channel 1: set segmentation.channels to auto",
    )
    _, report = take(ANNA * 0, _noise(3))
    assert (report.outcome, report.notes, report.duration_s) == ("no_speech", ("channel 0 is silent",), 20.0)


def test_known_speech_is_handed_out_when_it_has_passed() -> None:
    known = KnownSpeech(tuple(SpeechInterval(start_samples=s, end_samples=s + 50) for s in (10, 100, 200)))
    assert (known.decided_samples, known.push(np.zeros(5, np.int16)), known.decided_samples) == (0, [], 5)
    assert [interval.start_samples for interval in known.push(np.zeros(145, np.int16))] == [10, 100]
    assert known.decided_samples == 150
    assert [interval.start_samples for interval in known.finish()] == [200]


def test_real_speech_of_two_people(shared_audio: Path, speech_path: Path, tmp_path: Path) -> None:
    pcm_T = decode_all(str(speech_path))[0][: 40 * 16_000].astype(np.float64)
    other_T = np.roll(pcm_T, 11 * 16_000) + np.random.default_rng(0).normal(0, 5, len(pcm_T))
    config = SegmentationConfig()
    for second_T, expected in ((other_T, {0, 1}), (0.5 * np.roll(pcm_T, 16), {0}), (pcm_T * 0, {0})):
        path = tmp_path / "call.wav"
        soundfile.write(path, np.stack([pcm_T, second_T], axis=1).round().astype(np.int16), 16_000)
        recording = Recording(recording_id="a", location=str(path), source="call.wav")
        preparation = Segmenter(config, SileroDetector(config), lambda _: NOTHING).prepare(recording)
        assert {audio.segment.channel for audio in preparation} == expected

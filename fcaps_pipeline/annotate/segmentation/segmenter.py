"""One pass over a Recording: decode, find speech, plan, cut out, measure.

Enters: a Recording. Leaves: SegmentAudio one by one while the file is still being read, then a
SegmentationReport. Recordings with Cuts skip the voice detector. Measuring is handed in as a function,
since acoustics stand on the same layer.

Shape suffixes: C channels, T samples.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.channels import (
    ChannelSelection,
    ChannelSurvey,
    KnownSpeech,
    choose_channels,
    survey_channels,
    where_speech_is,
)
from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.detector import SpeechStream, VoiceDetector
from fcaps_pipeline.annotate.segmentation.opening import OpenRecording, SoundStream, open_recording
from fcaps_pipeline.annotate.segmentation.pcm_buffer import PcmBuffer
from fcaps_pipeline.annotate.segmentation.planner import PlannedInterval, PlanRules, SegmentPlanner
from fcaps_pipeline.annotate.segmentation.report import SegmentationReport, SegmentationTally
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerDetector, SpeakerSplitter
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import (
    SAMPLE_RATE_HZ,
    Acoustics,
    AudioWarning,
    Channel,
    Measurements,
    Recording,
    Segment,
    SegmentAudio,
    seconds_to_samples,
)

Pcm = npt.NDArray[np.int16]
Measure = Callable[[Pcm], Measurements]


@dataclass(frozen=True)
class _Piece:
    """An interval on its way to becoming a Segment."""

    planned: PlannedInterval
    channel: Channel
    pcm_T: Pcm
    clipped_share: float
    warnings: tuple[AudioWarning, ...]


class _ChannelPass:
    """Detector, planner and audio of one channel."""

    def __init__(
        self, stream: SoundStream, row: int, speech: SpeechStream, rules: PlanRules, splitter: SpeakerSplitter | None
    ) -> None:
        self._stream = stream
        self._row = row
        self._speech = speech
        self._planner = SegmentPlanner(rules)
        self._splitter = splitter
        self._buffer = PcmBuffer()

    def push(self, pcm_T: Pcm) -> Iterator[_Piece]:
        self._buffer.append(pcm_T)
        for interval in self._speech.push(pcm_T):
            yield from self._pieces(self._planner.push(interval))
        yield from self._pieces(self._planner.advance(self._speech.decided_samples))
        self._buffer.drop_before(self._planner.needed_from_samples)

    def finish(self) -> Iterator[_Piece]:
        for interval in self._speech.finish():
            yield from self._pieces(self._planner.push(interval))
        yield from self._pieces(self._planner.finish(self._buffer.end_samples))

    def _pieces(self, planned: list[PlannedInterval]) -> Iterator[_Piece]:
        for whole in planned:
            for item, warnings in self._told_apart(whole):
                start, end = item.start_samples, item.end_samples
                clipped_share = self._stream.clipped_share(self._row, start, end)
                pcm_T = self._buffer.read(start, end)
                yield _Piece(item, self._stream.channels[self._row], pcm_T, clipped_share, warnings)

    def _told_apart(self, planned: PlannedInterval) -> Iterator[tuple[PlannedInterval, tuple[AudioWarning, ...]]]:
        if self._splitter is None:
            yield planned, ()
        else:
            yield from self._splitter.pieces(planned, self._buffer.read(planned.start_samples, planned.end_samples))

    @property
    def needed_from_samples(self) -> int:
        """No Segment still to come begins before this sample."""
        return self._planner.needed_from_samples


class Preparation:
    """The Segments of one Recording; iterate once, then read the report."""

    def __init__(self, recording: Recording, segments: Iterator[SegmentAudio], tally: SegmentationTally) -> None:
        """Joins the running pass with its counts."""
        self._recording = recording
        self._segments = segments
        self._tally = tally

    def __iter__(self) -> Iterator[SegmentAudio]:
        """Yields the Segments in the order in which they end.

        Raises:
            RecordingError: the Recording cannot be decoded, is too short as a whole, or has a Cut
                beyond its end. Segments already yielded remain valid.
        """
        return self._segments

    @property
    def recording(self) -> Recording:
        """The Recording with what was found out about it so far."""
        return self._tally.as_heard(self._recording)

    @property
    def report(self) -> SegmentationReport:
        """The account so far; complete after the iteration."""
        return self._tally.report(self._recording.recording_id)


class Segmenter:
    """Turns Recordings into Segments by the rules of a job."""

    def __init__(
        self,
        config: SegmentationConfig,
        detector: VoiceDetector,
        measure: Measure,
        opening: OpenRecording = open_recording,
        speakers: SpeakerDetector | None = None,
    ) -> None:
        """Keeps the detectors, which are loaded once, and the functions that measure a Segment and open a Recording.

        Raises:
            ValueError: the job asks for speakers to be told apart, and nobody is there to do it.
        """
        if (config.speakers == "off") != (speakers is None):
            raise ValueError(f"segmentation.speakers is {config.speakers}, the speaker detector {speakers}")
        self._config = config
        self._splitter = None
        if speakers is not None:
            self._splitter = SpeakerSplitter(speakers, PlanRules.of(config), splits=config.speakers == "split")
        self._rules = PlanRules.of(config)
        self._detector = detector
        self._measure = measure
        self._open = opening

    def prepare(self, recording: Recording) -> Preparation:
        """Starts a pass over one Recording; nothing is opened before the first Segment is asked for."""
        tally = SegmentationTally()
        segments = self._detected(recording, tally) if recording.cuts is None else self._declared(recording, tally)
        return Preparation(recording, segments, tally)

    def _detected(self, recording: Recording, tally: SegmentationTally) -> Iterator[SegmentAudio]:
        for piece in self._pieces(recording, tally):
            self._count(piece.planned, tally)
            if piece.planned.is_kept:
                tally.of_segments += piece.warnings
                segment = _segment(recording, piece)
                heard = tally.as_heard(recording, segment, piece.warnings)
                yield self._measured(heard, segment, piece.pcm_T, piece.clipped_share)

    def _measured(self, heard: Recording, segment: Segment, pcm_T: Pcm, clipped_share: float) -> SegmentAudio:
        found = self._measure(pcm_T)
        acoustics = Acoustics.model_validate({**dict(found.acoustics), "clipped_share": clipped_share})
        return SegmentAudio(heard, segment, acoustics, pcm_T, found.events, found.tracks)

    def _pieces(self, recording: Recording, tally: SegmentationTally) -> Iterator[_Piece]:
        rule = self._config.channels
        with self._open(recording, "first" if rule == "first" else "each") as stream:
            if len(stream.channels) == 1:
                yield from self._through(recording, tally, stream, self._listeners(stream))
                if rule == "first" and not tally.speech_samples:
                    self._say_where_speech_is(recording, tally)
                return
            tally.open(recording, stream)
            survey = survey_channels(stream, None if rule == "mix" else self._detector)
        if rule == "auto" or rule == "each":
            yield from self._chosen(recording, tally, survey, choose_channels(survey, rule))
        else:
            yield from self._mixed(recording, tally, survey)

    def _listeners(self, stream: SoundStream) -> list[SpeechStream]:
        return [self._detector.open_stream() for _ in stream.channels]

    def _mixed(self, recording: Recording, tally: SegmentationTally, survey: ChannelSurvey) -> Iterator[_Piece]:
        if survey.cancels:
            raise RecordingError(
                f"{recording.location}: its channels cancel each other when they are mixed (opposite phase); "
                "set segmentation.channels to auto"
            )
        with self._open(recording, "mix") as stream:
            yield from self._through(recording, tally, stream, self._listeners(stream))
        if not tally.speech_samples:
            self._say_where_speech_is(recording, tally)

    def _chosen(
        self, recording: Recording, tally: SegmentationTally, survey: ChannelSurvey, choice: ChannelSelection
    ) -> Iterator[_Piece]:
        """A second pass over the chosen channels, whose speech is known; none where no channel has any."""
        tally.notes += choice.left_out
        if not choice.rows:
            tally.num_samples = survey.num_samples
            self._check_length(recording, tally.num_samples)
            tally.notes += where_speech_is(survey)
            return
        with self._open(recording, tuple(survey.channels[row] for row in choice.rows)) as stream:
            known = [KnownSpeech(survey.speech[row]) for row in choice.rows]
            yield from self._through(recording, tally, stream, known)

    def _through(
        self,
        recording: Recording,
        tally: SegmentationTally,
        stream: SoundStream,
        listeners: Sequence[SpeechStream],
    ) -> Iterator[_Piece]:
        tally.open(recording, stream)
        passes = [
            _ChannelPass(stream, row, speech, self._rules, self._splitter) for row, speech in enumerate(listeners)
        ]
        for pcm_CT in stream.blocks():
            tally.num_samples += pcm_CT.shape[1]
            for row, channel_pass in enumerate(passes):
                yield from channel_pass.push(pcm_CT[row])
            stream.forget_before(min(one.needed_from_samples for one in passes))
        stream.check_damage(self._config.max_damaged_share)
        self._check_length(recording, tally.num_samples)
        for channel_pass in passes:
            yield from channel_pass.finish()

    def _say_where_speech_is(self, recording: Recording, tally: SegmentationTally) -> None:
        with self._open(recording, "each") as stream:
            if len(stream.channels) > 1:
                tally.notes += where_speech_is(survey_channels(stream, self._detector))

    def _check_length(self, recording: Recording, num_samples: int) -> None:
        """A Recording that is merely too short for a Segment is reported; one that cannot hold speech is broken."""
        if num_samples < seconds_to_samples(self._config.min_speech_s):
            raise RecordingError(
                f"{recording.location} is {num_samples / SAMPLE_RATE_HZ:.2f} s long, speech takes at least "
                f"{self._config.min_speech_s} s; replace the file, leave it out or lower segmentation.min_speech_s"
            )

    def _count(self, planned: PlannedInterval, tally: SegmentationTally) -> None:
        tally.speech_samples += planned.speech_samples
        tally.num_forced_cuts += planned.ends_in_speech
        if planned.is_kept:
            tally.num_segments += 1
        else:
            tally.num_too_short += 1
            tally.discarded_samples += planned.speech_samples

    def _declared(self, recording: Recording, tally: SegmentationTally) -> Iterator[SegmentAudio]:
        max_damaged_share = self._config.max_damaged_share
        for one in cut_out(recording, self._rules, tally, self._open, max_damaged_share):
            warnings = () if self._splitter is None else self._splitter.warnings(one.segment, one.pcm_T)
            tally.of_segments += warnings
            heard = tally.as_heard(one.recording, one.segment, warnings)
            yield self._measured(heard, one.segment, one.pcm_T, one.clipped_share)


def _segment(recording: Recording, piece: _Piece) -> Segment:
    start, end = piece.planned.start_samples, piece.planned.end_samples
    return Segment(
        segment_id=Segment.make_id(recording.recording_id, piece.channel, start, end),
        recording_id=recording.recording_id,
        channel=piece.channel,
        start_samples=start,
        end_samples=end,
        speaker=recording.speaker,
    )

"""Cuts declared by a source, taken out of their Recording as they are.

Enters: a Recording with Cuts. Leaves: Segments with their samples, by start. Cuts shorter or longer
than a Segment may be are counted as discarded. Decoding stops after the last Cut that is wanted.

Shape suffixes: C channels, T samples.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.opening import OpenRecording, SoundStream
from fcaps_pipeline.annotate.segmentation.pcm_buffer import PcmBuffer
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import Channel, Cut, Recording, Segment, seconds_to_samples

_END_SLACK_SAMPLES = seconds_to_samples(0.1)
"""Declared ends may lie this far behind the audio: rounding, and the padding of lossy formats."""
_HARDLY_QUIETER = 0.25
"""Of the power of the loudest channel, 6 dB below it."""


class CutAudio(NamedTuple):
    """A declared Segment on its way out."""

    recording: Recording
    """With what the source says of this stretch."""
    segment: Segment
    pcm_T: npt.NDArray[np.int16]
    clipped_share: float


def cut_out(
    recording: Recording,
    rules: PlanRules,
    tally: SegmentationTally,
    open_recording: OpenRecording,
    max_damaged_share: float,
) -> Iterator[CutAudio]:
    """Yields the Segments that the Cuts declare.

    Raises:
        RecordingError: the Recording cannot be decoded, or a Cut lies beyond its end.
    """
    wanted = [cut for cut in recording.cuts or () if _is_wanted(cut, rules, tally)]
    if not wanted:
        return
    channels = _channels(recording, wanted, open_recording)
    waiting = sorted(wanted, key=lambda cut: (cut.end_samples, cut.start_samples))
    with open_recording(recording, channels) as stream:
        tally.open(recording, stream)
        sound = _Sound(recording, stream, channels)
        for pcm_CT in stream.blocks():
            tally.num_samples += pcm_CT.shape[1]
            sound.append(pcm_CT)
            while waiting and waiting[0].end_samples <= tally.num_samples:
                tally.num_segments += 1
                yield sound.take(waiting.pop(0))
            if not waiting:
                break
            sound.drop_before(min(cut.start_samples for cut in waiting))
        stream.check_damage(max_damaged_share)
        for cut in _distinct(recording, [_shortened(recording, cut, tally.num_samples) for cut in waiting]):
            tally.num_segments += 1
            yield sound.take(cut)


class _Sound:
    """What is kept of a Recording, channel by channel, until its Cuts are taken out."""

    def __init__(self, recording: Recording, stream: SoundStream, channels: tuple[Channel, ...]) -> None:
        self._recording, self._stream, self._channels = recording, stream, channels
        self._buffers = {channel: PcmBuffer() for channel in channels}

    def append(self, pcm_CT: npt.NDArray[np.int16]) -> None:
        """Takes the next block."""
        for channel, pcm_T in zip(self._channels, pcm_CT, strict=True):
            self._buffers[channel].append(pcm_T)

    def take(self, cut: Cut) -> CutAudio:
        """The sound of a Cut and what is told of it."""
        start, end = cut.start_samples, cut.end_samples
        channel = _loudest(self._buffers, start, end) if cut.channel is None else cut.channel
        pcm_T = self._buffers[channel].read(start, end)
        _check_samples(self._recording, cut, pcm_T)
        clipped_share = self._stream.clipped_share(self._channels.index(channel), start, end)
        segment = _segment(self._recording, cut, channel)
        return CutAudio(_as_told(self._recording, cut), segment, pcm_T, clipped_share)

    def drop_before(self, start_samples: int) -> None:
        """Forgets what no Cut needs any more."""
        self._stream.forget_before(start_samples)
        for buffer in self._buffers.values():
            buffer.drop_before(start_samples)


def _channels(recording: Recording, cuts: list[Cut], open_recording: OpenRecording) -> tuple[Channel, ...]:
    """Channels that must be read: those named, and all where a Cut leaves its channel open."""
    named = [cut.channel for cut in cuts if cut.channel is not None]
    if len(named) == len(cuts):
        return tuple(dict.fromkeys(named))
    with open_recording(recording, "each") as stream:
        return tuple(dict.fromkeys((*stream.channels, *named)))


def _loudest(buffers: dict[Channel, PcmBuffer], start: int, end: int) -> Channel:
    """The channel that is heard in a stretch: the first that is hardly quieter than the loudest."""
    powers = {
        channel: float((buffer.read(start, end).astype(np.float64) ** 2).sum())
        for channel, buffer in buffers.items()
        if channel != "mix"
    }
    return next(channel for channel, power in powers.items() if power >= max(powers.values()) * _HARDLY_QUIETER)


def _as_told(recording: Recording, cut: Cut) -> Recording:
    """The Recording as the source describes it in this stretch."""
    objects = [json.loads(text) for text in (recording.extra, cut.extra) if text is not None]
    extra = json.dumps({key: value for one in objects for key, value in one.items()}, ensure_ascii=False)
    gender = cut.speaker_gender or recording.speaker_gender
    return recording.model_copy(update={"speaker_gender": gender, "extra": extra if objects else None})


def _is_wanted(cut: Cut, rules: PlanRules, tally: SegmentationTally) -> bool:
    tally.speech_samples += cut.num_samples
    is_too_short = cut.num_samples < rules.min_segment_samples
    is_too_long = cut.num_samples > rules.max_segment_samples
    tally.num_too_short += is_too_short
    tally.num_too_long += is_too_long
    if is_too_short or is_too_long:
        tally.discarded_samples += cut.num_samples
        return False
    return True


def _distinct(recording: Recording, cuts: list[Cut]) -> list[Cut]:
    spans = {(cut.channel, cut.start_samples, cut.end_samples): cut for cut in cuts}
    if len(spans) < len(cuts):
        raise RecordingError(
            f"{recording.location}: two declared segments differ only in how far they reach beyond its end; "
            "correct the manifest"
        )
    return cuts


def _shortened(recording: Recording, cut: Cut, num_samples: int) -> Cut:
    if cut.end_samples > num_samples + _END_SLACK_SAMPLES or cut.start_samples >= num_samples:
        raise RecordingError(
            f"{recording.location} ends at sample {num_samples} (16 kHz), a declared segment "
            f"spans {cut.start_samples} to {cut.end_samples}; correct the manifest"
        )
    return cut.model_copy(update={"end_samples": num_samples})


def _check_samples(recording: Recording, cut: Cut, pcm_T: npt.NDArray[np.int16]) -> None:
    if cut.samples_sha256 not in {None, hashlib.sha256(pcm_T.tobytes()).hexdigest()}:
        raise RecordingError(
            f"{recording.shard or recording.location}: samples {cut.start_samples} to {cut.end_samples} are not those "
            "that the earlier run recorded; restore the file, or leave its recording out"
        )


def _segment(recording: Recording, cut: Cut, channel: Channel) -> Segment:
    start, end = cut.start_samples, cut.end_samples
    return Segment(
        segment_id=Segment.make_id(recording.recording_id, channel, start, end),
        recording_id=recording.recording_id,
        channel=channel,
        start_samples=start,
        end_samples=end,
        transcript=cut.transcript,
        speaker=cut.speaker or recording.speaker,
    )

"""Which channels of a Recording hold speech of their own.

Enters: the sound of all channels, once through. Leaves: for every channel its speech and its level over time, and from
these the channels that are worth captioning with a reason for each that is not. For `auto` a copy is taken once,
whatever its gain, its sign or its small delay: its level holds still beside the other's, and its samples go with them
at some lag. Both parties of a call stay, however much one hears of the other, as long as each says something where the
other is not much louder.

Shape suffixes: C channels, T samples, N frames of 0.1 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.opening import SoundStream
from fcaps_pipeline.records.audio import Channel, SpeechInterval, seconds_to_samples

_FRAME_SAMPLES = seconds_to_samples(0.1)
_WINDOW_FRAMES = 10
"""Levels are compared over a second, in which a word or two of another speaker would show."""
_SAME_SOUND_DB = {"auto": 6.0, "each": 1.0}
"""Furthest that the level between two channels may move for one to be a copy of the other: by another microphone in the
same room, or of the same samples after a lossy codec."""
_CORRELATION = {"auto": 0.25, "each": 0.98}
"""Of the samples of the two at the best lag, at least; two people who speak at once stay below 0.1."""
_MAX_LAG_SAMPLES = seconds_to_samples(0.02)
_EXCERPT_SAMPLES = seconds_to_samples(1.0)
_MAX_EXCERPTS = 64
"""Samples are compared in so many seconds at most, the loudest of their blocks, spread over the recording."""
_LOUD_RANGE_DB = 20.0
"""Frames so far below the loudest speech of a channel are left to noise."""
_MUCH_LOUDER_DB = 12.0
_LOUDER_DB = 6.0
_OWN_FRAMES = 10
"""Speech of its own lasts a second at least."""
_CANCELLED_SHARE = 0.25
"""Of the power that the mean of unrelated channels has: below it, they cancel each other."""

FloatFrames = npt.NDArray[np.float64]
BoolFrames = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ChannelSurvey:
    """What one pass over all channels found."""

    channels: tuple[Channel, ...]
    speech: tuple[tuple[SpeechInterval, ...], ...]
    """By channel; empty where no detector ran."""
    level_db_CN: FloatFrames
    num_samples: int
    products_CC: FloatFrames
    """Mean product of the samples of two channels."""
    excerpts: tuple[npt.NDArray[np.int16], ...]
    """Loud seconds of all channels, each of shape (C, T)."""

    @property
    def cancels(self) -> bool:
        """Whether the channels take each other away when they are mixed, as in opposite phase."""
        return bool(self.products_CC.sum() < _CANCELLED_SHARE * np.trace(self.products_CC))

    def correlation(self, one: int, other: int) -> float:
        """Of the samples of two rows at the best lag, without regard to sign; 0 where one is silent."""
        num_bins = _EXCERPT_SAMPLES + _MAX_LAG_SAMPLES
        products_F = np.zeros(num_bins // 2 + 1, np.complex128)
        power_one = power_other = 0.0
        for pcm_CT in self.excerpts:
            wide_CT = pcm_CT[[one, other]].astype(np.float64)
            spectra_CF = np.fft.rfft(wide_CT, num_bins)
            products_F += spectra_CF[0] * spectra_CF[1].conj()
            power_one += float((wide_CT[0] ** 2).sum())
            power_other += float((wide_CT[1] ** 2).sum())
        at_lag_T = np.abs(np.fft.irfft(products_F, num_bins))
        best = max(at_lag_T[: _MAX_LAG_SAMPLES + 1].max(), at_lag_T[-_MAX_LAG_SAMPLES:].max())
        return float(best / np.sqrt(power_one * power_other)) if power_one and power_other else 0.0


@dataclass(frozen=True)
class ChannelSelection:
    """Rows of a survey that are captioned, and why the others are not, one line each."""

    rows: tuple[int, ...]
    left_out: tuple[str, ...]


def survey_channels(stream: SoundStream, detector: VoiceDetector | None) -> ChannelSurvey:
    """Reads an open stream to its end.

    Raises:
        RecordingError: as the stream.
    """
    voices = [detector.open_stream() for _ in stream.channels] if detector else []
    speech: list[list[SpeechInterval]] = [[] for _ in stream.channels]
    levels: list[FloatFrames] = []
    excerpts = Excerpts()
    rest_CT = np.zeros((len(stream.channels), 0), np.int16)
    products_CC = np.zeros((len(stream.channels), len(stream.channels)))
    num_samples = 0
    for pcm_CT in stream.blocks():
        for row, voice in enumerate(voices):
            speech[row] += voice.push(pcm_CT[row])
        wide_CT = pcm_CT.astype(np.float64)
        num_samples += pcm_CT.shape[1]
        stream.forget_before(num_samples)
        products_CC += wide_CT @ wide_CT.T
        excerpts.take(pcm_CT)
        rest_CT = np.concatenate((rest_CT, pcm_CT), axis=1)
        num_frames = rest_CT.shape[1] // _FRAME_SAMPLES
        levels.append(_levels(rest_CT[:, : num_frames * _FRAME_SAMPLES]))
        rest_CT = rest_CT[:, num_frames * _FRAME_SAMPLES :]
    for row, voice in enumerate(voices):
        speech[row] += voice.finish()
    return ChannelSurvey(
        channels=stream.channels,
        speech=tuple(tuple(found) for found in speech),
        level_db_CN=np.concatenate(levels, axis=1) if levels else np.zeros((len(stream.channels), 0)),
        num_samples=num_samples,
        products_CC=products_CC / max(1, num_samples),
        excerpts=tuple(excerpts.kept),
    )


class Excerpts:
    """A loud second of every block; of every second, fourth … block once there are many."""

    def __init__(self) -> None:
        """Starts empty."""
        self.kept: list[npt.NDArray[np.int16]] = []
        self._num_blocks = 0
        self._every = 1

    def take(self, pcm_CT: npt.NDArray[np.int16]) -> None:
        """Looks at the next block, of shape (C, T)."""
        self._num_blocks += 1
        if (self._num_blocks - 1) % self._every or not pcm_CT.shape[1]:
            return
        starts = range(0, max(1, pcm_CT.shape[1] - _EXCERPT_SAMPLES + 1), _EXCERPT_SAMPLES)
        seconds = [pcm_CT[:, start : start + _EXCERPT_SAMPLES] for start in starts]
        self.kept.append(max(seconds, key=lambda one_CT: float(np.abs(one_CT.astype(np.int32)).sum())).copy())
        if len(self.kept) > _MAX_EXCERPTS:
            self.kept, self._every = self.kept[::2], self._every * 2


def choose_channels(survey: ChannelSurvey, rule: Literal["auto", "each"]) -> ChannelSelection:
    """Channels that are captioned: with speech, copies once, and for `auto` with speech of their own."""
    speech_CN = np.stack([_mask(found, survey.level_db_CN.shape[1]) for found in survey.speech])
    spoken = [row for row, found in enumerate(survey.speech) if found]
    kept, copies = _without_copies(survey, speech_CN, spoken, rule)
    left_out = {row: f"is a copy of channel {survey.channels[of]}" for row, of in copies.items()}
    if rule == "auto":
        heard_elsewhere = [row for row in kept if not _has_own_speech(survey.level_db_CN, speech_CN, row, kept)]
        left_out |= dict.fromkeys(heard_elsewhere, "holds only speech that is much louder in another channel")
    return ChannelSelection(
        rows=tuple(row for row in kept if row not in left_out),
        left_out=tuple(f"channel {survey.channels[row]} {why}" for row, why in sorted(left_out.items())),
    )


def where_speech_is(survey: ChannelSurvey) -> list[str]:
    """What is silent and what is not, for a Recording in which no speech was found where it was looked for."""
    spoken = [str(channel) for channel, found in zip(survey.channels, survey.speech, strict=True) if found]
    silent = [
        str(channel)
        for channel, level_db_N in zip(survey.channels, survey.level_db_CN, strict=True)
        if level_db_N.max(initial=0.0) == 0.0
    ]
    parts = [f"channel {', '.join(silent)} is silent"] if silent else []
    if spoken:
        parts.append(f"there is speech in channel {', '.join(spoken)}: set segmentation.channels to auto")
    return parts


class KnownSpeech:
    """Speech that an earlier pass found, handed out again while the sound passes; see `SpeechStream`."""

    def __init__(self, intervals: tuple[SpeechInterval, ...]) -> None:
        """Takes the intervals of one channel, in order."""
        self._remaining = list(intervals)
        self._num_samples = 0

    @property
    def decided_samples(self) -> int:
        """See `SpeechStream`."""
        starts = [interval.start_samples for interval in self._remaining[:1]]
        return min([self._num_samples, *starts])

    def push(self, pcm_T: npt.NDArray[np.int16]) -> list[SpeechInterval]:
        """See `SpeechStream`."""
        self._num_samples += len(pcm_T)
        return list(self._ended(self._num_samples))

    def finish(self) -> list[SpeechInterval]:
        """See `SpeechStream`."""
        remaining, self._remaining = self._remaining, []
        return remaining

    def _ended(self, sample: int) -> Iterator[SpeechInterval]:
        while self._remaining and self._remaining[0].end_samples <= sample:
            yield self._remaining.pop(0)


def _levels(pcm_CT: npt.NDArray[np.int16]) -> FloatFrames:
    """Level of whole frames in dB over the smallest sample; 0 where all samples are zero."""
    frames_CNT = pcm_CT.reshape(len(pcm_CT), -1, _FRAME_SAMPLES).astype(np.float64)
    levels: FloatFrames = 10.0 * np.log10(1.0 + (frames_CNT**2).mean(axis=2))
    return levels


def _mask(intervals: tuple[SpeechInterval, ...], num_frames: int) -> BoolFrames:
    is_speech_N = np.zeros(num_frames, dtype=np.bool_)
    for interval in intervals:
        is_speech_N[interval.start_samples // _FRAME_SAMPLES : -(-interval.end_samples // _FRAME_SAMPLES)] = True
    return is_speech_N


def _without_copies(
    survey: ChannelSurvey, speech_CN: BoolFrames, rows: list[int], rule: Literal["auto", "each"]
) -> tuple[list[int], dict[int, int]]:
    """Rows left when copies are taken once, and of which row each other one is a copy; the louder one is taken."""
    level_db_CN = survey.level_db_CN
    kept: list[int] = []
    copies: dict[int, int] = {}

    def is_copy(row: int, other: int) -> bool:
        together = _levels_keep_together(level_db_CN, speech_CN, row, other, _SAME_SOUND_DB[rule])
        return together and survey.correlation(row, other) >= _CORRELATION[rule]

    for row in rows:
        twin = next((other for other in kept if is_copy(row, other)), None)
        if twin is None:
            kept.append(row)
        elif _loudness(level_db_CN, speech_CN, row) > _loudness(level_db_CN, speech_CN, twin) + _LOUDER_DB:
            kept[kept.index(twin)] = row
            copies = {one: row if of == twin else of for one, of in copies.items()} | {twin: row}
        else:
            copies[row] = twin
    return sorted(kept), copies


def _loudness(level_db_CN: FloatFrames, speech_CN: BoolFrames, row: int) -> float:
    """Level that the loudest twentieth of the speech of a row reaches, in dB."""
    spoken_N = level_db_CN[row][speech_CN[row]]
    return float(np.percentile(spoken_N, 95)) if len(spoken_N) else 0.0


def _levels_keep_together(
    level_db_CN: FloatFrames, speech_CN: BoolFrames, one: int, other: int, limit_db: float
) -> bool:
    """Whether the level between two rows holds still over every second of loud speech in either."""
    loud_N = np.zeros(level_db_CN.shape[1], dtype=np.bool_)
    for row in (one, other):
        loud_N |= speech_CN[row] & (level_db_CN[row] > _loudness(level_db_CN, speech_CN, row) - _LOUD_RANGE_DB)
    if not loud_N.any():
        return False
    window = np.ones(_WINDOW_FRAMES)
    num_loud_N = np.convolve(loud_N, window, mode="same")
    power_one_N, power_other_N = (
        np.convolve(np.where(loud_N, 10.0 ** (level_db_CN[row] / 10.0), 0.0), window, mode="same")
        for row in (one, other)
    )
    counted_N = num_loud_N >= min(_WINDOW_FRAMES // 2, num_loud_N.max())
    between_db_N = 10.0 * np.log10(power_one_N[counted_N] / power_other_N[counted_N])
    return bool(np.abs(between_db_N - np.median(between_db_N)).max() <= limit_db)


def _has_own_speech(level_db_CN: FloatFrames, speech_CN: BoolFrames, row: int, rows: list[int]) -> bool:
    """Whether a row speaks for a second while no other row that speaks is much louder."""
    others = [other for other in rows if other != row]
    louder_N = np.zeros(level_db_CN.shape[1], dtype=np.bool_)
    for other in others:
        louder_N |= speech_CN[other] & (level_db_CN[other] > level_db_CN[row] + _MUCH_LOUDER_DB)
    own_N = speech_CN[row] & ~louder_N
    longest = min(_OWN_FRAMES, int(speech_CN[row].sum()))
    return bool((np.convolve(own_N, np.ones(longest), mode="valid") >= longest).any()) if longest else False

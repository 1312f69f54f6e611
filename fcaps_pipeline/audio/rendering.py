"""Turns placed sound into int16 at 16 kHz: collects frames into blocks, takes the channels, checks, resamples.

Enters: Sounds and Silences one directly after the other. Leaves: int16 blocks of shape (C, T), sample n at second
n / 16000 of the media.

Shape suffix: C chosen channels, S channels of the source, T samples.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.audio.clipping import ClippingTrack
from fcaps_pipeline.audio.decoders import Samples, Sound
from fcaps_pipeline.audio.levels import MAX_PEAK, LevelCheck, peak_of
from fcaps_pipeline.audio.resample import FloatBlock, StreamResampler
from fcaps_pipeline.audio.timeline import Silence, Timeline
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Channel, seconds_to_samples

PcmBlock = npt.NDArray[np.int16]

_BLOCK_S = 8
_MAX_BLOCK_VALUES = 16_000_000
_FULL_SCALE = 32768.0


class Renderer:
    """One pass over a recording."""

    def __init__(
        self,
        name: str,
        channels: tuple[Channel, ...],
        num_channels: int,
        levels: LevelCheck,
        *,
        takes_all: bool,
    ) -> None:
        """Prepares a pass.

        Args:
            name: for messages.
            channels: what is taken.
            num_channels: that the header tells.
            levels: judges samples that are those that were stored.
            takes_all: whether all channels are meant, so that more of them further on would be lost.
        """
        self.clipping = ClippingTrack()
        self._name = name
        self._channels = channels
        self._num_channels = num_channels
        self._levels = levels
        self._takes_all = takes_all
        self._batch: list[Sound] = []
        self._num_batched = 0
        self._block_frames = 0
        self._batch_start_s = 0.0
        self._batch_rate_hz = 0
        self._resampler: StreamResampler | None = None
        self._num_out = 0

    def follow(self, timeline: Timeline, *, keeps_samples: bool) -> None:
        """Turns to a link of the file.

        Args:
            timeline: of the link.
            keeps_samples: False for lossy codecs, where a value beyond all measure is damage of one frame.
        """
        self._timeline = timeline
        self._keeps_samples = keeps_samples

    def fits(self, sound: Sound) -> bool:
        """Whether sound that follows on goes into the block at hand; it is taken then, and nothing comes out yet."""
        if not self._batch or self._num_batched >= self._block_frames or not _is_alike(self._batch[0], sound):
            return False
        self._batch.append(sound)
        self._num_batched += len(sound.samples)
        return True

    def sound(self, sound: Sound) -> Iterator[PcmBlock]:
        """Takes sound that follows on and begins a block."""
        yield from self._flush()
        if self._batch_rate_hz != sound.rate_hz:
            yield from self.end_stretch()
        self._batch_rate_hz = sound.rate_hz
        self._batch_start_s = self._timeline.position_s - len(sound.samples) / sound.rate_hz
        self._block_frames = min(_BLOCK_S * sound.rate_hz, _MAX_BLOCK_VALUES // sound.samples.shape[1])
        self._batch, self._num_batched = [sound], len(sound.samples)

    def silence(self, silence: Silence) -> Iterator[PcmBlock]:
        """Fills up to a moment."""
        yield from self.end_stretch()
        while (missing := seconds_to_samples(silence.until_s) - self._num_out) > 0:
            shape = (len(self._channels), min(missing, _BLOCK_S * SAMPLE_RATE_HZ))
            yield self._counted(np.zeros(shape, dtype=np.int16))

    def end_stretch(self) -> Iterator[PcmBlock]:
        """Lets the filter run out: what comes next does not follow on sample by sample."""
        yield from self._flush()
        if self._resampler is not None:
            yield self._counted(_to_pcm(self._resampler.finish()))
            self._resampler = None

    def _flush(self) -> Iterator[PcmBlock]:
        if not self._batch:
            return
        block_TS = np.concatenate([one.samples for one in self._batch])
        rate_hz = self._batch_rate_hz
        is_float = block_TS.dtype.kind == "f"
        if is_float or block_TS.dtype.itemsize > 2:
            block_TS = to_float(block_TS)
            if is_float and not self._keeps_samples:
                self._silence_damage(block_TS, rate_hz)
            else:
                self._levels.push(block_TS, self._batch_start_s, rate_hz)
        chosen_TC = self._select(block_TS)
        self.clipping.push(chosen_TC, rate_hz, self._batch_start_s)
        self._batch, self._num_batched = [], 0
        if self._resampler is None:
            self._resampler = StreamResampler(rate_hz, chosen_TC.shape[1])
        yield self._counted(_to_pcm(self._resampler.push(chosen_TC)))

    def _silence_damage(self, block_TS: FloatBlock, rate_hz: int) -> None:
        """A lossy decoder makes anything of a damaged packet: what cannot be sound becomes silence."""
        if peak_of(block_TS) <= MAX_PEAK:
            return
        start = 0
        for sound in self._batch:
            end = start + len(sound.samples)
            if peak_of(block_TS[start:end]) > MAX_PEAK:
                block_TS[start:end] = 0.0
                self._timeline.lose_decoded(self._batch_start_s + start / rate_hz, (end - start) / rate_hz)
            start = end

    def _select(self, block_TS: Samples) -> FloatBlock:
        num_samples, num_here = block_TS.shape
        if num_here != self._num_channels:
            duration_s = num_samples / self._batch_rate_hz
            self._timeline.note_channels(self._num_channels, num_here, self._batch_start_s, duration_s)
        rows = [self._row(block_TS, channel) for channel in self._channels]
        return np.stack(rows, axis=1)

    def _row(self, block_TS: Samples, channel: Channel) -> FloatBlock:
        num_here = block_TS.shape[1]
        if channel == "mix":
            mixed_T: FloatBlock = to_float(block_TS).mean(axis=1)
            return mixed_T
        if num_here == 1:
            return to_float(block_TS[:, 0])
        if channel >= num_here or (num_here > self._num_channels and self._takes_all):
            raise RecordingError(
                f"{self._name}: its {self._num_channels} channels become {num_here} at {self._batch_start_s:.2f} s; "
                "convert it to one layout, or set segmentation.channels to first or mix"
            )
        return to_float(block_TS[:, channel])

    def _counted(self, pcm_CT: PcmBlock) -> PcmBlock:
        self._num_out += pcm_CT.shape[1]
        return pcm_CT


def to_float(samples_TS: Samples) -> FloatBlock:
    """Samples with full scale at 1.0, whatever they were stored as."""
    kind, bits = samples_TS.dtype.kind, 8 * samples_TS.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):
            return samples_TS.astype(np.float32, copy=False)
    if kind == "u":
        return (samples_TS.astype(np.float32) - np.float32(128.0)) / np.float32(128.0)
    return (
        samples_TS * np.float32(2.0 ** (1 - bits))
        if bits <= 16
        else (samples_TS * 2.0 ** (1 - bits)).astype(np.float32)
    )


def _is_alike(one: Sound, other: Sound) -> bool:
    return (one.rate_hz, one.samples.shape[1], one.samples.dtype) == (
        other.rate_hz,
        other.samples.shape[1],
        other.samples.dtype,
    )


def _to_pcm(audio_TC: FloatBlock) -> PcmBlock:
    scaled_TC = audio_TC * np.float32(_FULL_SCALE)
    np.rint(scaled_TC, out=scaled_TC)
    np.clip(scaled_TC, -_FULL_SCALE, _FULL_SCALE - 1, out=scaled_TC)
    return np.ascontiguousarray(scaled_TC.T, dtype=np.int16)

"""What `fcaps bench scale` puts in place of audio and models: clips out of nothing, engines made of clocks.

A Recording becomes a stated number of Segments of a few milliseconds, without a file. An engine holds a number of
Segments at work, answers each after a time drawn for it, and dies of a clip that is poisoned. Knows no Ray.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.records.annotations import (
    Candidate,
    CaptionSet,
    Completion,
    Provenance,
    Sampling,
    Verdict,
    WorkUnit,
)
from fcaps_pipeline.records.audio import Acoustics, Recording, Segment, SegmentAudio
from fcaps_pipeline.records.captions import Granularity

MEAN_S = 10.7
"""Mean time of an answer, simulated seconds."""
OPEN_REQUESTS = 128
REQUESTS_PER_CLIP = 8
"""Five fine and three global candidates, as FCaps asked for."""
CLIPS_AT_WORK = OPEN_REQUESTS // REQUESTS_PER_CLIP
_CLIP_SAMPLES = 400
_POISON = "poison"
_CAPTION = "Somebody speaks"
"""Short, because a clip's captions are read once more when its row is written, on whatever cores segmenters have."""
_ACOUSTICS = Acoustics.model_validate(dict.fromkeys(Acoustics.model_fields, 0))


def units(clips_per_unit: int, poisoned: Callable[[], bool]) -> Iterator[WorkUnit]:
    """Units without end.

    Args:
        clips_per_unit: Segments of each; a unit is one Recording.
        poisoned: asked once a unit, whether it has a clip that kills.
    """
    for index in count():
        name = f"{_POISON if poisoned() else 'clips'}-{index:06d}-{clips_per_unit}"
        yield WorkUnit(unit_index=index, recordings=(Recording(recording_id=name, location=f"/{name}", source=name),))


def prepare(recording: Recording) -> Preparation:
    """In place of decoding and voice detection."""
    tally = SegmentationTally()
    return Preparation(recording, _segments(recording, tally), tally)


def _segments(recording: Recording, tally: SegmentationTally) -> Iterator[SegmentAudio]:
    *_, num_clips = recording.recording_id.split("-")
    rng = np.random.default_rng(int(hashlib.sha256(recording.recording_id.encode()).hexdigest()[:12], 16))
    for index in range(int(num_clips)):
        start = index * _CLIP_SAMPLES
        tally.num_segments += 1
        tally.num_samples += _CLIP_SAMPLES
        tally.speech_samples += _CLIP_SAMPLES
        segment = Segment(
            segment_id=Segment.make_id(recording.recording_id, 0, start, start + _CLIP_SAMPLES),
            recording_id=recording.recording_id,
            channel=0,
            start_samples=start,
            end_samples=start + _CLIP_SAMPLES,
        )
        pcm_T = rng.integers(-3000, 3000, _CLIP_SAMPLES).astype(np.int16)
        yield SegmentAudio(recording=recording, segment=segment, acoustics=_ACOUSTICS, pcm_T=pcm_T)


def has_poison(recording_id: str) -> bool:
    """Whether one of its clips kills."""
    return recording_id.startswith(_POISON)


def is_poisoned(segment: SegmentAudio) -> bool:
    """The third clip of a recording that has poison."""
    return has_poison(segment.recording.recording_id) and segment.segment.start_samples == 2 * _CLIP_SAMPLES


class Meter:
    """How much of the room of engines that are up is at work: two sums of clip-seconds."""

    def __init__(self) -> None:
        self._since_s = time.monotonic()
        self._at_work = self._room = 0
        self._busy_s = self._up_s = 0.0

    def change(self, *, at_work: int = 0, room: int = 0) -> None:
        """Notes that clips began or ended, or that an engine came or went."""
        self._advance()
        self._at_work += at_work
        self._room += room

    def read(self) -> tuple[float, float]:
        """Clip-seconds at work, and clip-seconds of room, so far."""
        self._advance()
        return self._busy_s, self._up_s

    def _advance(self) -> None:
        now_s = time.monotonic()
        self._busy_s += self._at_work * (now_s - self._since_s)
        self._up_s += self._room * (now_s - self._since_s)
        self._since_s = now_s


@dataclass
class Draw:
    """How long clips take, as of now."""

    time_scale: float
    """Simulated seconds that pass in a second."""
    spread: float

    def seconds(self, segment_id: str, speed: float) -> float:
        """Real seconds for one clip: lognormal, the same for the same clip and spread."""
        seed = int.from_bytes(hashlib.blake2b(segment_id.encode(), digest_size=8).digest())
        normal = float(np.random.default_rng(seed).standard_normal())
        drawn_s = MEAN_S * float(np.exp(self.spread * normal - self.spread**2 / 2))
        return drawn_s / self.time_scale / speed


class SimulatedEngine:
    """Answers about a clip after its time; a plain clock behind `Replica`."""

    def __init__(self, speed: float, draw: Draw, meter: Meter) -> None:
        self._speed = speed
        self._draw = draw
        self._meter = meter
        self._slots = asyncio.Semaphore(CLIPS_AT_WORK)
        self._at_work = 0
        self._is_up = True
        meter.change(room=CLIPS_AT_WORK)

    async def caption(self, segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        """One answer.

        Raises:
            EngineDeadError: the clip is poisoned.
        """
        async with self._slots:
            self._count(1)
            try:
                await asyncio.sleep(self._draw.seconds(segment.segment.segment_id, self._speed))
                if not self._is_up:
                    await asyncio.Event().wait()
                if is_poisoned(segment):
                    raise EngineDeadError("the engine process died")
            finally:
                self._count(-1)
        return (_answer(segment.segment.segment_id),)

    def go(self) -> None:
        """Hangs from now on: what is asked is never answered. Counts as not up."""
        if self._is_up:
            self._is_up = False
            self._meter.change(at_work=-self._at_work, room=-CLIPS_AT_WORK)

    def _count(self, change: int) -> None:
        self._at_work += change
        if self._is_up:
            self._meter.change(at_work=change)


def _answer(segment_id: str) -> CaptionSet:
    text = f"{_CAPTION} {segment_id}"
    candidate = Candidate.model_construct(
        granularity=Granularity.FINE,
        text=text,
        attributes=None,
        completion=Completion(text=text, finish_reason="stop", num_prompt_tokens=300, num_output_tokens=80, seed=1),
        attempt=1,
        request_key=hashlib.sha256(segment_id.encode()).hexdigest(),
        completion_index=0,
        provenance=_PROVENANCE,
        verdict=Verdict(),
        claims=None,
        trajectory=None,
    )
    return CaptionSet(granularity=Granularity.FINE, candidates=(candidate,), attempts=1)


_PROVENANCE = Provenance(
    engine="simulated",
    engine_version="1",
    model="clock",
    model_revision="1",
    prompt_name="embedded_fine",
    prompt_version=1,
    prompt_sha256="0" * 64,
    sampling=Sampling(),
)

"""How much the pipeline costs beyond its parts.

On the same clips, in one run: decoding, voice detection and acoustics in plain loops; the engine on
prepared arrays, all requests at once; the whole pipeline. The first two bound what any pipeline
around these parts can reach one after the other; the ratio says what Ray, verification, shards
and the waiting between the parts add, and what overlapping them saves.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.annotate.captioning.question import Question
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.engine import Engine
from fcaps_pipeline.annotate.run.annotate import annotate
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import AccountingError, RecordingError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.machine import describe_processor
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics, Recording, SegmentAudio
from fcaps_pipeline.records.base import Record


class AnnotateBench(Record):
    """Seconds of each part and of the whole, beyond start-up."""

    machine: str
    num_recordings: int
    num_segments: int
    audio_s: float
    decode_s: float
    """Decoding and resampling alone."""
    segments_s: float
    """Decoding, voice detection and acoustics, in plain loops."""
    acoustics_s: float
    """The share of acoustics in it."""
    engine_startup_s: float
    engine_s: float
    """All requests of all Segments at once, on prepared arrays."""
    num_output_tokens: int
    pipeline_startup_s: float
    pipeline_s: float

    @property
    def bare_s(self) -> float:
        """What the two bare parts take together."""
        return self.segments_s + self.engine_s

    @property
    def ratio(self) -> float:
        """The whole over its bare parts."""
        return self.pipeline_s / self.bare_s


def bench_annotate(job: Job, callback: RunCallback) -> AnnotateBench:
    """Measures the three of them one after the other.

    Raises:
        UsageError: the source holds no speech, or the job has more than one engine.
        FcapsError: as `annotate` raises.
    """
    if len(job.engines) != 1:
        raise UsageError("the benchmark compares with one bare engine; give a job with a single one")
    recordings = list(list_recordings(job.source))
    decode_s, audio_s = _decode(recordings, job)
    acoustics = _TimedAcoustics()
    segmenter = Segmenter(job.segmentation, SileroDetector(job.segmentation), acoustics.measure)
    begun_s = time.perf_counter()
    segments = _prepare(recordings, segmenter)
    segments_s = time.perf_counter() - begun_s
    if not segments:
        raise UsageError("the source holds no speech that makes a Segment; choose another for the benchmark")
    engine_startup_s, engine_s, num_tokens = asyncio.run(_ask_all(job, segments))
    with tempfile.TemporaryDirectory() as scratch:
        report = annotate(job, Path(scratch) / "run", callback)
    if report.totals.num_segments != len(segments) or report.totals.num_segment_failures:
        raise AccountingError(
            f"the pipeline captioned {report.totals.num_segments - report.totals.num_segment_failures} segments, the "
            f"bare parts {len(segments)}; the comparison is void, look at the messages above"
        )
    return AnnotateBench(
        machine=describe_processor(),
        num_recordings=len(recordings),
        num_segments=len(segments),
        audio_s=audio_s,
        decode_s=decode_s,
        segments_s=segments_s,
        acoustics_s=acoustics.elapsed_s,
        engine_startup_s=engine_startup_s,
        engine_s=engine_s,
        num_output_tokens=num_tokens,
        pipeline_startup_s=report.last_call.startup_s,
        pipeline_s=report.last_call.annotating_s,
    )


class _TimedAcoustics:
    """`measure_acoustics` with a clock around it."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def measure(self, pcm_T: npt.NDArray[np.int16]) -> Acoustics:
        begun_s = time.perf_counter()
        acoustics = measure_acoustics(pcm_T)
        self.elapsed_s += time.perf_counter() - begun_s
        return acoustics


def _decode(recordings: Sequence[Recording], job: Job) -> tuple[float, float]:
    begun_s = time.perf_counter()
    num_samples = 0
    channels = "each" if job.segmentation.channels == "auto" else job.segmentation.channels
    for recording in recordings:
        try:
            num_samples += decode_all(recording.location, channels).shape[-1]
        except RecordingError:
            continue  # the pipeline meets it too, and records it
    return time.perf_counter() - begun_s, num_samples / SAMPLE_RATE_HZ


def _prepare(recordings: Sequence[Recording], segmenter: Segmenter) -> list[SegmentAudio]:
    segments: list[SegmentAudio] = []
    for recording in recordings:
        try:
            segments.extend(segmenter.prepare(recording))
        except RecordingError:
            continue  # the pipeline meets it too, and records it
    return segments


async def _ask_all(job: Job, segments: Sequence[SegmentAudio]) -> tuple[float, float, int]:
    """Seconds to start, seconds to answer everything, and output tokens."""
    engine: Engine = build_engine(next(iter(job.engines.values())))
    begun_s = time.perf_counter()
    identity = await engine.start()
    startup_s = time.perf_counter() - begun_s
    requests = [
        Question(granularity, segment, config, load_prompt(config.prompt), (), identity).request(
            config.sampling, config.num_candidates, attempt=1
        )
        for segment in segments
        for granularity, config in job.captions.items()
    ]
    begun_s = time.perf_counter()
    try:
        answers = await asyncio.gather(*(engine.complete(request) for request in requests))
        elapsed_s = time.perf_counter() - begun_s
    finally:
        await engine.stop()
    return startup_s, elapsed_s, sum(one.num_output_tokens for answer in answers for one in answer)

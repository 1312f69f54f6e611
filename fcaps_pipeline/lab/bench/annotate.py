"""How much the pipeline costs beyond what bounds it.

On the same clips, in one run: the work of the CPUs (decoding, voice detection, acoustics) in plain loops; the
engine on prepared arrays, all requests at once; the whole pipeline. Each bare part has the cores that the
pipeline gives it, and no others. In a pipeline the two go on side by side, so that the slower of them is the
limit; what the whole takes beyond it is the price of Ray, verification and shards, and of waiting. Each
request is sent once in either, because what is asked again is the captions' matter, not the pipeline's.
"""

import asyncio
import math
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import SimpleQueue, get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.captioning.question import Question
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.engine import Engine
from fcaps_pipeline.annotate.run.annotate import annotate
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.placement import bundle_of, num_replicas
from fcaps_pipeline.annotate.segmentation.detectors import load_speaker_detector, load_voice_detector
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import AccountingError, RecordingError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.machine import describe_processor
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Measurements, Recording, SegmentAudio
from fcaps_pipeline.records.base import Record

AIM = 1.12
"""Whole over limit that the pipeline should reach."""


class AnnotateBench(Record):
    """Seconds of each part and of the whole, beyond start-up."""

    machine: str
    num_recordings: int
    num_segments: int
    audio_s: float
    num_cpu_cores: int
    """Cores that the bare work of the CPUs had."""
    decode_s: float
    """Decoding and resampling alone, on these cores."""
    segments_s: float
    """Decoding, voice detection and acoustics, on these cores."""
    acoustics_s: float
    """The share of acoustics in it."""
    num_engine_cores: int
    """Cores that the bare engine had."""
    engine_startup_s: float
    engine_s: float
    """All requests of all Segments at once, on prepared arrays."""
    num_output_tokens: int
    pipeline_startup_s: float
    pipeline_s: float

    @property
    def limit_s(self) -> float:
        """What the slower of the two bare parts takes: no pipeline around them is faster."""
        return max(self.segments_s, self.engine_s)

    @property
    def ratio(self) -> float:
        """The whole over its limit."""
        return self.pipeline_s / self.limit_s


def bench_annotate(job: Job, callback: RunCallback) -> AnnotateBench:
    """Measures the three of them one after the other.

    Raises:
        UsageError: the source holds no speech, or the job has more than one replica.
        FcapsError: as `annotate` raises.
    """
    engine = next(iter(job.engines.values()))
    if len(job.engines) != 1 or num_replicas(engine).max != 1:
        raise UsageError("the benchmark compares with one bare engine; give a job with a single one, of one replica")
    job = job.model_copy(update={"verification": job.verification.model_copy(update={"max_attempts": 1})})
    recordings = list(list_recordings(job.source))
    num_cpu_cores = _cores(job.resources.num_segmenters * job.resources.cpus_per_segmenter)
    cpu = _cpu_work(recordings, job, num_cpu_cores)
    if not cpu.segments:
        raise UsageError("the source holds no speech that makes a Segment; choose another for the benchmark")
    num_engine_cores = _cores(bundle_of(engine).get("CPU", 1))
    with _pool(1, cores_each=num_engine_cores) as pool:
        engine_startup_s, engine_s, num_tokens = pool.submit(_ask_all, job, cpu.segments).result()
    with tempfile.TemporaryDirectory() as scratch:
        report = annotate(job, Path(scratch) / "run", callback)
    if report.totals.num_segments != len(cpu.segments) or report.totals.num_segment_failures:
        raise AccountingError(
            f"the pipeline captioned {report.totals.num_segments - report.totals.num_segment_failures} segments, the "
            f"bare parts {len(cpu.segments)}; the comparison is void, look at the messages above"
        )
    return AnnotateBench(
        machine=describe_processor(),
        num_recordings=len(recordings),
        num_segments=len(cpu.segments),
        audio_s=cpu.audio_s,
        num_cpu_cores=num_cpu_cores,
        decode_s=cpu.decode_s,
        segments_s=cpu.segments_s,
        acoustics_s=cpu.acoustics_s,
        num_engine_cores=num_engine_cores,
        engine_startup_s=engine_startup_s,
        engine_s=engine_s,
        num_output_tokens=num_tokens,
        pipeline_startup_s=report.last_call.startup_s,
        pipeline_s=report.last_call.annotating_s,
    )


@dataclass(frozen=True)
class _CpuWork:
    """What the processes of the bare CPU work did; the slowest of them decides the times."""

    decode_s: float
    segments_s: float
    acoustics_s: float
    audio_s: float
    segments: tuple[SegmentAudio, ...]


def _cores(wanted: float) -> int:
    """Whole cores for a share of the machine, no more than it has."""
    return min(max(1, math.ceil(wanted)), len(os.sched_getaffinity(0)))


def _pool(num_processes: int, cores_each: int) -> ProcessPoolExecutor:
    """Fresh processes, each tied to cores of its own, and all they start with them."""
    context = get_context("spawn")
    cores, shares = sorted(os.sched_getaffinity(0)), context.SimpleQueue()
    for index in range(num_processes):
        shares.put(cores[index * cores_each : (index + 1) * cores_each])
    return ProcessPoolExecutor(num_processes, context, _tie, (shares,))


def _tie(shares: "SimpleQueue[list[int]]") -> None:
    os.sched_setaffinity(0, shares.get())


def _cpu_work(recordings: Sequence[Recording], job: Job, num_cores: int) -> _CpuWork:
    with _pool(num_cores, cores_each=1) as pool:
        parts = list(
            pool.map(_prepare, [recordings[index::num_cores] for index in range(num_cores)], [job] * num_cores)
        )
    return _CpuWork(
        decode_s=max(one.decode_s for one in parts),
        segments_s=max(one.segments_s for one in parts),
        acoustics_s=max(one.acoustics_s for one in parts),
        audio_s=sum(one.audio_s for one in parts),
        segments=tuple(segment for one in parts for segment in one.segments),
    )


def _prepare(recordings: Sequence[Recording], job: Job) -> _CpuWork:
    decode_s, audio_s = _decode(recordings, job)
    acoustics = _TimedAcoustics()
    segmenter = Segmenter(
        job.segmentation,
        load_voice_detector(job.segmentation),
        acoustics.measure,
        speakers=load_speaker_detector(job.segmentation),
    )
    segments: list[SegmentAudio] = []
    begun_s = time.perf_counter()
    for recording in recordings:
        try:
            segments.extend(segmenter.prepare(recording))
        except RecordingError:
            continue  # the pipeline meets it too, and records it
    return _CpuWork(
        decode_s=decode_s,
        segments_s=time.perf_counter() - begun_s,
        acoustics_s=acoustics.elapsed_s,
        audio_s=audio_s,
        segments=tuple(segments),
    )


class _TimedAcoustics:
    """`measure_segment` with a clock around it."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def measure(self, pcm_T: npt.NDArray[np.int16]) -> Measurements:
        begun_s = time.perf_counter()
        found = measure_segment(pcm_T)
        self.elapsed_s += time.perf_counter() - begun_s
        return found


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


def _ask_all(job: Job, segments: Sequence[SegmentAudio]) -> tuple[float, float, int]:
    return asyncio.run(_ask(job, segments))


async def _ask(job: Job, segments: Sequence[SegmentAudio]) -> tuple[float, float, int]:
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

"""A long recording passes through the whole of the sound part in memory that does not grow with its length."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

MAX_RESIDENT_BYTES = 1_500_000_000
MAX_GROWTH_BYTES = 60_000_000
"""From a quarter of the recording to its end; the samples in between would take twice that."""
HALF_HOURS = 3
RATE_HZ = 16_000

PASS = """
import resource, sys
from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector

config = SegmentationConfig()
segmenter = Segmenter(config, SileroDetector(config), measure_segment)
preparation = segmenter.prepare(Recording(recording_id="long", location=sys.argv[1], source="long.flac"))
peaks = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 for _ in preparation]
report = preparation.report
print(report.duration_s, report.num_segments, peaks[len(peaks) // 4], peaks[-1])
"""


def _write_long_recording(path: Path, speech_T: npt.NDArray[np.int16]) -> None:
    """Speech every half hour, silence in between: it passes through everything and takes little disk."""
    half_hour_T = np.zeros(1_800 * RATE_HZ, dtype=np.int16)
    half_hour_T[: len(speech_T)] = speech_T
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16", compression_level=0) as file:
        for _ in range(HALF_HOURS):
            file.write(half_hour_T)


def test_memory_does_not_grow_with_the_length_of_a_recording(tmp_path: Path, shared_audio: Path) -> None:
    path = tmp_path / "long.flac"
    speech_T, _ = soundfile.read(shared_audio / "long" / "silero_test.wav", dtype="int16")
    _write_long_recording(path, speech_T)
    finished = subprocess.run([sys.executable, "-c", PASS, str(path)], capture_output=True, text=True, check=True)
    duration_s, num_segments, early_bytes, late_bytes = map(float, finished.stdout.split())
    assert duration_s == HALF_HOURS * 1_800
    assert num_segments == HALF_HOURS * 4
    assert late_bytes < MAX_RESIDENT_BYTES
    assert late_bytes - early_bytes < MAX_GROWTH_BYTES

"""What a segmenter loads, and when."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.ray_runtime import segmenting
from fcaps_pipeline.annotate.run.ray_runtime.segmenting import SegmentingActor
from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.audio import Cut, Recording
from tests.unit.annotate.run.test_unit_worker import JOB


def test_recordings_with_cuts_need_no_detector_and_one_that_cannot_be_loaded_is_no_fault_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: Job) -> VoiceDetector:
        raise DependencyError("silero_vad is not installed")

    monkeypatch.setattr(segmenting, "_voice_detector", missing)
    prepare = SegmentingActor.__new__(SegmentingActor).prepare_with(JOB)
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    recording = Recording(recording_id="noise", location=str(path), source=path.name)
    cut = Cut(start_samples=0, end_samples=32_000)
    (segment,) = prepare(recording.model_copy(update={"cuts": (cut,)}))
    assert len(segment.pcm_T) == 32_000
    with pytest.raises(DependencyError):
        prepare(recording)

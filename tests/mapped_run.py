"""A finished run, by reference, of Recordings whose channels are told by their source."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import AudioFile, Channel, Recording, Segment, SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan
from fcaps_pipeline.shards.plan_file import PlanFileWriter
from fcaps_pipeline.shards.recording_table import table_of, with_hashes
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented
from tests.unit.learn.training.written_runs import write_index

NUM_SAMPLES = 40_000
SPANS: tuple[tuple[str, Channel, int], ...] = (
    ("pair", 0, 0),
    ("pair", 1, 4_000),
    ("other", 1, 0),
    ("swapped", 0, 100),
    ("swapped", "mix", 200),
)
"""Recording, channel and first sample of each Segment; `pair` and `other` begin with the same file."""


def write_mapped_run(
    folder: Path, make_audio: Callable[..., SegmentAudio], annotate: Callable[[SegmentAudio], Annotation]
) -> RunLayout:
    """Writes the run with its plan, and the files beside it."""
    recordings = {one.recording_id: one for one in _recordings(folder)}
    layout = RunLayout(folder / "run")
    with UnitWriter(layout, 0, row_group_bytes=100_000, embed_audio=False) as writer:
        for recording_id, channel, start in SPANS:
            audio = _segment(make_audio(), recordings[recording_id], channel, start)
            writer.add(annotate(audio), audio)
        outcomes = [segmented(2), segmented(1), segmented(2)]
        named = zip(outcomes, recordings, strict=True)
        writer.commit(tuple(one.model_copy(update={"recording_id": name}) for one, name in named), len(SPANS), 1.0)
    write_index(layout)
    write_plan(layout, recordings.values())
    return layout


def write_plan(layout: RunLayout, recordings: Collection[Recording], unit_index: int = 0) -> None:
    """Stores a plan of one unit."""
    with PlanFileWriter(layout, 1) as writer:
        writer.write(np.full(len(recordings), unit_index, np.int32), with_hashes(table_of(list(recordings))))
        file = writer.finish()
    summary = Plan(
        num_units=unit_index + 1,
        num_recordings=len(recordings),
        num_without_length=0,
        duration_s=0.0,
        num_segments_expected=0,
        num_looked_at=0,
        num_missing=0,
        num_ignored_files={},
        num_read_beside=0,
        warnings={},
        remarks=(),
        files=(file,),
    )
    layout.plan.on_disk().write_text(summary.model_dump_json())


def _recordings(folder: Path) -> list[Recording]:
    for seed, (name, num_channels) in enumerate((("a", 1), ("b", 1), ("c", 1), ("d", 2))):
        noise_TC = np.random.default_rng(seed).integers(-3000, 3000, (2 * NUM_SAMPLES, num_channels), np.int16)
        soundfile.write(folder / f"{name}.wav", noise_TC, 16_000)
    files = {
        "pair": (("a", (0,)), ("b", (1,))),
        "other": (("a", (0,)), ("c", (1,))),
        "swapped": (("d", (1, 0)),),
    }
    return [
        Recording(
            recording_id=recording_id,
            location=str(folder / f"{parts[0][0]}.wav"),
            source=f"{parts[0][0]}.wav",
            files=tuple(AudioFile(location=str(folder / f"{name}.wav"), channels=rows) for name, rows in parts),
            num_channels=2,
            source_rate_hz=16_000,
            sha256="0" * 64,
        )
        for recording_id, parts in files.items()
    ]


def _segment(template: SegmentAudio, recording: Recording, channel: Channel, start: int) -> SegmentAudio:
    end = start + NUM_SAMPLES
    with open_recording(recording, (channel,)) as stream:
        pcm_T = np.concatenate(list(stream.blocks()), axis=1)[0, start:end]
    segment = Segment(
        segment_id=Segment.make_id(recording.recording_id, channel, start, end),
        recording_id=recording.recording_id,
        channel=channel,
        start_samples=start,
        end_samples=end,
    )
    return replace(template, recording=recording, segment=segment, pcm_T=pcm_T)

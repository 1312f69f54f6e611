"""Jobs of tiny models on tones, as the tests of training have them."""

from pathlib import Path

from fcaps_pipeline.learn.training.job import TrainJob
from tests.unit.learn.training.tones import tone_data, tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio


def write_job(folder: Path, make_audio: MakeAudio, annotate: Annotate, *, num_workers: int = 0) -> TrainJob:
    """A job on 45 rows in two shards."""
    train = write_tones(folder / "train", make_audio, annotate, 45, "t")
    dev = write_tones(folder / "dev", make_audio, annotate, 6, "dev")
    return tone_job(train, dev, data=tone_data(train, dev, batch_s=4.0, num_workers=num_workers))

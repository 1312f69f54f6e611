import subprocess
import sys

import pytest
from pydantic import ValidationError

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.job_file import JobText, validate_job
from fcaps_pipeline.learn.dual_encoder.config import (
    DualEncoderConfig,
    FrameProjectorConfig,
    MelTowerConfig,
    PretrainedSpeechTowerConfig,
    SmallTextTowerConfig,
)
from tests.unit.learn.dual_encoder.building import TINY


def test_default_towers_are_the_small_ones() -> None:
    config = DualEncoderConfig()
    assert isinstance(config.speech, MelTowerConfig)
    assert isinstance(config.text, SmallTextTowerConfig)
    assert config.frames is None


def test_kind_decides_the_tower() -> None:
    config = DualEncoderConfig.model_validate({"speech": {"kind": "pretrained", "name": "microsoft/wavlm-large"}})
    assert isinstance(config.speech, PretrainedSpeechTowerConfig)


def test_config_survives_json() -> None:
    assert DualEncoderConfig.model_validate_json(TINY.model_dump_json()) == TINY


def test_unknown_kind_is_one_line_of_a_job() -> None:
    with pytest.raises(JobError, match=r"job.yaml: speech.kind: unknown kind; known are mel, pretrained"):
        validate_job(DualEncoderConfig, JobText("job.yaml", {"speech": {"kind": "bark"}}, {}))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValidationError, match="width 100 is not a multiple of twice the 8 heads"):
        MelTowerConfig(width=100, num_heads=8)


def test_heads_of_the_frame_projector_must_divide_the_embedding() -> None:
    with pytest.raises(ValidationError, match="embedding_size 100 is not a multiple of twice the 8 heads"):
        DualEncoderConfig(embedding_size=100, frames=FrameProjectorConfig())


def test_job_files_are_read_without_torch() -> None:
    code = (
        "import sys, fcaps_pipeline.learn.dual_encoder.config; "
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

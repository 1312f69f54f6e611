"""Rows carried over from a damaged file got a checksum of their own, so that damage passed for sound from then on."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export.export import export, settings_for
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus, data_shard
from tests.unit.release.test_build import recipe


def damage_audio(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[content.index(b"fLaC") + 1000] ^= 0xFF
    shard.write_bytes(content)


def test_no_release_is_built_of_a_damaged_run(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> None:
    run = RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(14))
    damage_audio(data_shard(run, 1))
    with pytest.raises(CorruptRunError, match=r"data/unit-00001-1-.* was changed: sha256"):
        build_release(recipe(run), tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()
    dataset = open_dataset(run)
    with pytest.raises(CorruptRunError, match=r"data/unit-00001-1-.* was changed: sha256"):
        export(dataset, settings_for("audiofolder", dataset), tmp_path / "export")

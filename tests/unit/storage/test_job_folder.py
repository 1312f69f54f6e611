from pathlib import Path

import pytest
from pydantic import BaseModel

from fcaps_pipeline.errors import CorruptRunError, JobError, OutputError, UsageError
from fcaps_pipeline.storage.job_folder import claim, refuse_strangers, require_same_job
from fcaps_pipeline.storage.path import store_path


def test_only_our_own_files_may_be_there_already(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    (tmp_path / ".0f3a.tmp").write_text("")
    (tmp_path / ".lease").mkdir()
    job.write_text("")
    refuse_strangers(store_path(tmp_path), store_path(job), kind="a run folder")
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(UsageError, match=r"neither empty nor a run folder \(it holds thesis.txt\)"):
        refuse_strangers(store_path(tmp_path), store_path(job), kind="a run folder")


def test_every_differing_key_is_named_with_both_values(tmp_path: Path) -> None:
    stored = {"a": {"b": 1, "c": 2}, "gone": True}
    require_same_job(stored, {"a": {"b": 1, "c": 2}, "gone": True}, tmp_path / "job.json")
    with pytest.raises(JobError, match=r"differs in a\.c \(was 2, is 3\), gone \(was True, is None\)"):
        require_same_job(stored, {"a": {"b": 1, "c": 3}}, tmp_path / "job.json")


def test_a_file_without_a_job_is_damage(tmp_path: Path) -> None:
    with pytest.raises(CorruptRunError, match="does not hold a job"):
        require_same_job([], {}, tmp_path / "job.json")


class _Settings(BaseModel):
    seed: int


def test_a_folder_is_of_the_settings_that_it_was_begun_with(tmp_path: Path) -> None:
    note = tmp_path / "new" / "settings.json"
    claim(note, _Settings(seed=3))
    claim(note, _Settings(seed=3))
    with pytest.raises(JobError, match=r"differs in seed \(was 3, is 4\); undo the change, or choose another folder"):
        claim(note, _Settings(seed=4))
    note.write_text("{")
    with pytest.raises(CorruptRunError, match=r"settings\.json cannot be read as a note of settings"):
        claim(note, _Settings(seed=3))


def test_settings_that_cannot_be_noted_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*make room or access there"):
        claim(tmp_path / "file" / "settings.json", _Settings(seed=3))

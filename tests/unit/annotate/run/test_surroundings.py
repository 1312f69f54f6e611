"""An ordinary machine is no defect: what it lacks is mended, or told in one line."""

import os
import resource
import tempfile
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.run.surroundings import give_ray_a_token, raise_file_limit, ray_folder, scratch_folder
from fcaps_pipeline.errors import ResourceError
from tests.privileges import unprivileged


def _long(folder: Path) -> Path:
    path = folder / "slurm_jobdir_of_a_long_user_name" / "1355700" / "tmp.t0016"
    path.mkdir(parents=True)
    return path


def test_sockets_lie_elsewhere_where_the_folder_is_too_long(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        assert ray_folder([_long(tmp_path), Path(short)]) == Path(short) / "ray"


def test_the_folder_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("TMPDIR", short)
        assert ray_folder() == Path(short) / "ray"
    monkeypatch.setenv("TMPDIR", str(_long(tmp_path)))
    assert len(str(ray_folder())) < 20


def test_no_folder_is_short_and_writable(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"is too long .* at most 107 bytes.*set RAY_TMPDIR to a short folder"):
        ray_folder([_long(tmp_path)])
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        Path(short).chmod(0o500)
        with unprivileged(), pytest.raises(ResourceError, match=r"is not writable .*: set RAY_TMPDIR"):
            ray_folder([Path(short)])
        assert list(Path(short).iterdir()) == []


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
        raise_file_limit(wanted=500, least=400)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (500, hard)
        with pytest.raises(ResourceError, match=r"may open 500 files, Ray needs 600: raise the hard limit"):
            raise_file_limit(wanted=500, least=600)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_home_that_cannot_be_written_keeps_no_token(monkeypatch: pytest.MonkeyPatch, *, is_writable: bool) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "")  # is put back afterwards, whatever is set here
        monkeypatch.delenv(name)
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o777 if is_writable else 0o555)
        monkeypatch.setenv("HOME", home)
        with unprivileged():
            give_ray_a_token()
        assert (Path(home) / ".ray").is_dir() == is_writable
        assert ("RAY_AUTH_TOKEN" in os.environ) == (not is_writable)


def test_a_scratch_folder_is_gone_afterwards_or_told_to_be_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ResourceError, match="set TMPDIR to one that can"), scratch_folder():
        pass

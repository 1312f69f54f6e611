"""What others may do with written files is what the process says, whichever library writes them."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fcaps_pipeline.storage.files import usual_rights


@pytest.fixture(params=[0o022, 0o027, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_of_safetensors_is_readable_as_any_other(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "model.safetensors"
    for value in (1.0, 2.0):
        with usual_rights(path):
            save_file({"weight": np.array([value])}, path)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask
        assert load_file(path)["weight"].tolist() == [value]

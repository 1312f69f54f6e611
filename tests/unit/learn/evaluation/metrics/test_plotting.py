"""Without the extra `train` one line says what to install."""

import sys

import pytest

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.learn.evaluation.metrics.plotting import new_figure, require_matplotlib


def test_a_missing_matplotlib_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    require_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for needs_it in (require_matplotlib, lambda: new_figure(1, 1)):
        with pytest.raises(DependencyError, match=r"matplotlib.* cannot be imported .*install the extra \[train\]"):
            needs_it()

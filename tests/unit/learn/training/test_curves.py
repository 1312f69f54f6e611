"""Pictures of curves can be read: axes say what they show, and the legend covers no line."""

from pathlib import Path

import pytest

from fcaps_pipeline.learn.training.curves import curves_figure, draw_curves


def test_curves_become_a_picture(tmp_path: Path) -> None:
    draw_curves(tmp_path / "a.png", {"loss": [(1, 2.0), (2, 1.5)], "none": []}, title="loss", value="nats")
    draw_curves(tmp_path / "b.png", {}, title="nothing yet", value="nats")
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("num_series", [1, 10])
def test_the_legend_stands_outside_the_axes(num_series: int) -> None:
    series = {f"fine.speech_to_text.recall_at_{k}": [(step, k / step) for step in (1, 2, 3)] for k in range(num_series)}
    figure = curves_figure(series, title="retrieval on dev", value="share of queries")
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    assert not legend.get_window_extent().overlaps(axes.get_tightbbox())
    assert axes.get_window_extent().height > figure.bbox.height / 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "share of queries")
    assert [text.get_text() for text in legend.get_texts()] == list(series)

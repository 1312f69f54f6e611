"""Draws curves over steps into a PNG.

Enters: series of points by name. Leaves: a file. Uses no display.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fcaps_pipeline.learn.evaluation.metrics.plotting import new_figure

Points = Sequence[tuple[int, float]]


def draw_curves(path: Path, series: Mapping[str, Points], *, title: str, value: str) -> None:
    """Replaces the file by the picture of `curves_figure`.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    curves_figure(series, title=title, value=value).savefig(path, dpi=120)


def curves_figure(series: Mapping[str, Points], *, title: str, value: str) -> Any:
    """All series in one figure, with the legend below the axes, where it covers no line.

    Args:
        series: points at rising steps, by name.
        title: above the axes.
        value: what the points measure, beside the axis.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    figure = new_figure(8, 4.5 + 0.12 * len(series))
    axes = figure.add_subplot()
    for name, points in series.items():
        steps, values = zip(*points, strict=True) if points else ((), ())
        axes.plot(steps, values, label=name, marker="." if len(points) < 50 else None, linewidth=1.2)
    axes.set(title=title, xlabel="step", ylabel=value)
    axes.grid(visible=True, alpha=0.3)
    if series:
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure

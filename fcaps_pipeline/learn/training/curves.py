"""Draws curves over steps into a PNG.

Enters: series of points by name. Leaves: a file. Uses no display.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fcaps_pipeline.learn.evaluation.metrics.plotting import new_figure

Points = Sequence[tuple[int, float]]


def draw_curves(path: Path, series: Mapping[str, Points], *, title: str) -> None:
    """Replaces the file by a picture of all series, which have points at rising steps.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    figure = new_figure(8, 4.5)
    axes = figure.add_subplot()
    for name, points in series.items():
        steps, values = zip(*points, strict=True) if points else ((), ())
        axes.plot(steps, values, label=name, marker="." if len(points) < 50 else None, linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_title(title)
    axes.grid(visible=True, alpha=0.3)
    if series:
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)

"""Blank figures for pictures of curves and matrices, drawn without a display.

Enters: a size. Leaves: a figure of matplotlib, which only the extra `train` installs.
"""

from typing import Any

from fcaps_pipeline.errors import DependencyError


def new_figure(width_inches: float, height_inches: float) -> Any:
    """A `matplotlib.figure.Figure` that can be saved as PNG.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    figure_of, canvas_of = _library()
    figure = figure_of(figsize=(width_inches, height_inches), layout="constrained")
    canvas_of(figure)
    return figure


def require_matplotlib() -> None:
    """Makes sure, before hours of work, that pictures can be drawn at their end.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    _library()


def _library() -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError(
            f"matplotlib, which draws the pictures of a report, cannot be imported ({error}); install the extra [train]"
        ) from error
    return Figure, FigureCanvasAgg

"""The pictures of a dataset card, drawn without a display from the figures of a release.

Enters: `Statistics`. Leaves: PNG files as bytes, the same for the same figures: without date or name of the software.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.statistics import DURATION_BIN_S, LENGTH_BIN, PITCH_BIN_HZ, Statistics

FIGURES = {
    "durations": "Lengths of the segments of each split",
    "attributes": "Shares of the attributes in each split",
    "caption_lengths": "Lengths of the captions",
    "pitch": "Median F0 by gender",
}
"""Names of the pictures, and what they show."""
_DPI = 100
_WIDTH_INCHES, _HEIGHT_INCHES = 8.0, 4.0
_MAX_VALUES = 6
_LABEL_CHARACTERS = 24


def draw_figures(statistics: Statistics) -> dict[str, bytes]:
    """Content of the PNG files, by name without ending.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    lengths = {granularity.value: bins for granularity, bins in statistics.caption_lengths.items()}
    drawn: dict[str, Callable[[Any], None]] = {
        "durations": lambda figure: _histograms(figure, statistics.durations, DURATION_BIN_S, "seconds", "segments"),
        "attributes": lambda figure: _shares(figure, statistics),
        "caption_lengths": lambda figure: _histograms(figure, lengths, LENGTH_BIN, "characters", "captions"),
        "pitch": lambda figure: _histograms(
            figure, statistics.pitch_by_gender, PITCH_BIN_HZ, "median F0 in Hz", "segments"
        ),
    }
    return {name: _png(draw, FIGURES[name], rows=4 if name == "attributes" else 1) for name, draw in drawn.items()}


def _png(draw: Callable[[Any], None], title: str, rows: int) -> bytes:
    figure_of, canvas_of, style = _library()
    with style({"font.family": "DejaVu Sans"}):
        figure = figure_of(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES * (1 + rows) / 2), layout="constrained")
        canvas_of(figure)
        draw(figure)
        figure.suptitle(title)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return content.getvalue()


def _histograms(figure: Any, series: Mapping[str, Mapping[float, int]], width: float, what: str, of: str) -> None:
    """One line of steps for each name, in shares, so that a small split can be seen beside a large one."""
    axes = figure.add_subplot()
    for name, bins in series.items():
        total = sum(bins.values())
        if total:
            lowest, highest = min(bins), max(bins)
            edges = [lowest + index * width for index in range(round((highest - lowest) / width) + 2)]
            heights = [bins.get(round(edge, 4), 0) / total for edge in edges[:-1]]
            axes.stairs(heights, edges, label=f"{_label(name)} ({total})", linewidth=1.5)
    axes.set_xlabel(what)
    axes.set_ylabel(f"share of {of}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def _shares(figure: Any, statistics: Statistics) -> None:
    """A field for each attribute, with a bar for each value in each split."""
    splits = list(statistics.splits)
    fields = figure.subplots(4, 2).flat
    for axes, name in zip(fields, Profile.model_fields, strict=True):
        listed = statistics.values[name].listed[:_MAX_VALUES]
        for place, split in enumerate(splits):
            num_rows = statistics.splits[split].num_rows or 1
            thickness = 0.8 / len(splits)
            axes.barh(
                [index + place * thickness for index in range(len(listed))],
                [one.num_rows.get(split, 0) / num_rows for one in listed],
                height=thickness,
                label=split,
            )
        labels = ["left open" if one.value is None else _label(one.value) for one in listed]
        axes.set_yticks([index + 0.4 - 0.4 / max(len(splits), 1) for index in range(len(listed))], labels)
        axes.set_title(name.replace("_", " "))
        axes.set_xlim(0, 1)
        axes.invert_yaxis()
    if splits:
        figure.axes[0].legend()


def _label(text: str) -> str:
    r"""Text that matplotlib shows as it is: `$` would begin a formula, and a first `_` hides it from a legend."""
    line = text.encode("ascii", "replace").decode()[:_LABEL_CHARACTERS].replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def check_drawing() -> None:
    """Makes sure that pictures can be drawn, before hours of work that end with them.

    Raises:
        DependencyError: matplotlib cannot be imported.
    """
    _library()


def _library() -> tuple[Any, Any, Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError(
            f"matplotlib, which draws the pictures of a dataset card, cannot be imported ({error}); install the extra "
            "[release]"
        ) from error
    return Figure, FigureCanvasAgg, rc_context

"""What every progress bar of the command line has: it runs on a console and disappears where there is no terminal."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from fcaps_pipeline.cli.console import Stream

_BAR_WIDTH = 20
"""Columns; what is said beside the bar must fit on a terminal of 80."""


class Bar:
    """A description and a bar, followed by the columns of the kind; to be used as a context."""

    def __init__(
        self, console: Stream, *columns: ProgressColumn, transient: bool = False, expand: bool = False
    ) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            *columns,
            console=console,
            transient=transient,
            expand=expand,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def refresh(self) -> None:
        """Draws the bar as it is now."""
        self._bar.refresh()

"""What every progress bar of the command line has: it runs on a console and disappears where there is no terminal."""

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from fcaps_pipeline.cli.console import Stream


class Bar:
    """A description and a bar, followed by the columns of the kind; to be used as a context."""

    def __init__(self, console: Stream, *columns: ProgressColumn, transient: bool = False) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            console=console,
            transient=transient,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

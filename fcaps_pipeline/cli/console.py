"""The two streams of the command line, and how lines and tables stand in them.

Captions, names and paths come from strangers: whatever is printed is made printable here, once.
"""

import os
import sys
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from fcaps_pipeline.errors import printable

_WIDEST = 10_000
_WIDTH_OF_FILES = 160
"""Columns of a table that no terminal shows."""


LISTED = 20
"""Lines of a list that nobody asked to be longer."""


class Stream(Console):
    """A console whose text is never markup."""

    def __init__(self, file: TextIO | None = None, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(file=file, stderr=stderr, width=width, highlight=False, markup=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Everything printed comes by here, after which only rich itself steers the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_printable_lines(segment.text), segment.style)

    def say(self, text: str, style: str | None = None) -> None:
        """One line: a terminal breaks it between words, never inside a path or id; a log has it whole."""
        if self.is_terminal:
            self.print(text, style=style, overflow="ignore", crop=False)
        else:
            self.print(text, style=style, soft_wrap=True)

    def page(self, markdown: str) -> None:
        """Tables and lists: laid out on a terminal, which would break their lines; in a file as they are."""
        if self.is_terminal:
            from rich.markdown import Markdown

            self.print(Markdown(markdown))
        else:
            self.say(markdown)

    def show(self, table: Table) -> None:
        """A table, wider than the terminal if its columns with `no_wrap`, which hold paths and ids, ask for it."""
        needed = Measurement.get(self, self.options.update_width(_WIDEST), table).minimum
        table.width = needed if needed > self.width else None
        self.print(table, crop=False)


def _printable_lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _width() -> int | None:
    """What the terminal or the variable COLUMNS says; else that of files."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_FILES


result = Stream(width=_width())
"""What the command was asked for: stdout."""

messages = Stream(stderr=True)
"""Progress, notes and errors: stderr."""

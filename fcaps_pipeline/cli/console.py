"""The two streams of the command line."""

import sys

from rich.console import Console

_WIDTH_OF_FILES = 160
"""Columns of a table that no terminal shows."""

result = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)
"""What the command was asked for: stdout."""

messages = Console(stderr=True, highlight=False, markup=False)
"""Progress, notes and errors: stderr."""

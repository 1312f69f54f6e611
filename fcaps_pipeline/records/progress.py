"""How long work of one stage after the other tells how it goes, such as embedding or synthesis."""

from typing import Protocol


class ProgressCallback(Protocol):
    """Told of progress; a progress bar for instance."""

    def on_begin(self, what: str, total: int) -> None:
        """A stage of so many items starts."""

    def on_advance(self, num_items: int, note: str = "") -> None:
        """So many more of them are done; the note says how it goes."""

"""One thing that was measured on a folder of this machine and on a store, in one run."""

from fcaps_pipeline.records.base import Record


class Figure(Record):
    """Both in the same unit."""

    name: str
    unit: str
    disk: float
    store: float
    aim: str = ""
    """Of the store or of the ratio; empty where there is none."""

    @property
    def ratio(self) -> float | None:
        """Store over disk; None where disk has nothing to compare with."""
        return self.store / self.disk if self.disk else None

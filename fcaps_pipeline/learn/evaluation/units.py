"""What the draws of an interval draw: the speakers, for clips of one voice are alike.

Enters: rows, or the speakers of clips. Leaves: the unit of each clip, and the word for it.
Source: Field and Welsh, Bootstrapping clustered data, Journal of the Royal Statistical Society B 69, 2007.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.learn.data.batches import TrainingRow
from fcaps_pipeline.learn.evaluation.metrics.confidence import Positions

CLIPS = "clips"
SPEAKERS = "speakers"
RECORDINGS = "recordings"


@dataclass(frozen=True)
class Units:
    """The unit of each of N clips."""

    word: str
    """What they are, in the plural."""
    names: tuple[str, ...]

    @property
    def groups_N(self) -> Positions:
        """The same as numbers, equal for equal units."""
        _, groups_N = np.unique(self.names, return_inverse=True)
        return groups_N


def units_of_rows(rows: Sequence[TrainingRow]) -> Units:
    """The speaker of each row, its recording where nobody knows the speaker."""
    names = tuple(f"recording {row.recording_id}" if row.speaker is None else f"speaker {row.speaker}" for row in rows)
    known = sum(row.speaker is not None for row in rows)
    if known == len(rows):
        return Units(SPEAKERS, names)
    return Units(f"{SPEAKERS}, and {RECORDINGS} of unknown ones" if known else RECORDINGS, names)

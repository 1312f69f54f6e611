"""What a removal came to, for people and scripts. It names nothing that was taken back."""

from dataclasses import dataclass, field

from fcaps_pipeline.release.removal.proof import Proof
from fcaps_pipeline.shards.layout import Table


@dataclass
class Account:
    """Of one call."""

    where: str
    """The folder that is without it now."""
    num_recordings: int
    """Taken back whole."""
    num_segments: int
    num_rows: dict[Table, int]
    """By table."""
    is_changed: bool = False
    num_units: int = 0
    """Units, or files of a release, that were written again."""
    notes: list[str] = field(default_factory=list)
    """What of the folder stays as it is though it has to do with it, one line each."""
    by_hand: list[str] = field(default_factory=list)
    """What people must still see to."""
    num_needles: int = 0
    num_shared: int = 0
    """Values that are also of what stays, and prove nothing."""
    proof: Proof | None = None
    """None where nobody asked for one."""

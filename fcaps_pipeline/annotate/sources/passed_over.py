"""What a source holds and the run does not take: counted by kind, named where a name helps."""

import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from fcaps_pipeline.audio.location import shown_name

_MAX_NOTES = 100
_SPECIAL = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISBLK, "block device"),
)


@dataclass
class PassedOver:
    """Filled while a source is listed; complete after its last Recording."""

    by_suffix: Counter[str] = field(default_factory=Counter)
    """Files that are no audio."""
    notes: list[str] = field(default_factory=list)
    """One line each for the first of what deserves a look."""
    num_notes: int = 0
    num_read_beside: int = 0
    """Files beside audio whose content went into a Recording."""

    def add_files(self, names: Iterable[str]) -> None:
        """Counts files that are no audio."""
        self.by_suffix.update(shown_name(PurePath(name).suffix.lower()) or "no suffix" for name in names)

    def note(self, line: str) -> None:
        """Names what deserves a look; of very many, the first."""
        self.num_notes += 1
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(line)

    def add_special(self, path: Path) -> None:
        """Names what is neither file nor folder: opening it could block for ever."""
        mode = path.stat().st_mode
        kind = next((name for is_kind, name in _SPECIAL if is_kind(mode)), "special file")
        self.note(f"{shown_name(str(path))} is a {kind}, not a regular file: passed over")
        self.by_suffix[kind] += 1

    def add(self, more: "PassedOver") -> None:
        """Takes in what another part of the source holds."""
        self.by_suffix += more.by_suffix
        self.notes += more.notes[: _MAX_NOTES - len(self.notes)]
        self.num_notes += more.num_notes
        self.num_read_beside += more.num_read_beside

    def first_notes(self) -> tuple[str, ...]:
        """The first hundred notes, and how many more there are."""
        more = self.num_notes - len(self.notes)
        return (*self.notes, *([f"and {more} more"] if more > 0 else []))

    def summary(self) -> str:
        """The commonest kinds in a few words."""
        return ", ".join(f"{count} x {kind}" for kind, count in self.by_suffix.most_common(3)) or "no other file"

"""Pieces of Markdown into which text of strangers is put without being able to change what stands around it.

Enters: text of anybody. Leaves: lines of Markdown as CommonMark, the Hub and GitHub read it.
"""

import re
from collections.abc import Iterable, Sequence

from fcaps_pipeline.errors import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&#]|!(?=\[)|:(?=//)|@(?=\w))")
"""What means something in Markdown or HTML; addresses stay text, too."""
_LIST_MARK = re.compile(r"^(\d*)([-+=.)])(?=[\s=-]|$)")
"""What begins a list, a heading or a rule where it stands first."""
_SHOWN = 300


def plain_text(text: str, limit: int = _SHOWN) -> str:
    """Text on one line, without characters that nobody sees, cut after so many."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def escaped(text: str, limit: int = _SHOWN) -> str:
    """Text that Markdown shows as it is."""
    return _LIST_MARK.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", plain_text(text, limit)))


def code(text: str) -> str:
    """Text in the letters of code, inside a sentence or a table."""
    line = plain_text(text).replace("`", "'").replace("|", "¦")
    return f"`{line}`" if line else ""


def block(text: str, language: str = "") -> list[str]:
    """Text as lines of code that nothing in it can end."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *(printable(line) for line in text.splitlines()), fence]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of cells that are Markdown already; numbers belong into `code` or are digits alone."""
    return [
        _line(header),
        _line(["---"] * len(header)),
        *(_line(row) for row in rows),
    ]


def percent(part: float, whole: float) -> str:
    """A share, with a decimal below ten per cent."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"


def hours(duration_s: float) -> str:
    """A length of time, in minutes where it is less than an hour."""
    return f"{duration_s / 3600:.1f} h" if duration_s >= 3600 else f"{duration_s / 60:.1f} min"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

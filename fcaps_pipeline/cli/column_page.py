"""The columns of all tables in the README of the shards, generated from their schemas."""

from pathlib import Path

import fcaps_pipeline.shards
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.shards.schema import column_page

_PAGE = Path(fcaps_pipeline.shards.__file__).with_name("README.md")
_BEGIN = "| column |"


def write_column_page(page: Path = _PAGE) -> Path:
    """Puts the columns at the end of the page, in place of those that stand there.

    Returns:
        Path of the page.
    """
    story, _, _ = page.read_text(encoding="utf-8").partition(_BEGIN)
    page.write_text(story + column_page(), encoding="utf-8")
    return page


def check_column_page(page: Path = _PAGE) -> None:
    """Compares the page with the schemas.

    Raises:
        UsageError: it tells other columns.
    """
    _, begin, columns = page.read_text(encoding="utf-8").partition(_BEGIN)
    if begin + columns != column_page():
        raise UsageError(f"{page} differs from the columns of the tables; run `fcaps schema` and commit the result")

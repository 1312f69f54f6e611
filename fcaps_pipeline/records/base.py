"""What all records share: immutable, closed against fields nobody declared, explained by docstrings."""

import re

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def as_files_say(docstring: str) -> str:
    """An explanation for those who read files and no Python: None is null there."""
    return re.sub(r"\bNone\b", "null", docstring)

"""What all records share: immutable, and closed against fields nobody declared."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

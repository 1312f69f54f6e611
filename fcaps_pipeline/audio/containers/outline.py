"""The record that all walkers through containers fill."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outline:
    """What a container says about the bytes of its sound, held against the bytes that are there."""

    end: int | None = None
    """Where the sound ends; None means with the file."""
    patches: dict[int, bytes] = field(default_factory=dict)
    """Length fields that tell too little, as they should be: by place."""
    present_bytes: int = 0
    missing_bytes: int = 0
    """Bytes that the container promises beyond those that are there."""
    cut: str | None = None
    """Why the file is not whole, where that does not show in bytes."""
    extra: str | None = None
    """What lies beyond the length that the header tells."""
    length_s: float | None = None
    """Length that the walker found; None leaves it to the decoder."""
    has_exact_length: bool | None = None
    """Whether the length that the decoder tells is a promise; None where the kind of container decides."""

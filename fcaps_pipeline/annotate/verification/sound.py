"""Whether the sound of a Segment is fit to be captioned: what was broken before it came here is not described.

Enters: measured acoustics. Leaves: the name of what is wrong, by which the Segment is rejected unasked, or None.
"""

from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.audio import Acoustics

CLIPPED = "clipped"


def unfit_sound(acoustics: Acoustics, bounds: VerificationConfig) -> str | None:
    """Name of what makes the sound unfit; None where nothing does."""
    return CLIPPED if acoustics.clipped_share > bounds.max_clipped_share else None

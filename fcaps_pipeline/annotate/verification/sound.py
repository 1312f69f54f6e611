"""Whether the sound of a Segment is fit to be captioned: what was broken before it came here is not described.

Enters: a Segment with measured acoustics and warnings. Leaves: the name of what is wrong, by which the Segment is
rejected unasked, or None.
"""

from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.audio import MULTI_SPEAKER, SegmentAudio

CLIPPED = "clipped"


def unfit_sound(audio: SegmentAudio, bounds: VerificationConfig) -> str | None:
    """Name of what makes the sound unfit; None where nothing does."""
    if audio.acoustics.clipped_share > bounds.max_clipped_share:
        return CLIPPED
    is_mixed = any(one.name == MULTI_SPEAKER for one in audio.recording.warnings)
    return MULTI_SPEAKER if is_mixed and bounds.multi_speaker == "drop" else None

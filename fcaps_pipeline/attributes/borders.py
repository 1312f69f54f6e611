"""Where the classes of ParaSpeechCaps end, which captions name: `low` pitch, a `fast` rate.

Source: ParaSpeechCaps, arXiv 2503.04713, bins of the speaker mean.
"""

from fcaps_pipeline.records.audio import Gender

PITCH_BORDERS_HZ: dict[Gender, tuple[float, float]] = {"male": (115.7, 149.7), "female": (141.6, 184.5)}
"""From low to medium and from medium to high, by the gender of the speaker."""
RATE_BORDERS_PHONES_PER_S = (11.48, 19.13)
"""From slow to measured and from measured to fast."""

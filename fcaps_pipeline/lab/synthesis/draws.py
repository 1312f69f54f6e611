"""Random draws that turns, recordings and single clips share."""

import numpy as np

from fcaps_pipeline.records.audio import Gender

FORMANT_SCALES: dict[Gender, tuple[float, float]] = {"male": (0.92, 1.04), "female": (0.97, 1.09)}
"""What the formants of a voice are multiplied by. A man's vocal tract is hardly made shorter and a woman's hardly
longer: it would no longer be known whose it is."""


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform on a logarithmic scale, so that a factor is as likely anywhere in the range."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))

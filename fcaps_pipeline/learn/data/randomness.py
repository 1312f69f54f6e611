"""Streams of random numbers that never meet: every draw of a training run has its own.

Enters: the seed of the job, the stream, and where in the training something is drawn. Leaves: a seed
sequence. All sequences have the same number of entries, because numpy fills shorter ones with
zeros, so that a longer one that ends in zeros would draw the same numbers.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What is drawn."""

    PLAN = 0
    """Order of the rows of an epoch."""
    CROP = 1
    CAPTIONS = 2
    TASK = 3
    PHRASES = 4
    """Phrases of other rows."""
    FLIPS = 5
    DROPOUT = 6
    TAG_DROPOUT = 7
    TOKENIZER_TEXTS = 8
    REPEATS = 9
    """How often rows of rare tags come."""
    AUGMENTATION = 20


def seed_sequence(
    seed: int, stream: Stream, *, epoch: int = 0, step: int = 0, row: int = 0, number: int = 0
) -> np.random.SeedSequence:
    """The start of one draw.

    Args:
        seed: of the job.
        stream: what is drawn.
        epoch: from 0; 0 for what does not depend on it, as for the others.
        step: over all epochs, from 0.
        row: position in the catalogue.
        number: tells draws apart that agree in everything else, such as those of ranks or slots.
    """
    return np.random.SeedSequence([seed, int(stream), epoch, step, row, number])

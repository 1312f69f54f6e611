"""The phrases of timed events: one wording for each, wherever it comes from, so that a phrase names its event.

The synthesizer says them of what it was asked, acoustics of what was measured, and training reads both alike.
"""

from typing import Literal

EventPhrase = Literal[
    "speaks faster",
    "speaks slower",
    "grows louder",
    "grows softer",
    "raises the pitch",
    "lowers the pitch",
    "pauses",
    "whispers",
    "speaks in a breathy voice",
    "speaks in a creaky voice",
    "laughs",
]

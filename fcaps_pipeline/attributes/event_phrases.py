"""The phrases of timed events, where they are looked for beside the other words of captions; see `EventPhrase`."""

from fcaps_pipeline.records.audio import EventPhrase

__all__ = ["EventPhrase"]

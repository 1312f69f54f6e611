"""Which phrases mean the same event, so that one is no negative where another is heard.

Enters: a phrase of a timed event. Leaves: the key of its cluster. Nothing is learnt or listed: the
key is what `attributes.reading` reads of the phrase.
"""

import re
from collections.abc import Hashable
from functools import lru_cache

from fcaps_pipeline.attributes.reading import read_mentions

_WORD = re.compile(r"[\w']+")
_SPEAKER_FIELDS = frozenset({"gender", "age_group", "accent"})
_MAX_KEYS = 100_000


def normalised(text: str) -> str:
    """The words of a text in lower case with single spaces: punctuation and layout do not count."""
    return " ".join(_WORD.findall(text.lower()))


@lru_cache(maxsize=_MAX_KEYS)
def phrase_cluster(phrase: str) -> Hashable:
    """The key of a cluster: equal for phrases that state the same sounds, courses, pauses, qualities and classes.

    "laughs", "laughing" and "she laughs at the end" are one cluster: the place is told better by the
    times of the event, and who laughs is the speaker of the row, so that neither is in the key.
    One pause and several are one event each time they are heard. A phrase of which nothing is read
    is a cluster with those that are equal once normalised.
    """
    stated = frozenset(
        (mention.field, "some" if mention.field == "pauses" and mention.value != "none" else mention.value)
        for mention in read_mentions(phrase)
    )
    events = frozenset(one for one in stated if one[0] not in _SPEAKER_FIELDS)
    return events or stated or normalised(phrase)

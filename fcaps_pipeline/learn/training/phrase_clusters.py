"""Which phrases mean the same event, so that one is no negative where another is heard, and the bank of all of them.

Enters: phrases of timed events. Leaves: the key of a cluster, and negatives drawn cluster by cluster. Nothing is
learnt or listed: the key is what `attributes.reading` reads of the phrase.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

import numpy as np

from fcaps_pipeline.attributes.reading import read_mentions

_BETWEEN = re.compile(r"[^\w']+")
_SPEAKER_FIELDS = frozenset({"gender", "age_group", "accent"})
_MAX_KEYS = 100_000


def normalised(text: str) -> str:
    """The words of a text in lower case with single spaces: punctuation and layout do not count."""
    return _BETWEEN.sub(" ", text.lower()).strip()


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


class PhraseBank:
    """The phrases of a corpus by cluster."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """Phrases in any order; each counts once."""
        self._clusters: dict[Hashable, list[str]] = {}
        for phrase in sorted(set(phrases)):
            self._clusters.setdefault(phrase_cluster(phrase), []).append(phrase)
        self._keys = list(self._clusters)

    def draw_negatives(self, own: Sequence[str], *, count: int, generator: np.random.Generator) -> tuple[str, ...]:
        """Draws phrases that a row does not contain, each from another cluster.

        Clusters of the row's own phrases are left out; of each other cluster at most one phrase is drawn, all
        clusters being equally likely however many phrases they hold.

        Args:
            own: phrases of the events of the row.
            count: phrases to draw, at most; fewer where there are fewer clusters.
            generator: decides the draw.

        Source: FineLAP (arXiv 2604.01155), cluster sampling; 20 phrases per row there, own ones included.
        """
        taken = {phrase_cluster(phrase) for phrase in own}
        order = generator.permutation(len(self._keys))[: count + len(taken)]
        others = [self._clusters[self._keys[index]] for index in order if self._keys[index] not in taken]
        return tuple(cluster[generator.integers(len(cluster))] for cluster in others[:count])

"""What the captions of a whole run have in common: worn-out words, leaked values, doubles, speakers who change.

Enters: rows of the table `data`, one at a time. Leaves: a `CorpusReport`; nothing is changed. Memory stays bounded:
counts of phrases are pruned, which loses rare phrases alone, and a caption is remembered by 8 bytes.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from fcaps_pipeline.annotate.verification.wording import find_tool_value, split_words
from fcaps_pipeline.attributes.lexicon import listed
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.schema import Row

COLUMNS = ["fine_captions", "global_captions", "speaker", "gender", "age_group", "accent"]
_TRAITS = ("gender", "age_group", "accent")
"""What one speaker keeps from Segment to Segment."""
_MAX_COUNTED = 200_000
_NUM_LISTED = 20
_PHRASE_WORDS = 4
_GLUE = frozenset(
    listed(
        "a an and as at by for from her his in into is it its of on or she he the then there they to with while who "
        "whose that this their after before"
    )
)
"""Words that every English sentence has."""


class Frequency(Record):
    """A word or phrase, and in how many of a thousand captions it stands."""

    text: str
    per_thousand: float


class CorpusReport(Record):
    """Of all kept captions of a run."""

    num_captions: int
    words: tuple[Frequency, ...]
    """Commonest first."""
    phrases: tuple[Frequency, ...]
    """Four words in a row, commonest first."""
    num_with_tool_values: int
    """Captions with numbers or words of tools, such as `probability`."""
    tool_values: tuple[str, ...]
    """The first of them."""
    num_repeated: int
    """Captions whose very text stands in the run before."""
    num_speakers: int
    """Speakers with Segments of known traits, as far as the source names speakers."""
    disagreeing_speakers: dict[str, int]
    """By trait, how many of them are given more than one value over their Segments."""


def report_corpus(rows: Iterable[Row]) -> CorpusReport:
    """Reads every row once; see `COLUMNS` for what it must have."""
    words, phrases = _Counts(), _Counts()
    digests: list[int] = []
    leaked: list[str] = []
    num_leaked = 0
    traits: defaultdict[str, list[set[str]]] = defaultdict(lambda: [set() for _ in _TRAITS])
    for row in rows:
        for text in (*row["fine_captions"], *row["global_captions"]):
            spoken = split_words(text)
            words.add(set(spoken) - _GLUE)
            phrases.add(set(_phrases(spoken)))
            digests.append(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))
            if value := find_tool_value(text):
                num_leaked += 1
                leaked = [*leaked, value][:_NUM_LISTED]
        if row["speaker"] is not None:
            for values, name in zip(traits[row["speaker"]], _TRAITS, strict=True):
                if row[name] is not None:
                    values.add(row[name])
    return CorpusReport(
        num_captions=len(digests),
        words=words.commonest(len(digests)),
        phrases=phrases.commonest(len(digests)),
        num_with_tool_values=num_leaked,
        tool_values=tuple(leaked),
        num_repeated=len(digests) - len(np.unique(np.array(digests, dtype=np.uint64))),
        num_speakers=len(traits),
        disagreeing_speakers={
            name: sum(len(values[index]) > 1 for values in traits.values()) for index, name in enumerate(_TRAITS)
        },
    )


class _Counts:
    """Counts in how many captions something stands; the rarest are forgotten where there are too many."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, found: set[str]) -> None:
        self._counts.update(found)
        if len(self._counts) > _MAX_COUNTED:
            self._counts = Counter(dict(self._counts.most_common(_MAX_COUNTED // 2)))

    def commonest(self, num_captions: int) -> tuple[Frequency, ...]:
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:_NUM_LISTED]
        return tuple(Frequency(text=text, per_thousand=1000 * count / num_captions) for text, count in ordered)


def _phrases(words: list[str]) -> Iterator[str]:
    rows = zip(*(words[offset:] for offset in range(_PHRASE_WORDS)), strict=False)
    return (" ".join(row) for row in rows if not set(row) <= _GLUE)

"""Sentences over a vocabulary of thousands of word forms, each belonging to exactly one split.

Enters: a generator and, where voices and sentences are dealt out, a split. Leaves: a phrase of 2 to
about 16 words without punctuation inside, which every synthesizer speaks without a pause.
"""

import zlib
from collections.abc import Callable

import numpy as np

from fcaps_pipeline.lab.synthesis import vocabulary
from fcaps_pipeline.lab.synthesis.truth import Split

_HASHES = 10
_COMPOUNDS = tuple(f"{ten} {one}" for ten in vocabulary.TENS for one in vocabulary.SMALL_NUMBERS[:8])
_NUMBERS = (*vocabulary.SMALL_NUMBERS, *vocabulary.TENS, *_COMPOUNDS, "a hundred", "a thousand")

_POOLS: dict[str, tuple[str, ...]] = {
    "noun": vocabulary.NOUNS,
    "nouns": tuple(map(vocabulary.plural, vocabulary.NOUNS)),
    "person": vocabulary.PEOPLE,
    "people": tuple(map(vocabulary.plural, vocabulary.PEOPLE)),
    "adjective": vocabulary.ADJECTIVES,
    "verb": vocabulary.VERBS,
    "verbed": tuple(map(vocabulary.past, vocabulary.VERBS)),
    "verbing": tuple(map(vocabulary.gerund, vocabulary.VERBS)),
    "moved": tuple(map(vocabulary.past, vocabulary.MOVES)),
    "moving": tuple(map(vocabulary.gerund, vocabulary.MOVES)),
    "adverb": vocabulary.ADVERBS,
    "name": vocabulary.NAMES,
    "place": vocabulary.PLACES,
    "time": vocabulary.TIMES,
    "number": _NUMBERS,
}
_SHAPES = (
    "the {adjective} {noun} belongs to the {person}",
    "{name} {verbed} the {noun} {time}",
    "{time} the {person} {moved} to the {place}",
    "have you seen the {adjective} {noun} near the {place}",
    "there were {number} {adjective} {people} at the {place}",
    "I {adverb} {verbed} {number} {nouns} {time}",
    "we {moved} along the {place} and {verbed} a {noun}",
    "please bring me the {noun} and the {adjective} {noun}",
    "{name} and {name} {moved} together {time}",
    "it is {adverb} the most {adjective} {noun} in the world",
    "the {person} said that the {nouns} were {adjective}",
    "when {name} {moved} home the {noun} was still there",
    "{number} days later the {person} {verbed} a {adjective} {noun}",
    "could somebody tell {name} about the {nouns}",
    "my {person} {adverb} {verbed} the {noun} by the {place}",
    "beyond the {place} lies a {adjective} {noun}",
    "all of the {nouns} that you {verbed} {time}",
    "why would the {person} want to {verb} a {adjective} {noun}",
    "under the {noun} somebody {verbed} {number} letters",
    "nearly everything at the {place} looked {adjective} and {adjective}",
    "{adverb} the {person} {verbed} another {noun} for {name}",
    "I think {name} is {verbing} the {nouns} at the {place}",
    "what a {adjective} {noun} said the {person}",
    "take the {noun} to the {place} and wait for the {person}",
    "as soon as the {person} {moved} in the {noun} fell down",
    "they {verbed} both the {nouns} and the {nouns} {time}",
    "if you ask {name} the answer is {adverb} {number}",
    "a {noun} a {noun} and a {adjective} {noun}",
    "nobody at the {place} wanted to {verb} the {people}",
    "{verbing} the {nouns} made the {person} feel {adjective}",
    "the {people} who {verbed} our {noun} were {adverb} {adjective}",
    "do not {verb} the {adjective} {nouns} before the {person} comes",
    "{name} came {moving} past the {place} with a {noun}",
    "some {people} {verb} their {nouns} {adverb} and others do not",
    "neither the {person} nor {name} could {verb} the {noun}",
    "our {adjective} {person} owns {number} {nouns} and a {noun}",
    "it took {name} {number} hours to {verb} the {noun}",
    "would you rather {verb} a {noun} or {verb} a {person}",
    "the {place} was full of {people} {verbing} {nouns}",
    "without the {adjective} {noun} {name} could not {verb} anything",
)
_SHORT_SHAPES = (
    "well {name}",
    "the {adjective} {noun}",
    "listen to the {person}",
    "good morning {name}",
    "{number} {nouns}",
    "near the {place}",
    "{adverb} {adjective}",
    "look at that {noun}",
    "so {name} {moved} away",
    "wait for the {people}",
    "{verb} it {adverb}",
    "no more {nouns}",
)


def draw_sentence(rng: np.random.Generator, split: Split | None, *, short: bool) -> str:
    """One phrase.

    Args:
        rng: draws shape and words.
        split: whose sentence it is to be; None for any.
        short: 2 to 4 words, as in a short answer.
    """
    shapes = _SHORT_SHAPES if short else _SHAPES
    while True:
        sentence = _fill(shapes[int(rng.integers(len(shapes)))], lambda pool: _pick(rng, pool))
        if split is None or split_of(sentence) == split:
            return sentence


def split_of(sentence: str) -> Split:
    """The only split that may speak a sentence: eight of ten train."""
    held_out: dict[int, Split] = {0: "validation", 1: "test"}
    return held_out.get(zlib.crc32(sentence.encode()) % _HASHES, "train")


def _pick(rng: np.random.Generator, pool: str) -> str:
    words = _POOLS[pool]
    return words[int(rng.integers(len(words)))]


def _fill(shape: str, pick: Callable[[str], str]) -> str:
    filled = [pick(word.strip("{}")) if word.startswith("{") else word for word in shape.split(" ")]
    words = " ".join(filled).split(" ")
    return " ".join(
        "an" if word == "a" and _starts_with_vowel(following) else word
        for word, following in zip(words, [*words[1:], " "], strict=True)
    )


def _starts_with_vowel(word: str) -> bool:
    """By sound: an honest hour, a useful uniform."""
    if word.startswith(("hon", "hour")):
        return True
    return word[0] in "aeiouAEIOU" and not word.startswith(("uni", "use", "usu", "one"))

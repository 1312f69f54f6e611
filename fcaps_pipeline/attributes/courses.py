"""Finds what a caption says about changes of loudness, pitch and rate.

Enters: tokens. Leaves: mentions with the direction as value. `Softer` is a change where something
becomes softer or is softer somewhere; `louder than usual` is none. `Rises` says nothing until a
noun beside it says what rises, and a rise and fall is a contour, not a course.
"""

from collections.abc import Iterator

from fcaps_pipeline.attributes import lexicon
from fcaps_pipeline.attributes.lexicon import HeadKind, listed
from fcaps_pipeline.attributes.mentions import Field, Mention, Span
from fcaps_pipeline.attributes.phrases import is_about_voice, is_modifier, noun_after, passed_over
from fcaps_pipeline.attributes.places import find_place
from fcaps_pipeline.attributes.stated import Direction, Quantity
from fcaps_pipeline.attributes.tokens import Tokens

_FIELDS: dict[Quantity, Field] = {"loudness": "loudness_course", "pitch": "pitch_course", "rate": "rate_course"}
_QUANTITIES: dict[HeadKind, Quantity] = {
    "pitch": "pitch",
    "tone": "pitch",
    "rate": "rate",
    "volume": "loudness",
    "level": "loudness",
}
_MOVING: dict[str, Quantity] = {
    **{word: _QUANTITIES[kind] for word, kind in lexicon.HEADS.items() if kind in _QUANTITIES},
    **dict.fromkeys(("intonation", "inflection", "melody"), "pitch"),
    "intensity": "loudness",
}
"""Nouns whose rise or fall is a course."""
_DIRECTIONS: dict[str, Direction] = {
    **{word: "rising" for rising, _ in lexicon.MOVES for word in rising},
    **{word: "falling" for _, falling in lexicon.MOVES for word in falling},
}
_ORDINARY = frozenset(listed("usual average normal most other others typical expected ordinary"))
_TIMES = frozenset(listed("at towards toward as by in until through near with over after before later when"))
_MANNERS: dict[str, tuple[Quantity, int]] = {
    **dict.fromkeys(("loudly", "loud", "forcefully", "force", "volume"), ("loudness", 1)),
    **dict.fromkeys(("softly", "quietly", "quiet", "hushed"), ("loudness", -1)),
    **dict.fromkeys(("quickly", "rapidly", "fast", "rapid", "hurried", "briskly", "speed"), ("rate", 1)),
    **dict.fromkeys(("slowly", "slow", "unhurried", "deliberate"), ("rate", -1)),
}
"""What grows with `more`, `less` or `increasingly` before it, and in which direction."""
_GRADES = {"more": 1, "increasingly": 1, "progressively": 1, "less": -1}
_BEFORE_OBJECTS = frozenset({"in", "of", "to", "into", "a", "an", "her", "his", "the", "their", "its", "both"})


_FixedMove = tuple[tuple[str, ...], Quantity, Direction]


def _fixed_moves() -> dict[str, list[_FixedMove]]:
    """Verbs that say by themselves what moves, by their first word."""
    moves: dict[str, list[_FixedMove]] = {}
    directions: tuple[Direction, Direction] = ("rising", "falling")
    for quantity, pairs in lexicon.FIXED_MOVES.items():
        for pair in pairs:
            for phrase, direction in zip(pair, directions, strict=True):
                words = tuple(phrase.split())
                moves.setdefault(words[0], []).append((words, quantity, direction))
    return moves


_FIXED = _fixed_moves()
_SUBJECT_REACH = 6
_MAX_COORDINATED = 6
_CHANGING = lexicon.BECOMING | lexicon.SPEAKING | lexicon.PHASES


def find_courses(tokens: Tokens) -> Iterator[Mention]:
    """All courses in the order of the text; one place may state several."""
    for index in range(len(tokens)):
        if tokens.is_stated(index):
            yield from _comparative(tokens, index)
            yield from _graded(tokens, index)
            yield from _fixed(tokens, index)
            yield from _moving(tokens, index)


def _comparative(tokens: Tokens, index: int) -> Iterator[Mention]:
    word, _, compound = tokens.text(index).partition("-")
    found = lexicon.COMPARATIVES.get(word)
    if found is None or (compound and compound not in lexicon.COMPOUND_HEADS):
        return
    quantity, direction = found
    if tokens.text(index + 1) == "than" and _ORDINARY & set(tokens.texts[index + 2 : index + 5]):
        return
    noun = _compared_noun(tokens, index)
    if noun is not None and not compound:
        named = _quantity_named(noun, quantity)
        if named is None:
            return
        quantity = named
    elif not _is_in_change(tokens, index):
        return
    elif quantity == "pitch" and not compound:
        quantity = _subject_quantity(tokens, index) or quantity
    yield _mention(tokens, quantity, direction, (index, index + 1), _coordinated(tokens, index))


def _coordinated(tokens: Tokens, index: int) -> tuple[int, int]:
    """First and last of comparatives that share their place: `louder and faster towards the end`."""
    return _last_coordinated(tokens, index, -1), _last_coordinated(tokens, index, 1)


def _last_coordinated(tokens: Tokens, index: int, step: int) -> int:
    for end in range(index, index + step * 2 * _MAX_COORDINATED, 2 * step):
        if tokens.text(end + step) not in lexicon.CONNECTORS or tokens.text(end + 2 * step) not in lexicon.COMPARATIVES:
            break
    return end


def _compared_noun(tokens: Tokens, index: int) -> str | None:
    """The noun of `a lower register`, None for a comparative that stands alone."""
    noun = noun_after(tokens, index)
    ends = not noun[:1].isalpha() or noun in lexicon.STOPS or noun in lexicon.CONNECTORS
    return None if ends else noun


def _quantity_named(noun: str, quantity: Quantity) -> Quantity | None:
    """What changes when the comparative modifies this noun; None for nouns that are not the voice."""
    if quantity == "pitch":
        return "pitch" if noun == "voice" else _MOVING.get(noun)
    return quantity if noun in lexicon.HEADS else None


def _is_in_change(tokens: Tokens, index: int) -> bool:
    """Whether a verb of becoming or speaking governs the word, or a time follows it."""
    before = index - 1
    while before >= 0 and index - before <= _SUBJECT_REACH:
        text = tokens.text(before)
        if text in _CHANGING or text in _DIRECTIONS:
            return True
        if not (
            is_modifier(text)
            or text in lexicon.CONNECTORS | lexicon.COMPARATIVES.keys() | {"a", "little", "in", "up", "out"}
        ):
            break
        before -= 1
    return tokens.text(index) not in {"higher", "lower", "deeper"} and tokens.text(index + 1) in _TIMES


def _subject_quantity(tokens: Tokens, index: int) -> Quantity | None:
    """What stands before the verb as its subject: the nearest moving noun of the clause."""
    for before in range(index - 1, max(-1, index - 1 - _SUBJECT_REACH), -1):
        text = tokens.text(before)
        if text in _MOVING:
            return _MOVING[text]
        if text in {"voice", "she", "he", "they", "of"} or tokens.ends_clause(before):
            return None
        if text == "," and tokens.text(before + 1) not in {"which", "that"}:
            return None
    return None


def _graded(tokens: Tokens, index: int) -> Iterator[Mention]:
    """`More softly`, `less force`, `increasingly loud`."""
    grade = _GRADES.get(tokens.text(index))
    found = _MANNERS.get(tokens.text(index + 1))
    if grade is None or found is None or not is_about_voice(tokens, index + 1):
        return
    quantity, sign = found
    yield _mention(tokens, quantity, "rising" if grade * sign > 0 else "falling", (index, index + 2))


def _fixed(tokens: Tokens, index: int) -> Iterator[Mention]:
    """Verbs such as `swells` and `slows down`; the longest that fits."""
    known = _FIXED.get(tokens.text(index), ())
    fits = [(len(words), quantity, direction) for words, quantity, direction in known if tokens.has(index, words)]
    if not fits or _subject_quantity(tokens, index) == "pitch":
        return
    length, quantity, direction = max(fits)
    yield _mention(tokens, quantity, direction, (index, index + length))


def _moving(tokens: Tokens, index: int) -> Iterator[Mention]:
    """Verbs and nouns of rising and falling, with whatever rises or falls."""
    is_phrasal = tokens.text(index) not in _DIRECTIONS
    direction = _phrasal(tokens, index) if is_phrasal else _DIRECTIONS[tokens.text(index)]
    if direction is None or _is_contour(tokens, index, direction):
        return
    for quantity in _moved(tokens, index):
        yield _mention(tokens, quantity, direction, (index, index + 1 + is_phrasal))


def _phrasal(tokens: Tokens, index: int) -> Direction | None:
    """`Goes up`, `picks up`, `comes down`."""
    if tokens.text(index) not in {"goes", "going", "picks", "picking", "comes", "moves", "moving"}:
        return None
    following = tokens.text(index + 1)
    return "rising" if following in {"up", "upward", "upwards"} else "falling" if following == "down" else None


def _is_contour(tokens: Tokens, index: int, direction: Direction) -> bool:
    for step in (-1, 1):
        other = _DIRECTIONS.get(tokens.text(index + 2 * step))
        if other not in {None, direction} and tokens.text(index + step) in {"and", "or", "then"}:
            return True
    return False


def _moved(tokens: Tokens, index: int) -> list[Quantity]:
    """What moves: `rises in pitch`, `raises her voice`, `falling tone`, `pitch rises`."""
    if objects := _objects(tokens, index):
        return objects
    subject = _subject_index(tokens, index)
    if subject is None or tokens.text(index + 1) == "in":
        return []
    coordinated = tokens.text(subject - 1) == "and" and tokens.text(subject - 2) in _MOVING
    nouns = [tokens.text(subject - 2)] if coordinated else []
    return [_MOVING[noun] for noun in (*nouns, tokens.text(subject))]


def _objects(tokens: Tokens, index: int) -> list[Quantity]:
    """The quantities after a verb of moving, across `in`, `of`, determiners and modifiers."""
    verb = tokens.text(index)
    after = passed_over(tokens, index + 1, 1, lambda text: text in _BEFORE_OBJECTS or is_modifier(text))
    noun = tokens.text(after)
    if noun == "voice":
        is_owned = tokens.text(after - 1) in {"her", "his", "the", "their"}
        return ["loudness"] if is_owned and verb.startswith(("rais", "lower")) else []
    if noun not in _MOVING or (noun == "tone" and not verb.endswith("ing") and tokens.text(index + 1) != "in"):
        return []
    second = tokens.text(after + 2) if tokens.text(after + 1) == "and" else ""
    return [_MOVING[each] for each in (noun, second) if each in _MOVING]


def _subject_index(tokens: Tokens, index: int) -> int | None:
    """The noun that moves; beyond `and` the subject of the verb before: `rises here and falls there`."""
    for _ in range(_MAX_COORDINATED):
        found = _noun_before(tokens, index)
        if found is None or tokens.text(found) in _MOVING:
            return found
        index = found
    return None


def _noun_before(tokens: Tokens, index: int) -> int | None:
    """The nearest noun that moves, or a verb of moving that shares its subject with the one at `index`."""
    is_joined = False
    for before in range(index - 1, max(-1, index - 1 - _SUBJECT_REACH), -1):
        text = tokens.text(before)
        if text in _DIRECTIONS:
            return before if is_joined else None
        if text in _MOVING:
            return None if is_joined else before
        if text in {"she", "he", "they", "as", "while"} or tokens.ends_clause(before):
            return None
        if text == "voice" and "of" not in tokens.texts[max(0, before - 2) : before]:
            return None
        is_joined |= text in {"and", "then", ","}
    return None


def _mention(
    tokens: Tokens,
    quantity: Quantity,
    direction: Direction,
    words: tuple[int, int],
    around: tuple[int, int] | None = None,
) -> Mention:
    """A course that the tokens `[words[0], words[1])` state; its place is looked for around the tokens `around`."""
    span = Span(tokens[words[0]].start, tokens[words[1] - 1].end, "course")
    first, last = around or (words[0], words[1] - 1)
    found = find_place(tokens.plain, tokens[first].start, tokens[last].end)
    return Mention(_FIELDS[quantity], direction, (span,), found[0] if found else None)

"""Takes a caption apart into claims: what it says, in which words, and of which part of the Segment.

Enters: a caption as it was read, the fields of a global answer, the length of the Segment. Leaves: `Claim`s, none of
them checked. Each thing is claimed once, by fields before prose. A clause of which nothing is understood is a claim
too, `other`. What a claim is worth is judged in `evidence`.
"""

from collections.abc import Iterator

from fcaps_pipeline.attributes.mentions import Field, Mention
from fcaps_pipeline.attributes.places import find_place
from fcaps_pipeline.attributes.reading import Reading
from fcaps_pipeline.attributes.sentences import clause_spans
from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.records.annotations import Claim, SampleSpan, TextSpan
from fcaps_pipeline.records.captions import GlobalCaption, Profile

OTHER = "other"
READ_CHARACTERS = 4_096
"""No caption that passes the bounds of length is longer; what is longer is not read to its end."""
PARTS: dict[Place, tuple[float, float]] = {"beginning": (0.0, 0.38), "middle": (0.28, 0.72), "end": (0.62, 1.0)}
"""Shares of a Segment that a place may mean: thirds, and a little more, since nobody means a border."""
_FOUND_BY_CLAUSE: frozenset[Field] = frozenset({"pitch", "rate", "volume", "voice_quality", "emotion"})
"""What the reader gives no place, though the clause may name one."""
_MIN_WORDS = 3
"""A clause with fewer words says nothing of its own."""
_UNKNOWN = "unknown"


def read_claims(reading: Reading | None, attributes: GlobalCaption | None, num_samples: int) -> tuple[Claim, ...]:
    """Every claim once, fields first, then in the order of the text.

    Args:
        reading: of the prose; None where its language is not read.
        attributes: fields of a global answer.
        num_samples: length of the Segment.
    """
    claims = [*_of_fields(attributes)]
    if reading is not None:
        claims += sorted([*_of_prose(reading, num_samples), *_not_understood(reading)], key=_start)
    once: dict[tuple[str, str, SampleSpan | None], Claim] = {}
    for claim in claims:
        once.setdefault((claim.attribute, claim.value, claim.interval), claim)
    return tuple(once.values())


def part_of(place: Place, num_samples: int) -> SampleSpan:
    """The samples that a place may mean."""
    start, end = PARTS[place]
    return SampleSpan(start_samples=round(start * num_samples), end_samples=round(end * num_samples))


def _of_fields(attributes: GlobalCaption | None) -> Iterator[Claim]:
    if attributes is None:
        return
    for name in Profile.model_fields:
        value: str = getattr(attributes, name)
        if value != _UNKNOWN:
            yield _claim(name, value)


def _of_prose(reading: Reading, num_samples: int) -> Iterator[Claim]:
    if (speaker := _speaker(reading)) is not None:
        yield _claim("gender", speaker.value, _span(speaker))
    for mention in reading.mentions:
        if mention.field == "gender":
            continue
        place = _place(reading, mention)
        interval = None if place is None else part_of(place, num_samples)
        yield _claim(mention.field, mention.value, _span(mention), interval)


def _speaker(reading: Reading) -> Mention | None:
    """Who the first noun names, or the first pronoun where no noun does: others are spoken of, not heard."""
    named = [one for one in reading.mentions if one.field == "gender" and one.value == reading.stated.gender]
    return next((one for one in named if one.spans[0].form == "person"), next(iter(named), None))


def _place(reading: Reading, mention: Mention) -> Place | None:
    if mention.field not in _FOUND_BY_CLAUSE:
        return mention.place
    found = find_place(reading.plain, mention.start, mention.spans[-1].end)
    return found[0] if found else None


def _not_understood(reading: Reading) -> Iterator[Claim]:
    """Clauses without a statement; a pronoun alone states nothing of how one speaks."""
    starts = {one.start for one in reading.mentions if one.spans[0].form != "pronoun"}
    ordered = iter(sorted(starts))
    following = next(ordered, None)
    for start, end in clause_spans(reading.text):
        is_understood = False
        while following is not None and following < end:
            is_understood, following = True, next(ordered, None)
        text = reading.text[start:end]
        if not is_understood and len(text.split()) >= _MIN_WORDS:
            yield _claim(OTHER, text, TextSpan(start=start, end=end))


def _claim(attribute: str, value: str, span: TextSpan | None = None, interval: SampleSpan | None = None) -> Claim:
    return Claim(attribute=attribute, value=value, span=span, interval=interval, result="unverifiable")


def _span(mention: Mention) -> TextSpan:
    return TextSpan(start=mention.start, end=max(one.end for one in mention.spans))


def _start(claim: Claim) -> int:
    return 0 if claim.span is None else claim.span.start

"""One plain sentence for one claim: the same wherever an engine is asked whether it is so.

Enters: an attribute as the reader of captions names it, one of its values, and a place. Leaves: a sentence that
states this and nothing else, which the reader gives back. A probe asks with it, and the embedded captioner
learns with it. What changes is said in the phrase of its timed event.
"""

from fcaps_pipeline.attributes import trait_words
from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.attributes.stated import Place

OTHER = "other"
"""Attribute of a claim that is a sentence already."""
COURSE_PHRASES: dict[tuple[str, str], EventPhrase] = {
    ("loudness_course", "rising"): "grows louder",
    ("loudness_course", "falling"): "grows softer",
    ("pitch_course", "rising"): "raises the pitch",
    ("pitch_course", "falling"): "lowers the pitch",
    ("rate_course", "rising"): "speaks faster",
    ("rate_course", "falling"): "speaks slower",
}
_PREDICATES: dict[tuple[str, str], str] = {
    **COURSE_PHRASES,
    ("gender", "female"): "is a woman",
    ("gender", "male"): "is a man",
    ("age_group", "child"): "is a child",
    ("age_group", "young adult"): "is a young adult",
    ("pauses", "none"): "does not pause",
    ("pauses", "one"): "pauses",
    ("pauses", "several"): "pauses several times",
    ("voice_quality", "whisper"): "whispers",
    ("voice_quality", "shout"): "shouts",
    ("voice_quality", "falsetto"): "speaks in falsetto",
    ("sound", "breath"): "takes a breath",
    ("sound", "lip smack"): "smacks the lips",
    ("sound", "throat clearing"): "clears the throat",
}
_PATTERNS = {
    "age_group": "is {value}",
    "pitch": "has a {value} pitch",
    "rate": "has a {value} pace",
    "volume": "has a {value} volume",
    "accent": "has {article} {value} accent",
    "emotion": "sounds {value}",
    "timbre": "has {article} {value} voice",
    "voice_quality": "speaks in {article} {value} voice",
    "sound": "{value}s",
}
_ANY_OTHER_PATTERN = "has this {attribute}: {value}"
_PLACES: dict[Place, str] = {
    "beginning": " at the beginning",
    "middle": " in the middle",
    "end": " at the end",
}


def statement(attribute: str, value: str, place: Place | None = None) -> str:
    """The sentence of a claim.

    Args:
        attribute: of `mentions.Field`, or `other`.
        value: as the reader or a field of a global caption gives it; of `other` the whole sentence.
        place: where in the delivery it is said to be so; None for all of it, or for anywhere.
    """
    if attribute == OTHER:
        return value
    said = _PREDICATES.get((attribute, value)) or _by_pattern(attribute, value)
    return f"The speaker {said}{'' if place is None else _PLACES[place]}."


def _by_pattern(attribute: str, value: str) -> str:
    if attribute == "emotion" and value in trait_words.EMOTIONS:
        value = trait_words.EMOTIONS[value].adjectives[0]
    elif attribute == "accent":
        value = value.title()
    return _PATTERNS.get(attribute, _ANY_OTHER_PATTERN).format(
        attribute=attribute.replace("_", " "), value=value, article="an" if value[0].lower() in "aeiou" else "a"
    )

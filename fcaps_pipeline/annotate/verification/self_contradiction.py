"""Whether a caption contradicts itself about who speaks. Its reading enters; what is at fault leaves, or None."""

import re

from fcaps_pipeline.attributes.reading import Reading
from fcaps_pipeline.records.captions import GlobalCaption

_SUBJECT = re.compile(
    r"\b(?:(?P<female>she|her(?= (?:own )?(?:voice|tone|pitch|pace|delivery|speech)\b))|"
    r"(?P<male>he|his(?= (?:own )?(?:voice|tone|pitch|pace|delivery|speech)\b)))\b",
    re.IGNORECASE,
)
"""Who speaks: `his line to her audience` names one speaker."""


def find_self_contradiction(reading: Reading, attributes: GlobalCaption | None) -> str | None:
    """Prose that gives its speaker both genders, or another one than the field."""
    named = {one.value for one in reading.mentions if one.field == "gender" and one.spans[0].form == "person"}
    named |= {str(match.lastgroup) for match in _SUBJECT.finditer(reading.text)}
    if len(named) == 2:
        return "the text gives the speaker both genders"
    if attributes is None or attributes.gender == "unknown" or named <= {attributes.gender}:
        return None
    return f"gender is {attributes.gender}, the text says {named.pop()}"

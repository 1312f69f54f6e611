"""Regular expressions of strangers, over texts of strangers, in bounded time.

Enters: a pattern that a model wrote. Leaves: what it hits, or why it is none. RE2, which pyarrow brings, runs in time
linear in the text whatever the pattern and refuses patterns that need much memory; pattern and text are bounded beside.
"""

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.verification.agent.steps import MAX_PATTERN_CHARACTERS

_MAX_CHARACTERS = 8_192
"""Of a text; the words of 30 s are some hundreds."""
_MAX_HITS = 5
_SHOWN_CHARACTERS = 60
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Put around hits; characters of private use stand for nothing in any text."""


class PatternError(ValueError):
    """The pattern is none, or too long."""


def search(pattern: str, text: str) -> tuple[str, ...]:
    """The first different hits, whatever their case, each cut to a line.

    Raises:
        PatternError: with what RE2 says of the pattern.
    """
    if not 0 < len(pattern) <= MAX_PATTERN_CHARACTERS:
        raise PatternError(f"expected 1 to {MAX_PATTERN_CHARACTERS} characters, found {len(pattern)}")
    plain = text[:_MAX_CHARACTERS].replace(_OPEN, " ").replace(_CLOSE, " ")
    try:
        marked = pc.replace_substring_regex(
            pa.array([plain], pa.large_string()), pattern=f"(?i){pattern}", replacement=f"{_OPEN}\\0{_CLOSE}"
        )[0].as_py()
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise PatternError(" ".join(str(error).split())[:120]) from None
    hits = (part.partition(_CLOSE)[0] for part in marked.split(_OPEN)[1:])
    return tuple(dict.fromkeys(" ".join(hit.split())[:_SHOWN_CHARACTERS] for hit in hits if hit.strip()))[:_MAX_HITS]

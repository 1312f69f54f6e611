"""What an agent may answer: one tool call or the final verdict, as small JSON under a grammar.

Enters: the text of a Completion. Leaves: a `Step`, or a `Misstep` that says what is wrong with it. Every string has a
pattern that keeps quotes, backslashes and control characters out, as under a grammar of lengths alone models emit them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from fcaps_pipeline.records.base import Record

MAX_CLAIMS = 24
"""Claims of one caption that are asked about; no caption that passes the rules has as many."""
MAX_PATTERN_CHARACTERS = 60
_THINKING_ENDS = "</think>"

Attribute = Literal[
    "gender",
    "pitch",
    "pitch_course",
    "rate",
    "rate_course",
    "loudness_course",
    "pauses",
    "voice_quality",
]
"""What can be measured; of volume nothing can, as the gain of a recording is unknown."""
MEASURED: frozenset[str] = frozenset(get_args(Attribute))
FaultName = Literal[
    "background_or_quality",
    "absence",
    "transcript_without_style",
    "tags_not_honoured",
    "multiple_speakers",
]
"""Source: the checklist that FCaps drops captions by (arXiv 2601.03065)."""
Result = Literal["supported", "contradicted", "unverifiable"]

_Line = Annotated[str, Field(pattern=r'^[^\x00-\x1f\x7f"\\]*$')]
_Words = Annotated[str, Field(pattern=r'^[^\x00-\x1f\x7f"\\]+$')]
"""Without lengths: xgrammar 0.2.8 compiles a bound of 60 in seconds, and fails at 160. What is used of them is cut."""
_Number = Annotated[int, Field(ge=1, le=MAX_CLAIMS)]
_Seconds = Annotated[int, Field(ge=0, le=30)]


class Measure(Record):
    """Measures an attribute in a stretch of the Segment."""

    action: Literal["measure"]
    attribute: Attribute
    from_s: _Seconds
    to_s: _Seconds


class Search(Record):
    """Looks for a regular expression."""

    action: Literal["search"]
    where: Literal["transcript", "caption"]
    pattern: _Words


class Tags(Record):
    """Reads the human tags."""

    action: Literal["tags"]


class Probe(Record):
    """Asks a model that hears about one claim."""

    action: Literal["probe"]
    claim: _Number


class JudgedClaim(Record):
    """What the agent makes of one claim."""

    claim: _Number
    why: _Line
    evidence: Annotated[tuple[Annotated[str, Field(pattern=r"^e[0-9]{1,2}$")], ...], Field(max_length=4)]
    """Of what it was shown, the items that it rests on."""
    result: Result


class FoundFault(Record):
    """An item of the checklist that the caption falls under."""

    fault: FaultName
    words: _Words
    """Of the caption; for tags, the tag."""


class Final(Record):
    """The end."""

    action: Literal["verdict"]
    claims: Annotated[tuple[JudgedClaim, ...], Field(max_length=MAX_CLAIMS)]
    faults: Annotated[tuple[FoundFault, ...], Field(max_length=5)]


Call = Measure | Search | Tags | Probe


class Step(Record):
    """One answer of the agent."""

    thought: _Line
    step: Annotated[Measure | Search | Tags | Probe | Final, Field(discriminator="action")]


@dataclass(frozen=True)
class Misstep:
    """An answer that is none."""

    name: Literal["nonsense", "unknown_tool", "loop"]
    detail: str


def parse_step(text: str) -> Step | Misstep:
    """Takes an answer apart: behind its thinking, from the first brace to the last.

    A server that knows no grammar puts fences or words around the JSON.
    """
    answer = text.rpartition(_THINKING_ENDS)[2]
    start, end = answer.find("{"), answer.rfind("}")
    try:
        return _STEP.validate_json(answer[start : end + 1] if 0 <= start < end else answer)
    except ValidationError as error:
        return _misstep(error)


@cache
def step_schema(*, is_last: bool, has_probe: bool) -> dict[str, Any]:
    """JSON Schema of a step, the grammar it is decoded under; treat it as read-only.

    Args:
        is_last: whether nothing but the verdict may come.
        has_probe: whether there is a probe to ask.
    """
    schema = Step.model_json_schema()
    names = ["Final"] if is_last else ["Measure", "Search", "Tags", *(["Probe"] if has_probe else []), "Final"]
    schema["properties"]["step"] = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    needed = {*names, *(("JudgedClaim", "FoundFault"))}
    return {**schema, "$defs": {name: one for name, one in schema["$defs"].items() if name in needed}}


_STEP = TypeAdapter(Step)


def _misstep(error: ValidationError) -> Misstep:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "answer"
    message = f"{place}: {first['msg']}"[:200]
    return Misstep("unknown_tool" if first["type"] == "union_tag_invalid" else "nonsense", message)

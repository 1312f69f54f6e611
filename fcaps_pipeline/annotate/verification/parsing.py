"""From the text of a Completion to a caption, or to the reason why there is none.

Fine answers are prose; global answers are JSON that must be a `GlobalCaption` even though it was
decoded under a grammar. What the caption says is judged by `rules`.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from fcaps_pipeline.records.captions import GlobalCaption, Granularity

_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>")
_MAX_FINDINGS = 3


@dataclass(frozen=True)
class ParsedAnswer:
    """An answer in parts."""

    text: str
    """The caption; the raw answer where it could not be parsed."""
    attributes: GlobalCaption | None = None
    fault: str | None = None
    """What is wrong with the JSON; None for prose and for valid answers."""


def parse_answer(granularity: Granularity, text: str) -> ParsedAnswer:
    """Takes an answer apart; tokens that end a turn are cut off its end."""
    text = _without_end_tokens(text.strip())
    if granularity is Granularity.FINE:
        return ParsedAnswer(text)
    try:
        attributes = GlobalCaption.model_validate_json(text)
    except ValidationError as error:
        return ParsedAnswer(text, fault=_explain(error))
    return ParsedAnswer(attributes.caption, attributes)


def _without_end_tokens(text: str) -> str:
    end = len(text)
    while token := next((one for one in _END_TOKENS if text.endswith(one, 0, end)), None):
        end -= len(token)
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def _explain(error: ValidationError) -> str:
    findings = [
        f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False)
    ]
    more = len(findings) - _MAX_FINDINGS
    return "; ".join(findings[:_MAX_FINDINGS]) + (f"; and {more} more" if more > 0 else "")

"""What a server says, validated: the one place where its bytes become values.

The bytes of an answer enter, Completions, names of models or a line for people leave. Whatever is
not what OpenAI's interface promises (broken, empty or foreign JSON, HTML, nulls, other numbers of
answers, no UTF-8) is an `EngineRetryableError`: a server between two states says such things. What
is no part of the promise, such as further fields, is passed over.
"""

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from fcaps_pipeline.annotate.engines.answers import any_of, excerpt, make_completion, spellings
from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.errors import EngineRequestError, EngineRetryableError
from fcaps_pipeline.records.annotations import Completion, FinishReason, TokenCount

_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "repetition": "repetition"}
"""Any other leaves no whole answer."""
_FILTERED = "content_filter"
"""A vendor's judgement of this very answer, which would be the same again."""
_MAX_VERSION_CHARACTERS = 64
_MAX_INDEX = 2**16
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""Escapes of JSON; half of a surrogate pair is the group."""
_Said = TypeVar("_Said", bound=BaseModel)


class _Usage(BaseModel):
    prompt_tokens: TokenCount
    completion_tokens: TokenCount


def _none_if_wrong(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """What stands beside the text: an answer is not lost for a number that cannot be."""
    try:
        return check(value)
    except ValidationError:
        return None


class _Message(BaseModel):
    content: str


class _Likely(BaseModel):
    """A token that could have stood at a place, with its log probability."""

    token: str
    logprob: Annotated[float, Field(allow_inf_nan=False)]


class _Token(BaseModel):
    top_logprobs: Annotated[tuple[_Likely, ...], Field(min_length=1)]


class _Tokens(BaseModel):
    content: Annotated[tuple[_Token, ...], Field(min_length=1)]


class _Choice(BaseModel):
    index: Annotated[int, Field(ge=0, le=_MAX_INDEX)]
    finish_reason: str
    message: _Message
    logprobs: Annotated[_Tokens | None, WrapValidator(_none_if_wrong)] = None


class _Answer(BaseModel):
    choices: tuple[_Choice, ...]
    usage: Annotated[_Usage | None, WrapValidator(_none_if_wrong)] = None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: tuple[_Model, ...]


class _Version(BaseModel):
    version: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=_MAX_VERSION_CHARACTERS)]


class _Error(BaseModel):
    message: str


class _Complaint(BaseModel):
    error: _Error | str


def read_completions(body: bytes, request: CaptionRequest, where: str) -> tuple[Completion, ...]:
    """The answers to a request, in seed order.

    Raises:
        EngineRetryableError: there are more or fewer than asked for, one is not whole, or the body is no answer.
        EngineRequestError: one is withheld by a filter.
    """
    answer = _validated(_Answer, body, where)
    choices = sorted(answer.choices, key=lambda choice: choice.index)
    indices = [choice.index for choice in choices]
    if indices != list(range(request.num_completions)):
        raise EngineRetryableError(
            f"{where}: expected {request.num_completions} answers, found {len(indices)} with indices {indices[:20]}"
        )
    num_prompt_tokens, num_output_tokens = (
        (answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else (0, 0)
    )
    return tuple(
        make_completion(
            choice.message.content,
            _finish_reason(choice, where),
            num_prompt_tokens=num_prompt_tokens,
            num_output_tokens=_share(num_output_tokens, choice.index, len(choices)),
            seed=request.seed_of(choice.index),
            log_probabilities=_weighed(request.weighed, choice.logprobs),
        )
        for choice in choices
    )


def read_models(body: bytes, where: str) -> frozenset[str]:
    """Names of the models that a server lists.

    Raises:
        EngineRetryableError: the body is no such list.
    """
    return frozenset(model.id for model in _validated(_Models, body, where).data)


def read_version(body: bytes) -> str | None:
    """The version that vLLM's server tells; None where the body tells none."""
    try:
        return _Version.model_validate_json(body).version
    except ValidationError:
        return None


def read_complaint(body: bytes) -> str:
    """What a server has against a request, for people."""
    try:
        error = _Complaint.model_validate_json(body).error
    except ValidationError:
        return _start(body)
    return excerpt(error if isinstance(error, str) else error.message)


def _validated(kind: type[_Said], body: bytes, where: str) -> _Said:
    try:
        return kind.model_validate_json(_ESCAPE.sub(_whole_character, body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise EngineRetryableError(
            f"{where}: the server's answer is none: {place}: {excerpt(first['msg'])}; it begins with {_start(body)}"
        ) from None


def _whole_character(escape: re.Match[bytes]) -> bytes:
    """Half a surrogate pair is legal JSON and no text: the answer is kept, with a sign that some rule drops it for."""
    return rb"\ufffd" if escape[1] else escape[0]


def _start(body: bytes) -> str:
    return repr(body[:40].decode("utf-8", "backslashreplace"))


def _finish_reason(choice: _Choice, where: str) -> FinishReason:
    reason = _FINISH_REASONS.get(choice.finish_reason)
    if choice.finish_reason == _FILTERED:
        raise EngineRequestError(f"{where}: the server withholds answer {choice.index}: {_FILTERED}")
    if reason is None:
        raise EngineRetryableError(
            f"{where}: the server gave up on answer {choice.index}: {excerpt(choice.finish_reason)}"
        )
    return reason


def _weighed(answers: tuple[str, ...], tokens: _Tokens | None) -> tuple[float, ...] | None:
    """Log probabilities of answers, by the tokens that they can begin with.

    A server tells only the likeliest: an answer that is not among them gets the lowest that is told, which it cannot
    exceed. None where none of the answers is among them.
    """
    if not answers or tokens is None:
        return None
    likely = tokens.content[0].top_logprobs
    found = [[one.logprob for one in likely if _begins(answer, one.token)] for answer in answers]
    lowest = min(one.logprob for one in likely)
    return tuple(any_of(one or [lowest]) for one in found) if any(found) else None


def _begins(answer: str, token: str) -> bool:
    said = token.strip()
    return bool(said) and any(one.startswith(said) for one in spellings(answer))


def _share(total: int, index: int, count: int) -> int:
    """Servers count the tokens of all answers together; each gets an equal part, the sum stays exact."""
    return total // count + (1 if index < total % count else 0)

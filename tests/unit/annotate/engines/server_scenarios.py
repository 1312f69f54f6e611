"""What a server can say to a request for two answers, and what becomes of the request: a table.

`answered`: two Completions that can be stored; `refused`: this request is never sent again; `passing`: it is.
"""

import gzip
import json
from dataclasses import dataclass
from typing import Any, Literal

from tests.faulty_server import Reply

Outcome = Literal["answered", "refused", "passing"]
SHORT_TIMEOUT_S = 1.5
"""For servers that never end; the others have all the time that a loaded machine takes."""


@dataclass(frozen=True)
class Scenario:
    """One way to answer."""

    name: str
    reply: Reply
    outcome: Outcome
    is_endless: bool = False
    """Whether only the time limit ends it."""


def _response(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", "")
    return "\r\n".join(lines).encode("latin-1") + body


def _choice(index: int, **changes: Any) -> dict[str, Any]:
    choice = {"index": index, "finish_reason": "stop", "message": {"role": "assistant", "content": f"text {index}"}}
    return {**choice, **changes}


def _answer(**changes: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 30, "completion_tokens": 11, "total_tokens": 41}
    return {"id": "x", "object": "chat.completion", "choices": [_choice(0), _choice(1)], "usage": usage, **changes}


def _say(content: Any) -> dict[str, Any]:
    """A good answer whose first text is this."""
    return _answer(choices=[_choice(0, message={"content": content}), _choice(1)])


_GOOD = json.dumps(_answer()).encode()
_HTML = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"


def _bodies(outcome: Outcome, **bodies: bytes | object) -> list[Scenario]:
    """Answers with HTTP 200 that differ in what they say; what is not bytes is written as JSON."""
    return [
        Scenario(name, Reply((_response(body if isinstance(body, bytes) else json.dumps(body).encode()),)), outcome)
        for name, body in bodies.items()
    ]


def _statuses(outcome: Outcome, *statuses: int) -> list[Scenario]:
    body = b'{"error": {"message": "a\\u001b[31m reason"}}'
    return [Scenario(f"HTTP {one}", Reply((_response(body, f"{one} Words"),)), outcome) for one in statuses]


def _wires(outcome: Outcome, **replies: Reply) -> list[Scenario]:
    return [Scenario(name, reply, outcome) for name, reply in replies.items()]


def _endless(**replies: Reply) -> list[Scenario]:
    return [Scenario(name, reply, "passing", is_endless=True) for name, reply in replies.items()]


SCENARIOS: tuple[Scenario, ...] = (
    *_bodies(
        "answered",
        good=_answer(),
        reversed_choices=_answer(choices=[_choice(1), _choice(0)]),
        unknown_fields=_answer(choices=[_choice(0, stop_reason=None, logprobs=None), _choice(1, more=[1])], extra={}),
        no_usage={"choices": [_choice(0), _choice(1)]},
        usage_null=_answer(usage=None),
        usage_negative=_answer(usage={"prompt_tokens": -5, "completion_tokens": -1}),
        usage_beyond_all_tables=_answer(usage={"prompt_tokens": 10**30, "completion_tokens": 2**31}),
        usage_infinite=b'{"usage": {"prompt_tokens": 1e999, "completion_tokens": NaN}, "choices": '
        + json.dumps([_choice(0), _choice(1)]).encode()
        + b"}",
        usage_text=_answer(usage="many"),
        usage_list=_answer(usage=[1, 2]),
        empty_text=_say(""),
        blank_text=_say(" " * 40_000),
        huge_text=_say("slow " * 400_000),
        one_line_of_a_megabyte=_say("a" * 1_000_000),
        line_breaks=_say("one\r\ntwo\u2028three\x85four"),
        null_character=_say("a\x00b"),
        terminal_escape=_say("\x1b[2J\x1b]0;title\x07 A voice."),
        bidirectional=_say("A \u202evoice\u202c that \u2066speaks\u2069."),
        zero_width=_say("A vo\u200bi\u200dce\ufeff."),
        lone_surrogate=_say("A voice \ud800 speaks."),
        low_surrogate_first=_say("\udc00\ud800"),
        escaped_backslash_before_u=_say("\\ud800"),
        surrogate_pair=_say("A voice \U0001f600."),
        private_use=_say("\ue000\U000f0000\uffff"),
        combining_marks=_say("e" + "\u0301" * 5_000),
        wide_characters=_say("\u4e00\uac00" * 2_000),
        json_in_text=_say('{"gender": 1e999, "age": ' + "9" * 5_000 + "}"),
        nested_json_in_text=_say("[" * 15_000),
        end_tokens_in_text=_say("</s>" * 4_000 + "<|im_end|>"),
        text_of_a_template=_say("<|im_start|>assistant\nA voice."),
        repetition=_answer(choices=[_choice(0, finish_reason="repetition"), _choice(1, finish_reason="length")]),
        doubled_key=_GOOD[:-1] + b', "id": 2}',
        spaces_around=b" \n" * 5_000 + _GOOD + b"\n" * 5_000,
    ),
    *_bodies(
        "passing",
        empty=b"",
        spaces=b" " * 1_000,
        html=_HTML,
        plain_text=b"upstream connect error or disconnect/reset before headers",
        cut_json=_GOOD[:-20],
        two_answers_in_one=_GOOD + _GOOD,
        event_stream=b"data: " + _GOOD + b"\n\ndata: [DONE]\n\n",
        not_utf8=_GOOD.replace(b"text 0", b"text \xff\xfe"),
        utf16=_GOOD.decode().encode("utf-16"),
        surrogate_in_utf8=_GOOD.replace(b"text 0", b"text \xed\xa0\x80"),
        raw_control=_GOOD.replace(b"text 0", b"text\n0"),
        zeros=b"\x00" * 1_000,
        random_bytes=bytes(range(256)) * 20,
        deeply_nested=b"[" * 100_000 + b"]" * 100_000,
        number=b"17",
        true=b"true",
        null=b"null",
        text=b'"ok"',
        array=[_answer()],
        object={},
        foreign={"jsonrpc": "2.0", "result": "ok", "id": 1},
        error_with_200={"error": {"message": "CUDA out of memory", "code": 500}},
        error_and_choices_null={"error": "busy", "choices": None},
        choices_null=_answer(choices=None),
        choices_empty=_answer(choices=[]),
        choices_object=_answer(choices={"0": _choice(0)}),
        choices_of_null=_answer(choices=[None, None]),
        choices_of_text=_answer(choices=["text 0", "text 1"]),
        one_choice=_answer(choices=[_choice(0)]),
        three_choices=_answer(choices=[_choice(0), _choice(1), _choice(2)]),
        same_index_twice=_answer(choices=[_choice(0), _choice(0)]),
        indices_from_one=_answer(choices=[_choice(1), _choice(2)]),
        index_null=_answer(choices=[_choice(0), {**_choice(1), "index": None}]),
        index_negative=_answer(choices=[_choice(0), _choice(-1)]),
        index_huge=_answer(choices=[_choice(0), _choice(10**400)]),
        message_null=_answer(choices=[_choice(0, message=None), _choice(1)]),
        message_text=_answer(choices=[_choice(0, message="text 0"), _choice(1)]),
        message_missing=_answer(choices=[{"index": 0, "finish_reason": "stop", "text": "text 0"}, _choice(1)]),
        content_null=_say(None),
        content_number=_say(3.5),
        content_parts=_say([{"type": "text", "text": "text 0"}]),
        content_missing=_answer(choices=[_choice(0, message={"role": "assistant"}), _choice(1)]),
        reason_null=_answer(choices=[_choice(0, finish_reason=None), _choice(1)]),
        reason_number=_answer(choices=[_choice(0, finish_reason=1), _choice(1)]),
        reason_error=_answer(choices=[_choice(0, finish_reason="error"), _choice(1)]),
        reason_tool_calls=_answer(choices=[_choice(0, finish_reason="tool_calls"), _choice(1)]),
        reason_with_escapes=_answer(choices=[_choice(0, finish_reason="\x1b[31mno\u202e"), _choice(1)]),
        five_megabytes=_say("a" * 5 * 2**20),
    ),
    *_bodies("refused", filtered=_answer(choices=[_choice(0), _choice(1, finish_reason="content_filter")])),
    *_statuses("refused", 400, 413, 415, 422),
    *_statuses("passing", 204, 301, 307, 401, 403, 404, 405, 408, 409, 418, 425, 429, 451, 499),
    *_statuses("passing", 500, 501, 502, 503, 504, 507, 529, 599, 700, 999),
    *_wires(
        "refused",
        refused_with_html=Reply((_response(_HTML, "400 Bad Request"),)),
        refused_without_body=Reply((_response(b"", "422 Unprocessable"),)),
        refused_with_escapes=Reply((_response(b'{"error": "\\u001b[2J\\u202e"}', "400 Bad Request"),)),
        refused_in_bytes=Reply((_response(b"\xff\x00\x1b[31m", "400 Bad Request"),)),
    ),
    *_wires(
        "answered",
        compressed_all_the_same=Reply((_response(gzip.compress(_GOOD), "200 OK", "Content-Encoding: gzip"),)),
        in_two_parts=Reply((_response(_GOOD[:100], length=len(_GOOD)), _GOOD[100:]), pause_s=0.05),
        no_length=Reply((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + _GOOD,)),
        old_protocol=Reply((b"HTTP/1.0 200 OK\r\n\r\n" + _GOOD,)),
        chunked=Reply(
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_GOOD), _GOOD),)
        ),
        html_as_type=Reply((_response(_GOOD, "200 OK", "Content-Type: text/html; charset=utf-16"),)),
        odd_cookie=Reply((_response(_GOOD, "200 OK", "Set-Cookie: \xff\xfe=;;; expires=never"),)),
    ),
    *_wires(
        "passing",
        closed_at_once=Reply(()),
        reset_at_once=Reply((), then="reset"),
        no_http=Reply((b"SSH-2.0-OpenSSH_9.2\r\n",)),
        half_a_head=Reply((b"HTTP/1.1 200 OK\r\nContent-Le",)),
        no_status=Reply((b"HTTP/1.1 \r\n\r\n",)),
        length_no_number=Reply((b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + _GOOD,)),
        length_negative=Reply((_response(_GOOD, length=-5),)),
        two_lengths=Reply((_response(_GOOD, "200 OK", "Content-Length: 3"),)),
        head_without_end=Reply((b"HTTP/1.1 200 OK\r\n" + b"X-Filler: aaaaaaaa\r\n" * 20_000,)),
        closed_before_the_body=Reply((_response(b"", length=500),)),
        closed_in_the_body=Reply((_response(_GOOD[:50], length=len(_GOOD)),)),
        reset_in_the_body=Reply((_response(_GOOD[:50], length=len(_GOOD)),), then="reset"),
        longer_than_its_length=Reply((_response(_GOOD, length=40),)),
        bad_chunk=Reply((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",)),
        no_gzip=Reply((_response(_GOOD, "200 OK", "Content-Encoding: gzip"),)),
        gzip_bomb=Reply((_response(gzip.compress(b" " * 20_000_000), "200 OK", "Content-Encoding: gzip"),)),
        endless_list=Reply((b"HTTP/1.1 200 OK\r\n\r\n[" + b"0," * 4_000_000,)),
        wish_not_a_number=Reply((_response(b"", "503 Busy", "Retry-After: nan"),)),
        wish_endless=Reply((_response(b"", "503 Busy", "Retry-After: 1e999"),)),
        wish_negative=Reply((_response(b"", "503 Busy", "Retry-After: -3"),)),
        wish_of_no_day=Reply((_response(b"", "503 Busy", "Retry-After: Mon, 99 Foo 99999 99:99:99 GMT"),)),
    ),
    *_endless(
        silent=Reply((), then="hang"),
        head_only=Reply((_response(b"", length=500),), then="hang"),
        drips=Reply((_response(b"", length=500), *(b" " for _ in range(400))), pause_s=0.05, then="hang"),
        drips_in_the_head=Reply(
            (b"HTTP/1.1 200 OK\r\n", *(b"X: y\r\n" for _ in range(400))), pause_s=0.05, then="hang"
        ),
        continues_for_ever=Reply((b"HTTP/1.1 100 Continue\r\n\r\n",) * 400, pause_s=0.05, then="hang"),
    ),
)

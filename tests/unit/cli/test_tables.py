"""What a terminal shows of captions that hold brackets."""

import io

from rich.console import Console

from fcaps_pipeline.cli.tables import print_card


def test_brackets_in_captions_are_text_not_markup() -> None:
    stream = io.StringIO()
    candidate = {
        "granularity": "fine",
        "text": "She speaks [softly] and [/then] stops.",
        "attributes": None,
        "kept": False,
        "reasons": ["length"],
        "model": "m",
        "model_revision": "r",
        "engine": "vllm",
        "engine_version": "1",
        "prompt_name": "p",
        "prompt_version": 1,
        "seed": 0,
        "attempt": 1,
        "finish_reason": "stop",
        "num_output_tokens": 9,
    }
    row = {"segment_id": "a", "table": "data", "source": "[a].wav", "channel": "0", "start_s": 0.0, "end_s": 1.0}
    print_card(Console(file=stream, width=100, markup=False), {**row, "candidates": [candidate]})
    assert "[softly] and [/then]" in stream.getvalue()
    assert "[a].wav" in stream.getvalue()

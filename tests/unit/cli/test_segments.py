"""What a terminal shows of Segments: nothing is lost, no id is broken, at any width."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.run.inspection import Line
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.cli.segments import print_card, print_segments
from fcaps_pipeline.records.annotations import Failure
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.writer import UnitWriter
from tests.conftest import Typed
from tests.outcomes import segmented


def test_brackets_in_captions_are_text_not_markup() -> None:
    stream = io.StringIO()
    candidate = {
        "granularity": "fine",
        "text": "She speaks [softly] and [/then] stops.",
        **dict.fromkeys(Profile.model_fields),
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
    print_card(Stream(file=stream, width=100), {**row, "candidates": [candidate]})
    assert "[softly] and [/then]" in stream.getvalue()
    assert "[a].wav" in stream.getvalue()


Make = Callable[..., Any]


@pytest.fixture
def run(make_audio: Make, annotate: Make, reject: Make, fail: Make, tmp_path: Path) -> Path:
    """23 Segments annotated, two rejected, one failed, and a Recording that could not be read."""
    layout = RunLayout(tmp_path / "run")
    outcomes = [annotate] * 23 + [reject] * 2 + [fail]
    with UnitWriter(layout, 0, row_group_bytes=1_000_000) as writer:
        for index, outcome in enumerate(outcomes):
            audio = make_audio(index)
            writer.add(outcome(audio), audio)
        recording = Recording(recording_id="broken_wav", location="/speech/broken.wav", source="broken.wav")
        unreadable = Failure(
            recording=recording, segment=None, stage="decode", error="RecordingError", message="the file is empty"
        )
        writer.add_recording_failure(unreadable)
        broken = segmented(0).model_copy(update={"recording_id": "broken_wav", "outcome": "failed"})
        writer.commit((segmented(len(outcomes)), broken), len(outcomes), 1.0)
    layout.job.on_disk().write_text("{}")
    return layout.root.on_disk()


def _listed(width: int, lines: list[Line], limit: int = 20) -> str:
    stream = io.StringIO()
    print_segments(Stream(file=stream, width=width), lines, limit, "ask for more")
    return stream.getvalue()


LINES = [
    Line(
        segment_id=f"{'a' * 90}-c0-{number:09d}",
        duration_s=2.5,
        fine_caption="She begins softly and grows louder until the very end of what she has to say.",
        global_caption="A woman speaks at a measured pace.",
        dropped=f"failed: /{'very-' * 20}long.wav cannot be read",
    )
    for number in range(3)
]


@pytest.mark.parametrize("width", [40, 80, 100, 160, 240])
def test_ids_and_paths_are_never_broken(width: int) -> None:
    text = _listed(width, LINES)
    for line in LINES:
        assert line.segment_id in text
        assert "grows" in text
    if width < 240:
        assert LINES[0].dropped.split()[1] in text


def test_what_can_be_wrapped_fits_the_terminal() -> None:
    short = [
        line.model_copy(update={"segment_id": "tale-c0-1", "dropped": "rejected: fine: absence"}) for line in LINES
    ]
    assert max(map(len, _listed(80, short).splitlines())) <= 80
    assert "━" in _listed(160, short)


def test_more_than_the_limit_is_said() -> None:
    assert "the first 2 are shown; ask for more" in _listed(80, LINES, limit=2)
    assert "are shown" not in _listed(80, LINES, limit=3)
    assert _listed(80, []) == "there are none\n"


def test_show_lists_what_was_asked_for(typed: Typed, run: Path) -> None:
    code, out, _ = typed("show", run, "--json")
    assert code == 0
    kinds = [json.loads(line)["dropped"].partition(":")[0] for line in out.splitlines()]
    assert kinds == ["1 of 3 candidates"] * 23 + ["rejected"] * 2 + ["failed"] * 2
    assert len(typed("show", run, "--json", "--limit", "5")[1].splitlines()) == 5
    rejected = [json.loads(line)["dropped"] for line in typed("show", run, "--json", "--rejected")[1].splitlines()]
    assert rejected == ["rejected: fine: absence"] * 2
    assert typed("show", run, "--failed")[1].count("the server refused the audio") == 1


def test_show_prints_one_segment_as_json(typed: Typed, run: Path) -> None:
    name = json.loads(typed("show", run, "--json", "--limit", "1")[1])["segment_id"]
    row = json.loads(typed("show", run, name, "--json")[1])
    assert (row["segment_id"], row["table"], row["speaker"]) == (name, "data", "anna")


def test_every_id_of_the_list_can_be_shown(typed: Typed, run: Path) -> None:
    names = [json.loads(line)["segment_id"] for line in typed("show", run, "--json")[1].splitlines()]
    assert names[-1] == "broken_wav"
    for name in (names[0], names[-2], names[-1]):
        code, out, _ = typed("show", run, name)
        assert (code, out.startswith(name)) == (0, True)
    assert "message: the file is empty" in out
    code, _, err = typed("show", run, "broken")
    assert (code, "has no Segment 'broken'; did you mean broken_wav?" in err.replace("\n", " ")) == (2, True)

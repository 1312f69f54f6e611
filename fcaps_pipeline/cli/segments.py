"""How Segments look in a terminal: a table or a list of many, a card of one.

An id is never broken: where the terminal has no room for a column of them, each stands on a line of its own.
"""

import textwrap
from collections.abc import Iterable
from itertools import islice
from typing import Any

from rich.table import Table

from fcaps_pipeline.annotate.run.inspection import Line
from fcaps_pipeline.cli.claim_lines import claim_line, claims_in_short, event_line, events_in_short
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.records.annotations import Claim
from fcaps_pipeline.records.audio import Acoustics, Event
from fcaps_pipeline.records.captions import Profile

_STYLES = {"supported": "green", "contradicted": "red", "unverifiable": "dim"}
_TABLE_BESIDE_IDS = 100
"""Columns that a table needs beside the ids for captions to be readable."""


def print_segments(console: Stream, lines: Iterable[Line], limit: int, hint: str) -> None:
    """The first Segments of a run, as a table where the terminal is wide enough.

    Args:
        console: where to.
        lines: the Segments.
        limit: as many are shown.
        hint: how to see others, said where there are more.
    """
    shown = list(islice(lines, limit + 1))
    if shown:
        _print_lines(console, shown[:limit])
    else:
        console.say("there are none")
    if len(shown) > limit:
        console.say(f"the first {limit} are shown; {hint}")


def _print_lines(console: Stream, shown: list[Line]) -> None:
    longest_id = max(len(line.segment_id) for line in shown)
    if console.width < longest_id + _TABLE_BESIDE_IDS:
        for line in shown:
            _print_line(console, line)
        return
    table = Table(show_lines=True)
    table.add_column("segment", no_wrap=True, min_width=longest_id)
    table.add_column("duration", justify="right", min_width=8)
    table.add_column("fine caption", ratio=6)
    table.add_column("global caption", ratio=4)
    table.add_column("dropped, and why", ratio=3)
    for line in shown:
        table.add_row(line.segment_id, _duration(line), *_captions(line), line.dropped)
    console.show(table)


def _print_line(console: Stream, line: Line) -> None:
    console.say(f"{line.segment_id}  {_duration(line)}", style="bold")
    for name, text, claims in _told(line):
        if text:
            console.print(_indented(f"{name}: {text}", console.width, "  "), soft_wrap=True)
        if claims:
            console.print(_indented(claims, console.width, "    "), soft_wrap=True, style="dim")


def _told(line: Line) -> tuple[tuple[str, str, str], ...]:
    """Each part of a line with what is known of its truth."""
    return (
        ("fine", line.fine_caption, claims_in_short(line.fine_claims)),
        ("global", line.global_caption, claims_in_short(line.global_claims)),
        ("events", events_in_short(line.events), ""),
        ("dropped", line.dropped, ""),
    )


def _captions(line: Line) -> tuple[str, str]:
    """Both captions as cells of a table, with their claims."""
    (_, fine, of_fine), (_, whole, of_whole), (_, events, _), _ = _told(line)
    placed = f"events: {events}" if events else ""
    return "\n".join(filter(None, (fine, of_fine, placed))), "\n".join(filter(None, (whole, of_whole)))


def _indented(text: str, width: int, indent: str) -> str:
    wrapper = textwrap.TextWrapper(width, initial_indent=indent, subsequent_indent=f"{indent}  ")
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    return wrapper.fill(text)


def _duration(line: Line) -> str:
    return "-" if line.duration_s is None else f"{line.duration_s:.2f} s"


def print_card(console: Stream, row: dict[str, Any]) -> None:
    """Everything a run knows about one Segment."""
    if row["segment_id"] is None:
        console.say(f"{row['recording_id']}  ({row['table']}, the whole Recording)", style="bold")
        console.say(f"{row['source']}")
    else:
        console.say(f"{row['segment_id']}  ({row['table']})", style="bold")
        console.say(f"{row['source']} channel {row['channel']}, {row['start_s']:.3f} to {row['end_s']:.3f} s")
    for key in ("speaker", "language", "transcript", "recording_transcript", "tags", "license"):
        if row.get(key):
            console.say(f"{key}: {row[key]}")
    for key in ("reason", "error", "message"):
        if key in row:
            console.say(f"{key}: {row[key]}")
    _print_acoustics(console, row)
    for event in row.get("events") or []:
        console.say(event_line(Event.model_validate(event)))
    for candidate in row.get("candidates") or []:
        _print_candidate(console, candidate)


def _print_acoustics(console: Stream, row: dict[str, Any]) -> None:
    measured = {name: row[name] for name in Acoustics.model_fields if name in row}
    if all(value is None for value in measured.values()):
        return
    table = Table("measured", "value")
    for name, value in measured.items():
        table.add_row(name, "-" if value is None else f"{value:.4g}")
    console.show(table)


def _print_candidate(console: Stream, candidate: dict[str, Any]) -> None:
    state = "kept" if candidate["kept"] else "dropped: " + ", ".join(candidate["reasons"])
    console.say(f"{candidate['granularity']} caption, {state}", style="green" if candidate["kept"] else "yellow")
    console.say(f"  {candidate['text']}")
    if fields := [f"{name} {candidate[name]}" for name in Profile.model_fields if candidate[name]]:
        console.say("  " + ", ".join(fields))
    for claim in map(Claim.model_validate, candidate.get("claims") or []):
        console.say(f"  {claim_line(claim)}", style=_STYLES[claim.result])
    for repair in candidate.get("repairs") or []:
        console.say(f"  deleted: {repair}", style="yellow")
    console.say(
        f"  {candidate['model']} {candidate['model_revision'][:19]}, {candidate['engine']} "
        f"{candidate['engine_version']}, prompt {candidate['prompt_name']}.v{candidate['prompt_version']}, "
        f"seed {candidate['seed']}, attempt {candidate['attempt']}, {candidate['finish_reason']}, "
        f"{candidate['num_output_tokens']} tokens",
        style="dim",
    )

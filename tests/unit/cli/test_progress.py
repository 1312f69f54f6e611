"""The progress of a run: on a terminal of 80 columns, and in a log."""

import io
import re
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import get_origin

import pytest

from fcaps_pipeline.annotate.run.callback import ANNOTATING
from fcaps_pipeline.annotate.run.watch.progress import Outcome, Progress
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.cli.progress import ProgressBar
from fcaps_pipeline.shards.layout import Totals
from fcaps_pipeline.shards.plan import Plan

_TOTALS = Totals.model_validate(dict.fromkeys(Totals.model_fields, 0))


class Log(io.StringIO):
    """Knows when so many lines have been written."""

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self._wanted = wanted
        self.has_it = threading.Event()

    def write(self, text: str) -> int:
        """Writes, and tells."""
        done = super().write(text)
        if self._wanted in self.getvalue():
            self.has_it.set()
        return done


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _plan(hours: float) -> Plan:
    needed = {name: field.annotation for name, field in Plan.model_fields.items() if field.is_required()}
    empty = {name: (get_origin(kind) or kind)() for name, kind in needed.items()}  # type: ignore[misc]
    return Plan.model_validate(empty | {"num_units": 3, "num_recordings": 9, "duration_s": 3600 * hours})


def _half_way(bar: ProgressBar, clock: Clock) -> None:
    bar.on_step("starting the engines")
    bar.on_plan(_plan(2.0), _TOTALS, 0)
    clock.now_s = 40.0
    bar.on_engines_ready({}, 40.0)
    bar.on_step(ANNOTATING)
    clock.now_s = 640.0
    segments: Counter[Outcome] = Counter({"annotated": 296, "rejected": 4})
    bar.on_progress(Progress(audio_s=1800, segments=segments, output_tokens=Counter(embedded=60_000)))


def test_a_log_has_time_rate_hours_done_and_time_left() -> None:
    clock = Clock()
    bar = ProgressBar(Stream(file=io.StringIO()), clock=clock, now=lambda: datetime(2026, 12, 1, 12, 30, tzinfo=UTC))
    _half_way(bar, clock)
    assert bar.line() == (
        "12:30:00 annotating, 0:10:40 elapsed: 0.50 of 2.00 h, 3.0 x real time, 0.5 segments/s, 100 tokens/s, "
        "4 rejected, 0 failed, ETA 0:30:00"
    )


def test_a_run_that_goes_on_is_not_credited_with_what_was_done_before() -> None:
    clock = Clock()
    bar = ProgressBar(Stream(file=io.StringIO()), clock=clock)
    bar.on_plan(_plan(2.0), _TOTALS.model_copy(update={"audio_hours": 1.0}), 1)
    bar.on_engines_ready({}, 1.0)
    bar.on_step(ANNOTATING)
    assert "1.00 of 2.00 h" in bar.line()
    assert bar.line().endswith("ETA -:--:--")
    clock.now_s = 600.0
    bar.on_progress(Progress(audio_s=1800))
    assert bar.line().endswith("ETA 0:10:00")


def test_a_log_gets_a_line_again_and_again_also_while_engines_start() -> None:
    log = Log("starting the engines, 0:0")
    with ProgressBar(Stream(file=log), heartbeat_s=0.01) as bar:
        bar.on_step("starting the engines")
        assert log.has_it.wait(60)
    assert re.search(r"^\d\d:\d\d:\d\d starting the engines", log.getvalue(), re.MULTILINE)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_step_elapsed_time_and_time_left(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, clock = Terminal(), Clock()
    with ProgressBar(Stream(file=terminal, width=width), clock=clock, heartbeat_s=1000) as bar:
        bar.on_step("starting the engines")
        bar.refresh()
        assert re.search(r"starting the engines .*\d:\d\d:\d\d", terminal.getvalue())
        _half_way(bar, clock)
        bar.refresh()
    last = [line for line in re.split(r"[\r\n]", terminal.getvalue()) if "annotating" in line][-1]
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last)
    assert re.search(r"annotating .* 0\.50 of 2\.00 h \d:\d\d:\d\d ETA 0:30:00 3\.0 x", shown)
    assert len(shown) <= width

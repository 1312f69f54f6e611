"""Sums from many processes arrive whole, and the process that collects them is a small one."""

import subprocess
import sys
import threading
from collections import Counter

from fcaps_pipeline.annotate.run.watch.board import ProgressBoard, Reporter
from fcaps_pipeline.annotate.run.watch.progress import EngineState, Progress

ONE = Progress(
    audio_s=2.5,
    segments=Counter({"annotated": 1}),
    num_recording_failures=1,
    output_tokens=Counter({"small": 30}),
    verdicts=Counter({"kept": 1, "absence": 2}),
)


def test_many_reports_travel_as_one_sum() -> None:
    board, arrived = ProgressBoard(), threading.Event()
    sent: list[Progress] = []

    def send(progress: Progress) -> None:
        sent.append(progress)
        board.add(progress)
        arrived.set()

    reporter = Reporter(send, every_s=0.2)
    for _ in range(1000):
        reporter.report(ONE)
    assert arrived.wait(30), "the clock sends by itself"
    reporter.flush()
    found = board.take()
    assert (found.num_segments, found.num_failures, found.audio_s) == (1000, 1000, 2500.0)
    assert found.verdicts == {"kept": 1000, "absence": 2000}
    assert len(sent) < 20
    assert board.take() == Progress()


def test_nothing_is_sent_where_nothing_happened() -> None:
    sent: list[Progress] = []
    Reporter(sent.append, every_s=3600).flush()
    assert sent == []


def test_the_collecting_process_imports_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import fcaps_pipeline.annotate.run.watch.board; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'fcaps_pipeline'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_busy_share_is_of_the_room_that_is_up() -> None:
    state = EngineState(engine="small", wanted=2, up=1, room=64, in_hand=48, queued=9)
    assert state.busy_share == 0.75
    assert EngineState(engine="small", wanted=2, up=0, room=0, in_hand=0, queued=9).busy_share == 0

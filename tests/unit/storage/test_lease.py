import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from fcaps_pipeline.errors import LeaseLostError, OutputError, UsageError
from fcaps_pipeline.storage.lease import FOLDER, Holder, held
from fcaps_pipeline.storage.path import StorePath, store_path

BEAT_S = 0.05
STALE_S = 0.5

_HOLD = """
import sys
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path
with held(store_path(sys.argv[1]), "annotating into"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> StorePath:
    return store_path(tmp_path / "run" if request.param == "folder" else f"memory://{uuid4().hex}/run")


def _elsewhere(root: StorePath, generation: int) -> StorePath:
    """A holder on another machine, without a sign of life yet."""
    holder = Holder(token="1", host="node7", pid=1, began_ticks=1, machine="other")
    folder = root / FOLDER
    assert (folder / f"{generation:06d}.json").put_if_absent(holder.model_dump_json())
    return folder / f"{generation:06d}.beat"


def test_who_holds_keeps_others_out_until_it_gives_back(root: StorePath) -> None:
    with held(root, "annotating into", beat_s=BEAT_S) as lease:
        lease.check()
        with pytest.raises(UsageError, match=f"another process is annotating into .*process {os.getpid()} on"):
            held(root, "annotating into").__enter__()
    with held(root, "annotating into"):
        pass


def test_one_of_many_takes_it(root: StorePath) -> None:
    inside, most = [], []

    def work() -> None:
        try:
            with held(root, "working in", beat_s=BEAT_S, stale_s=STALE_S):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.2)
                inside.pop()
        except UsageError:
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most
    assert max(most) == 1


def test_a_killed_process_of_this_machine_keeps_nobody_out(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {process.pid} on"):
            held(store_path(root), "annotating into").__enter__()
        process.kill()
        process.wait()
    began_s = time.monotonic()
    with held(store_path(root), "annotating into"):
        assert time.monotonic() - began_s < 10, "nobody waits for the dead"


def test_a_holder_elsewhere_is_given_time_for_a_sign_of_life(root: StorePath) -> None:
    beat, waits = _elsewhere(root, 1), list[str]()
    is_over = threading.Event()

    def live() -> None:
        count = 0
        while not is_over.wait(BEAT_S):
            count += 1
            beat.put(f'{{"count": {count}, "is_released": false}}')

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(UsageError, match=r"process 1 on node7"):
            held(root, "annotating into", waits.append, beat_s=BEAT_S, stale_s=30).__enter__()
    finally:
        is_over.set()
        thread.join()
    assert len(waits) == 1
    assert "was not given back (process 1 on node7)" in waits[0]
    with held(root, "annotating into", beat_s=BEAT_S, stale_s=STALE_S) as lease:
        lease.check()


def test_who_was_taken_for_dead_finds_out(root: StorePath) -> None:
    with held(root, "annotating into", beat_s=BEAT_S) as lease:
        _elsewhere(root, 2)
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            try:
                lease.check()
            except LeaseLostError:
                break
            time.sleep(BEAT_S)
        with pytest.raises(LeaseLostError, match="another process took over"):
            lease.check()
    assert b"true" not in (root / FOLDER / "000001.beat").read(), "what is not ours is not given back"


def test_a_torn_record_is_a_holder_without_a_name(root: StorePath) -> None:
    (root / FOLDER / "000001.json").put("{")
    with held(root, "annotating into", beat_s=BEAT_S, stale_s=STALE_S):
        pass


def test_a_place_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        held(store_path(tmp_path / "file" / "run"), "annotating into").__enter__()

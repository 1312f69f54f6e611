"""A lock on a folder that works wherever files do: a record that is put if absent, and a sign of life beside it.

Enters: a folder of a Store. Leaves: a Lease that is held until it is given back. Holders are counted in generations;
the record of a generation is put once, and its holder gives a sign of life every few seconds. Who wants the folder
takes the next generation if the last one was given back, if its process is gone from this machine, or if the signs
have stopped while this process was looking on: clocks of two machines are never compared. A holder that was taken for
dead finds the next generation there and knows that the folder is no longer its own.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from fcaps_pipeline.errors import FcapsError, LeaseLostError, MissingFileError, OutputError, UsageError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.path import StorePath

FOLDER = ".lease"
BEAT_S = 10.0
STALE_S = 180.0
"""Longer than network file systems show an old file in place of a new one."""


class Holder(Record):
    """Who took the folder."""

    token: str
    """Different for every holder there ever was."""
    host: str
    pid: int
    began_ticks: int | None
    """When its process began, counted from the boot of its machine; None where that cannot be known."""
    machine: str
    """Boot and process namespace: where it is the same, a process id means the same process."""


class _Beat(Record):
    count: int
    is_released: bool


class Lease:
    """A folder that is held; see `held`."""

    def __init__(self, folder: StorePath, generation: int, doing: str) -> None:
        self._folder = folder
        self._generation = generation
        self._doing = doing
        self._count = 0
        self._is_lost = False

    def check(self) -> None:
        """Makes sure that the folder is still ours, as far as the last sign of life could tell.

        Raises:
            LeaseLostError: another process took it over.
        """
        if self._is_lost:
            raise LeaseLostError(
                f"another process took over {_root(self._folder)}, since this one gave no sign of life for a while; "
                f"what is {self._doing} it now goes on, and this process ends"
            )

    def beat(self) -> None:
        """Gives a sign of life, unless the next generation is there."""
        self._is_lost = self._is_lost or _record(self._folder, self._generation + 1).exists()
        if not self._is_lost:
            self._count += 1
            self._put(is_released=False)

    def release(self) -> None:
        """Gives the folder back; where that cannot be written it goes stale."""
        if not self._is_lost:
            self._count += 1
            with suppress(FcapsError):
                self._put(is_released=True)

    def _put(self, *, is_released: bool) -> None:
        beat = _Beat(count=self._count, is_released=is_released)
        _beat(self._folder, self._generation).put(beat.model_dump_json())


@contextmanager
def held(
    root: StorePath,
    doing: str,
    on_wait: Callable[[str], None] = lambda _: None,
    beat_s: float = BEAT_S,
    stale_s: float = STALE_S,
) -> Iterator[Lease]:
    """Keeps others out of a folder.

    Args:
        root: the folder; it need not exist.
        doing: what another process would be doing there, for the message.
        on_wait: told what is waited for, where a holder on another machine may be dead.
        beat_s: time between signs of life, in seconds.
        stale_s: after so long without one a holder is taken for dead, in seconds.

    Raises:
        UsageError: another process holds it.
        OutputError: the storage does not take the record.
        StorageError: the storage does not give it.
    """
    try:
        lease = _take(root / FOLDER, doing, on_wait, beat_s, stale_s)
    except OutputError as error:
        raise OutputError(f"{root} cannot be worked in: {error}; or choose another --out") from error
    is_over = threading.Event()
    thread = threading.Thread(target=_keep, args=(lease, is_over, beat_s), daemon=True, name=f"lease of {root}")
    thread.start()
    try:
        yield lease
    finally:
        is_over.set()
        thread.join()
        lease.release()


def _take(folder: StorePath, doing: str, on_wait: Callable[[str], None], beat_s: float, stale_s: float) -> Lease:
    while True:
        generation = _last_generation(folder)
        if generation:
            _wait_for_end(folder, generation, doing, on_wait, beat_s, stale_s)
        if _record(folder, generation + 1).put_if_absent(_self().model_dump_json()):
            lease = Lease(folder, generation + 1, doing)
            lease.beat()
            _beat(folder, generation).delete()
            return lease


def _wait_for_end(
    folder: StorePath, generation: int, doing: str, on_wait: Callable[[str], None], beat_s: float, stale_s: float
) -> None:
    """Returns once a generation is over.

    Raises:
        UsageError: its holder lives.
    """
    holder, seen = _read_holder(folder, generation), _read_beat(folder, generation)
    if (seen is not None and seen.is_released) or (holder is not None and _has_died_here(holder)):
        return
    who = "" if holder is None else f" (process {holder.pid} on {holder.host})"
    is_here = holder is not None and holder.machine == _machine()
    if not is_here:
        on_wait(f"{_root(folder)} was not given back{who}; waiting up to {stale_s:.0f} s for a sign of life from there")
    since_s = time.monotonic()
    while time.monotonic() - since_s < stale_s:
        now = _read_beat(folder, generation)
        if now is not None and now.is_released:
            return
        if is_here or now != seen:
            raise UsageError(f"another process is {doing} {_root(folder)}{who}; wait for it, or choose another --out")
        time.sleep(min(beat_s, stale_s) / 4)


def _keep(lease: Lease, is_over: threading.Event, beat_s: float) -> None:
    while not is_over.wait(beat_s):
        try:
            lease.beat()
        except FcapsError:
            continue  # a sign that is missed is made up for by the next; too many are noticed there


def _last_generation(folder: StorePath) -> int:
    """A listing may be behind, so it is only where probing starts."""
    listed = (path.name.partition(".") for path in folder.list())
    generation = max((int(number) for number, _, kind in listed if kind == "json" and number.isdecimal()), default=0)
    while _record(folder, generation + 1).exists():
        generation += 1
    return generation


def _record(folder: StorePath, generation: int) -> StorePath:
    return folder / f"{generation:06d}.json"


def _beat(folder: StorePath, generation: int) -> StorePath:
    return folder / f"{generation:06d}.beat"


def _read_holder(folder: StorePath, generation: int) -> Holder | None:
    """None where a writer died while it wrote."""
    try:
        return Holder.model_validate_json(_record(folder, generation).read())
    except (ValidationError, MissingFileError):
        return None


def _read_beat(folder: StorePath, generation: int) -> _Beat | None:
    try:
        return _Beat.model_validate_json(_beat(folder, generation).read())
    except (ValidationError, MissingFileError):
        return None


def _has_died_here(holder: Holder) -> bool:
    """Whether this machine would know the process, and does not."""
    if holder.machine != _machine():
        return False
    return _began_ticks(holder.pid) != holder.began_ticks


def _self() -> Holder:
    pid = os.getpid()
    host = socket.gethostname()
    return Holder(token=uuid4().hex, host=host, pid=pid, began_ticks=_began_ticks(pid), machine=_machine())


def _began_ticks(pid: int) -> int | None:
    """Tells a process from a later one of the same number, whatever the wall clock does; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    behind_name = stat.rpartition(")")[2].split()
    return None if behind_name[0] == "Z" else int(behind_name[19])


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return uuid4().hex  # nobody's but this process's: only signs of life count then


def _root(folder: StorePath) -> str:
    return str(folder).removesuffix(f"/{FOLDER}")

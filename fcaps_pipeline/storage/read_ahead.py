"""Objects that will be asked for soon, fetched before they are: what is far away is waited for once, not every time.

Enters: names in the order in which they will be asked for, and how to fetch each. Leaves: contents. They are kept until
room is needed; what was fetched ahead stays at least until it was asked for once. What is not here, because it is too
large or its fetching failed, whoever asks reads by himself, and meets the error himself.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from fcaps_pipeline.errors import FcapsError

CAPACITY_BYTES = 256 * 2**20
_ASSUMED_BYTES = 16 * 2**20
_THREADS = 4

Fetch = Callable[[], bytes | None]
"""Gives the content of an object, or None where it is too large to be held in memory."""


@dataclass
class _Kept:
    content: "Future[bytes | None]"
    num_bytes: int
    """Assumed as long as it is on its way."""
    was_asked_for: bool = False


class ReadAhead:
    """What a process fetched and will fetch; every method can be called from any thread."""

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES, assumed_bytes: int = _ASSUMED_BYTES) -> None:
        """Starts with nothing.

        Args:
            capacity_bytes: nothing more is fetched ahead beyond that.
            assumed_bytes: what an object is taken for until it is there.
        """
        self._capacity_bytes = capacity_bytes
        self._assumed_bytes = assumed_bytes
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._waiting: dict[str, Fetch] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-ahead")

    def want(self, wanted: Mapping[str, Fetch]) -> None:
        """Says what will be asked for, in this order, in place of what was said before."""
        with self._lock:
            self._waiting = dict(wanted)
            self._fetch_more()

    def get(self, name: str) -> bytes | None:
        """Content of a wanted object, from memory or as soon as it is there; None where it is not to be had here."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                fetch = self._waiting.pop(name, None)
                if fetch is None:
                    return None
                kept = self._start(name, fetch)
            kept.was_asked_for = True
            self._kept.move_to_end(name)
            self._fetch_more()
        try:
            return kept.content.result()
        except FcapsError:
            with self._lock:
                if self._kept.get(name) is kept:
                    del self._kept[name]
            return None

    def _start(self, name: str, fetch: Fetch) -> _Kept:
        kept = _Kept(self._pool.submit(fetch), self._assumed_bytes)
        self._kept[name] = kept
        kept.content.add_done_callback(lambda _: self._arrived(kept))
        return kept

    def _arrived(self, kept: _Kept) -> None:
        content = None if kept.content.exception() is not None else kept.content.result()
        with self._lock:
            kept.num_bytes = 0 if content is None else len(content)
            self._fetch_more()

    def _fetch_more(self) -> None:
        while self._waiting:
            self._make_room()
            if sum(kept.num_bytes for kept in self._kept.values()) + self._assumed_bytes > self._capacity_bytes:
                return
            name = next(iter(self._waiting))
            fetch = self._waiting.pop(name)
            if name not in self._kept:
                self._start(name, fetch)

    def _make_room(self) -> None:
        """Lets go of what was asked for longest ago; the last one may be asked for again."""
        used = [name for name, kept in self._kept.items() if kept.was_asked_for and kept.content.done()]
        total = sum(kept.num_bytes for kept in self._kept.values())
        for name in used[:-1]:
            if total + self._assumed_bytes <= self._capacity_bytes:
                return
            total -= self._kept.pop(name).num_bytes

"""Several questions at once, none of which outlives the first that fails."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


async def gather(awaitables: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Like `asyncio.gather`, but nothing goes on after the first exception."""
    tasks = [asyncio.create_task(awaitable) for awaitable in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()

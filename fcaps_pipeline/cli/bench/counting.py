"""How far a benchmark is, on stderr."""

from collections.abc import Callable

from fcaps_pipeline.cli.console import messages


def counting(what: str, total: int, every: int = 1) -> Callable[[int], None]:
    """Takes how many more are done, and says how many are.

    Args:
        what: is counted, such as `clips`.
        total: there will be.
        every: said once for so many.
    """
    done = 0

    def add(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if before // every != done // every:
            messages.say(f"{what}: {done}/{total}")

    return add

import threading

from fcaps_pipeline.errors import StorageError
from fcaps_pipeline.storage.read_ahead import Fetch, ReadAhead


class Far:
    """Objects that count how often they are fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.failing: set[str] = set()
        self.arrived = threading.Condition()

    def fetch(self, name: str) -> Fetch:
        def fetch() -> bytes | None:
            with self.arrived:
                self.fetched.append(name)
                self.arrived.notify_all()
            if name in self.failing:
                raise StorageError(f"{name} is out of reach")
            return None if name == "large" else name.encode() * 10

        return fetch

    def all(self, names: str) -> dict[str, Fetch]:
        return {name: self.fetch(name) for name in names}

    def wait_for(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.fetched) >= count, timeout=10)


def test_what_is_wanted_is_there_before_it_is_asked_for() -> None:
    far, ahead = Far(), ReadAhead()
    ahead.want(far.all("abc"))
    far.wait_for(3)
    assert [ahead.get(name) for name in "abca"] == [name.encode() * 10 for name in "abca"]
    assert sorted(far.fetched) == ["a", "b", "c"], "each once"


def test_memory_is_bounded_and_what_was_not_asked_for_stays() -> None:
    far, ahead = Far(), ReadAhead(capacity_bytes=25, assumed_bytes=10)
    ahead.want(far.all("abcdef"))
    far.wait_for(2)
    assert sorted(far.fetched) == ["a", "b"], "there is room for two"
    for count, name in enumerate("abcdef"):
        assert ahead.get(name) == name.encode() * 10
        far.wait_for(min(6, count + 2))
    assert sorted(far.fetched) == list("abcdef"), "each once"
    assert ahead.get("a") is None, "there was room for two"


def test_what_is_too_large_or_out_of_reach_or_unwanted_is_not_to_be_had_here() -> None:
    far, ahead = Far(), ReadAhead(capacity_bytes=25, assumed_bytes=10)
    far.failing = {"b"}
    ahead.want({"large": far.fetch("large"), **far.all("ab")})
    far.wait_for(3)
    assert [ahead.get(name) for name in ("large", "b", "x", "a")] == [None, None, None, b"a" * 10]


def test_a_new_list_takes_the_place_of_the_old() -> None:
    far, ahead = Far(), ReadAhead(capacity_bytes=10, assumed_bytes=10)
    ahead.want(far.all("abc"))
    far.wait_for(1)
    ahead.want(far.all("x"))
    assert ahead.get("a") == b"a" * 10
    assert ahead.get("x") == b"x" * 10
    assert ahead.get("b") is None
    assert far.fetched == ["a", "x"]

"""How fast and how large the index of earlier answers is, at a number of keys.

Enters: a folder, a number of keys and of processes. Leaves: seconds to build, bytes on disk, peak memory of the builder
and of a reader, and lookups a second, of keys by chance and of keys in the order of the run. Answers are made up, as
long as captions are; each part runs in a process of its own, so that memory is its own.
"""

import hashlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from fcaps_pipeline.annotate.captioning.earlier_answers import EarlierAnswers, StoredAnswer, write_answers
from fcaps_pipeline.lab.bench.alone import alone, beside, peak_bytes
from fcaps_pipeline.records.annotations import Completion
from fcaps_pipeline.records.base import Record

NUM_KEYS = 20_000_000
_NUM_LOOKUPS = 100_000
"""By each process."""
_NUM_TEXTS = 5_000
_WORDS_PER_TEXT = 110
_NUM_WORDS = 400
"""Of the made-up language, some six letters long."""


class ReuseBench(Record):
    """What was measured."""

    num_keys: int
    num_processes: int
    build_s: float
    build_peak_bytes: int
    index_bytes: int
    lookups_per_s: float
    """Of keys by chance, all processes together."""
    ordered_lookups_per_s: float
    """Of neighbouring keys, as a run asks that goes through the same Segments."""
    lookup_peak_bytes: int
    """Of one process."""


class _Lookups(Record):
    seconds: float
    peak_bytes: int


def bench_reuse(folder: Path, num_keys: int = NUM_KEYS, num_processes: int = 2) -> ReuseBench:
    """Builds an index and looks answers up; the folder needs some 620 bytes a key."""
    index = folder / "answers.sqlite"
    build_s, build_peak = alone(partial(_build, index, num_keys))
    by_chance, in_order = (
        beside([partial(_look_up, index, num_keys, seed, ordered=ordered) for seed in range(num_processes)])
        for ordered in (False, True)
    )
    return ReuseBench(
        num_keys=num_keys,
        num_processes=num_processes,
        build_s=build_s,
        build_peak_bytes=build_peak,
        index_bytes=index.stat().st_size,
        lookups_per_s=sum(_NUM_LOOKUPS / one.seconds for one in by_chance),
        ordered_lookups_per_s=sum(_NUM_LOOKUPS / one.seconds for one in in_order),
        lookup_peak_bytes=max(one.peak_bytes for one in (*by_chance, *in_order)),
    )


def _build(index: Path, num_keys: int) -> tuple[float, int]:
    begun_s = time.monotonic()
    write_answers(index, [(str(index), _answers(num_keys))])
    return time.monotonic() - begun_s, peak_bytes()


def _answers(num_keys: int) -> Iterator[StoredAnswer]:
    rng = np.random.default_rng(0)
    words = ["".join(map(chr, rng.integers(97, 123, rng.integers(2, 10)))) for _ in range(_NUM_WORDS)]
    texts = [" ".join(rng.choice(words, _WORDS_PER_TEXT)) for _ in range(_NUM_TEXTS)]
    for number in range(num_keys):
        completion = Completion(
            text=texts[number % _NUM_TEXTS],
            finish_reason="stop",
            num_prompt_tokens=180,
            num_output_tokens=150,
            seed=number,
            engine="vllm",
            engine_version="0.32.0",
        )
        yield StoredAnswer(_request_key(number), 0, completion)


def _look_up(index: Path, num_keys: int, seed: int, *, ordered: bool) -> _Lookups:
    rng = np.random.default_rng(seed)
    first = int(rng.integers(num_keys))
    numbers = (first + np.arange(_NUM_LOOKUPS)) % num_keys if ordered else rng.integers(num_keys, size=_NUM_LOOKUPS)
    keys = [_request_key(int(number)) for number in numbers]
    with EarlierAnswers(index) as answers:
        begun_s = time.monotonic()
        num_found = sum(answers.find(key, 1) is not None for key in keys)
        seconds = time.monotonic() - begun_s
    assert num_found == _NUM_LOOKUPS, f"{num_found} of {_NUM_LOOKUPS} keys were found"
    return _Lookups(seconds=seconds, peak_bytes=peak_bytes())


def _request_key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()

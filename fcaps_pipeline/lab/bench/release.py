"""What a release of many rows costs: building, verifying, comparing, taking back, exporting.

Enters: a folder and a number of rows. Leaves: seconds and peak memory of each step, each done in a process of its own,
for that many rows and for a tenth, so that growth shows. The runs are made from whole columns and refer to audio that
does not exist.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from fcaps_pipeline.lab.bench.alone import alone, peak_bytes
from fcaps_pipeline.lab.bench.release_corpus import write_run
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.check.release import check_release, require_sound
from fcaps_pipeline.release.compare.compare import compare
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export.export import export, settings_for
from fcaps_pipeline.release.export.form import FormatName
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.removal.from_release import take_back_from_release
from fcaps_pipeline.release.removal.request import Request

_SPEAKER = "voice1"


class Step(Record):
    """One thing that was measured."""

    name: str
    num_rows: int
    seconds: float
    peak_bytes: int
    """Of its process."""


def bench_release(folder: Path, num_rows: int) -> Iterator[Step]:
    """Measures everything, at a tenth first."""
    for number in (num_rows // 10, num_rows):
        yield from _steps(folder / f"{number}", number)


def _steps(folder: Path, num_rows: int) -> Iterator[Step]:
    first, later = folder / "run", folder / "later-run"
    alone(partial(write_run, first, num_rows, is_later=False))
    alone(partial(write_run, later, num_rows, is_later=True))
    made, next_one = folder / "1.0.0", folder / "2.0.0"
    for name, work in (
        ("build", partial(_build, first, made, "1.0.0")),
        ("build of a later run", partial(_build, later, next_one, "2.0.0")),
        ("verify", partial(_verify, made)),
        ("diff", partial(_diff, made, next_one, folder / "scratch")),
        ("remove a speaker", partial(_remove, made, folder / "without")),
        ("export as parquet", partial(_export, made, folder / "parquet", "parquet")),
        ("export as fcaps", partial(_export, made, folder / "fcaps", "fcaps")),
    ):
        seconds, peak = alone(partial(_timed, work))
        yield Step(name=name, num_rows=num_rows, seconds=seconds, peak_bytes=peak)


def _timed(work: Callable[[], None]) -> tuple[float, int]:
    begun_s = time.monotonic()
    work()
    return time.monotonic() - begun_s, peak_bytes()


def _build(run: Path, out: Path, version: str) -> None:
    recipe = Recipe(name="bench", version=version, runs=(str(run),), audio="reference", shard_mb=50)
    build_release(recipe, out)


def _verify(release: Path) -> None:
    require_sound(str(release), list(check_release(str(release))))


def _diff(a: Path, b: Path, scratch: Path) -> None:
    found = compare(open_dataset(a), open_dataset(b), scratch)
    assert found.counts["reworded"] + found.counts["claims"] > 0
    assert found.num_unexplained


def _remove(release: Path, out: Path) -> None:
    request = Request(what="speaker", values=(_SPEAKER,), reason="bench")
    take_back_from_release(str(release), request, str(out))


def _export(release: Path, out: Path, form: FormatName) -> None:
    dataset = open_dataset(release)
    settings = settings_for(form, dataset, by_reference=True, shard_mb=50)
    export(dataset, settings, out)

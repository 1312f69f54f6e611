"""How true captions are: the real pipeline over held-out synthetic speech whose truth is known.

Enters: a work folder, a number of clips and a seed. Leaves: correctness, coverage and invention for a
single candidate, for the best of several after verification, both as the shipped job draws and at temperature 1.0,
and for the cascaded baseline; and how much truer the best is than the single one, clip by clip. Clips are
Segments as they are, so that a caption and a truth belong together; segmentation is not measured here.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fcaps_pipeline.annotate.run.annotate import annotate
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import StatedAttributes
from fcaps_pipeline.errors import AccountingError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job, load_job
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.jobs.sources import ManifestSource
from fcaps_pipeline.lab.caption_scores import CaptionCounts, CaptionScores, count, stated_by_fields, summarize
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_corpus
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, metric_estimates
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout
from fcaps_pipeline.shards.reader import read_rows
from fcaps_pipeline.shards.rows import global_caption_of
from fcaps_pipeline.storage.job_folder import claim

NUM_CANDIDATES = 4
_WARM = 1.0
"""A temperature at which answers differ more than the shipped job lets them."""
_CAPTIONER_JOB, _CASCADE_JOB = "annotate_demo_cpu.yaml", "annotate_cascade_baseline_cpu.yaml"
_MIN_CLIP_S = 2.0
_SETTINGS_FILE = "settings.json"

Candidates = list[dict[str, Any]]
Choice = Callable[[Candidates], dict[str, Any] | None]


class _Settings(Record):
    """What a work folder is of: its runs would be wrong for other clips."""

    num_clips: int
    seed: int


class CaptionBenchRow(Record):
    """One way to caption, one granularity."""

    way: str
    granularity: Granularity
    scores: CaptionScores
    num_sounds: int
    """Clips in which nobody speaks."""
    num_speakers_invented: int
    """Of those, the ones whose caption describes a speaker."""


class Gain(Record):
    """What choosing among several candidates is worth, on the clips that have a caption either way."""

    way: str
    granularity: Granularity
    correctness: Estimate
    """Of the kept candidate, less that of the first."""
    num_clips: int
    num_without: int
    """Clips with speech of which no candidate was kept."""


class CaptionBench(Record):
    """Both tables."""

    rows: tuple[CaptionBenchRow, ...]
    gains: tuple[Gain, ...]


def bench_captions(
    work: Path, *, num_clips: int, seed: int, workers: int, callback: RunCallback, on_clips: Callable[[int], None]
) -> CaptionBench:
    """Captions the clips of held-out voices, twice by the embedded captioner and once by the cascade.

    Args:
        work: keeps the clips and the runs; used again, it goes on where it was.
        num_clips: clips to make.
        seed: of the clips.
        workers: processes of the synthesis.
        callback: told of all runs.
        on_clips: told of finished clips.

    Raises:
        DependencyError: a synthesizer is missing.
        UsageError: too few clips for an interval, or the folder was begun with other clips.
        FcapsError: as `annotate` raises.
    """
    claim(work / _SETTINGS_FILE, _Settings(num_clips=num_clips, seed=seed))
    blocks = write_corpus(work / "corpus", "test", num_clips=num_clips, seed=seed, workers=workers, on_block=on_clips)
    clips = [(truth, path) for block in blocks for truth, path in read_truths(block)]
    usable = [(truth, path) for truth, path in clips if truth.num_samples >= _MIN_CLIP_S * SAMPLE_RATE_HZ]
    if not any(truth.speech for truth, _ in usable):
        raise UsageError(f"{num_clips} clips hold no speech of {_MIN_CLIP_S} s; ask for more of them")
    source = ManifestSource(kind="manifest", path=str(_write_manifest(work / "manifest.jsonl", usable)))
    truths = {truth.clip_id: truth for truth, _ in usable}
    captioner = load_job(shipped_folder("jobs") / _CAPTIONER_JOB, _candidates(NUM_CANDIDATES), source=source)
    cascade = load_job(shipped_folder("jobs") / _CASCADE_JOB, _candidates(1), source=source)
    warm = load_job(
        shipped_folder("jobs") / _CAPTIONER_JOB, _candidates(NUM_CANDIDATES, temperature=_WARM), source=source
    )
    heard = {
        "captioner": _run(captioner, work / "captioner", truths, callback),
        f"captioner, temperature {_WARM}": _run(warm, work / "captioner-warm", truths, callback),
    }
    measured = _run(cascade, work / "cascade", truths, callback)
    ways: list[tuple[str, dict[str, Candidates], Choice]] = []
    for name, candidates in heard.items():
        ways.append((f"{name}, one candidate", candidates, first_answer))
        ways.append((f"{name}, best of {NUM_CANDIDATES} verified", candidates, kept_answer))
    ways.append(("cascade of measurements", measured, first_answer))
    granularities = (Granularity.FINE, Granularity.GLOBAL)
    return CaptionBench(
        rows=tuple(
            score_way(way, one, truths, candidates, choose) for one in granularities for way, candidates, choose in ways
        ),
        gains=tuple(gain_of(name, one, truths, found) for one in granularities for name, found in heard.items()),
    )


def _candidates(number: int, temperature: float | None = None) -> list[str]:
    changes: dict[str, object] = {"num_candidates": number, "keep": 1}
    if temperature is not None:
        changes["sampling.temperature"] = temperature
    return [f"captions.{name}.{key}={value}" for name in Granularity for key, value in changes.items()]


def _write_manifest(path: Path, clips: Iterable[tuple[ClipTruth, Path]]) -> Path:
    lines = []
    for truth, audio in clips:
        whole = {"start_s": 0.0, "end_s": truth.num_samples / SAMPLE_RATE_HZ}
        lines.append(json.dumps({"id": truth.clip_id, "path": str(audio.absolute()), "segments": [whole]}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _run(job: Job, out: Path, truths: dict[str, ClipTruth], callback: RunCallback) -> dict[str, Candidates]:
    """Every candidate of every clip, those of rejected clips included."""
    annotate(job, out, callback)
    layout = RunLayout(out)
    clips: dict[str, str] = {
        row["segment_id"]: row["recording_id"]
        for table in OUTCOME_TABLES
        for row in read_rows(layout, table, ["segment_id", "recording_id"])
    }
    found: dict[str, Candidates] = {clip_id: [] for clip_id in clips.values()}
    for row in read_rows(layout, "candidates"):
        if row["segment_id"] in clips:
            found[clips[row["segment_id"]]].append(row)
    if missing := sorted(truths.keys() - found.keys()):
        raise AccountingError(
            f"{out}: {len(missing)} clips were neither annotated nor rejected, the first is {missing[0]}"
        )
    return found


def first_answer(candidates: Candidates) -> dict[str, Any] | None:
    """The answer that was drawn first, whatever verification says; in the shards the kept ones stand before it."""
    return min(candidates, key=lambda one: (one["attempt"], one["completion_index"]), default=None)


def kept_answer(candidates: Candidates) -> dict[str, Any] | None:
    """What the shard keeps."""
    return next((one for one in candidates if one["kept"]), None)


def score_way(
    way: str,
    granularity: Granularity,
    truths: dict[str, ClipTruth],
    candidates: dict[str, Candidates],
    choose: Choice,
) -> CaptionBenchRow:
    """Scores what one way wrote.

    Args:
        way: its name.
        granularity: of the captions that count.
        truths: by clip.
        candidates: by clip, all of both granularities, as in the shards.
        choose: the candidate that stands for the clip; None is no caption.

    Raises:
        UsageError: no clip has speech, or no caption states anything.
    """
    counts: list[CaptionCounts] = []
    without_caption = sounds = invented = 0
    for clip_id, truth in truths.items():
        chosen = choose([one for one in candidates[clip_id] if one["granularity"] == granularity])
        stated = None if chosen is None else _stated(chosen)
        if truth.speech is None:
            sounds += 1
            invented += stated is not None and stated.speech
        else:
            without_caption += stated is None
            counts.append(count(truth.speech, stated))
    return CaptionBenchRow(
        way=way,
        granularity=granularity,
        scores=summarize(counts, without_caption, np.random.default_rng(0)),
        num_sounds=sounds,
        num_speakers_invented=invented,
    )


def gain_of(
    way: str, granularity: Granularity, truths: dict[str, ClipTruth], candidates: dict[str, Candidates]
) -> Gain:
    """How much truer the kept candidate is than the first, over the clips that have both.

    Args:
        way: its name.
        granularity: of the captions that count.
        truths: by clip.
        candidates: by clip, all of both granularities, as in the shards.

    Raises:
        UsageError: no clip has both.
    """
    pairs: list[tuple[CaptionCounts, CaptionCounts]] = []
    num_without = 0
    for clip_id, truth in truths.items():
        of_clip = [one for one in candidates[clip_id] if one["granularity"] == granularity]
        first, kept = first_answer(of_clip), kept_answer(of_clip)
        if truth.speech is None or first is None:
            continue
        if kept is None:
            num_without += 1
        else:
            pairs.append((count(truth.speech, _stated(first)), count(truth.speech, _stated(kept))))
    table_NK = np.array([[n for one in pair for n in (one.num_correct, one.num_stated)] for pair in pairs], np.float64)
    table_NK = table_NK.reshape(-1, 4)

    def gain(positions: np.ndarray) -> tuple[float]:
        correct, stated, kept_correct, kept_stated = table_NK[positions].sum(axis=0)
        return (kept_correct / kept_stated - correct / stated if stated and kept_stated else float("nan"),)

    (correctness,) = metric_estimates(gain, len(pairs), np.random.default_rng(0))
    return Gain(
        way=way, granularity=granularity, correctness=correctness, num_clips=len(pairs), num_without=num_without
    )


def _stated(candidate: dict[str, Any]) -> StatedAttributes | None:
    """What a candidate states; None where it is no caption at all."""
    if candidate["granularity"] == Granularity.FINE:
        return read_attributes(candidate["text"])
    caption = global_caption_of(candidate)
    if caption is None:
        return None
    by_prose = read_attributes(caption.caption)
    return by_prose if not by_prose.speech else stated_by_fields(caption)

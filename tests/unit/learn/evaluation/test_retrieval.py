"""Figures equal those of a slow search over embeddings that were made one by one."""

import hashlib
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.config import SeparateRuns, SharedRuns
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes
from fcaps_pipeline.learn.evaluation.corpora.published import CLSP_TEST
from fcaps_pipeline.learn.evaluation.job import RetrievalTask, WholeRuns
from fcaps_pipeline.learn.evaluation.retrieval import measure_retrieval
from fcaps_pipeline.learn.evaluation.rows import read_evaluation_rows
from fcaps_pipeline.records.captions import Granularity
from tests.unit.learn.training.measured import slow_speech, slow_text, stored_rows, tiny_embedder, with_column
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus, rewrite_shard

RNG_SEED = 0
WORDS = ("low", "high", "soft", "loud", "slow", "fast", "calm", "tense", "hoarse", "clear", "young", "old")


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def _caption_lists(num_rows: int, seed: int) -> list[list[str]]:
    """One to three captions per row; every fourth row repeats a caption of the row before."""
    rng = np.random.default_rng(seed)
    rows: list[list[str]] = []
    for index in range(num_rows):
        captions = [f"A {' '.join(rng.choice(WORDS, 3, replace=False))} voice." for _ in range(1 + index % 3)]
        rows.append([*captions, rows[-1][0]] if index % 4 == 3 else captions)
    return rows


def _write(runs: RunWriter, root: Path, num_rows: int, columns: dict[str, list[Any]]) -> Path:
    """A run of one shard with these columns."""
    run = runs.write(root, corpus(num_rows), unit_rows=num_rows)

    def change(table: pa.Table) -> pa.Table:
        for name, values in columns.items():
            table = with_column(table, name, values)
        return table

    rewrite_shard(next((run / "data").glob("*.parquet")), change, 5)
    return run


def _slow_ranks(cosines_QG: np.ndarray[Any, Any], right: list[set[int]]) -> list[list[int]]:
    """Places of the right answers among the wrong ones, one query after the other."""
    places = []
    for cosines_G, answers in zip(cosines_QG, right, strict=True):
        wrong = [cosine for item, cosine in enumerate(cosines_G) if item not in answers]
        best_first = sorted((cosines_G[item] for item in answers), reverse=True)
        places.append([order + sum(w >= one - 1e-6 for w in wrong) for order, one in enumerate(best_first, 1)])
    return places


def _slow_figures(places: list[list[int]]) -> tuple[float, float, float, float, float]:
    best = np.array([one[0] for one in places])
    precision = [sum(k / p for k, p in enumerate(one, 1) if p <= 10) / min(len(one), 10) for one in places]
    recalls = [float((best <= depth).mean()) for depth in (1, 5, 10)]
    return recalls[0], recalls[1], recalls[2], float(np.median(best)), float(np.mean(precision))


def test_figures_equal_a_slow_search(runs: RunWriter, tmp_path: Path) -> None:
    captions = {"global_captions": _caption_lists(26, 1), "fine_captions": _caption_lists(26, 2)}
    run = _write(runs, tmp_path / "run", 26, captions)
    embedder = tiny_embedder()
    task = RetrievalTask(kind="retrieval", splits=WholeRuns(kind="whole", runs=(str(run),)))
    outcome, _ = measure_retrieval(embedder, task, "ours", np.random.default_rng(RNG_SEED))

    speech = np.stack([slow_speech(embedder.model, row["pcm_T"]) for row in stored_rows(run)])
    means = []
    for granularity in Granularity:
        lists = captions[f"{granularity}_captions"]
        texts = list(dict.fromkeys(text for row in lists for text in row))
        cosines = speech @ np.stack([slow_text(embedder.model, text) for text in texts]).T
        to_text = _slow_ranks(cosines, [{texts.index(text) for text in row} for row in lists])
        to_speech = _slow_ranks(cosines.T, [{i for i, row in enumerate(lists) if text in row} for text in texts])
        scores = outcome.scores.granularities[granularity]
        for found, places in ((scores.speech_to_text, to_text), (scores.text_to_speech, to_speech)):
            expected = _slow_figures(places)
            figures = (found.recall_at_1, found.recall_at_5, found.recall_at_10, found.median_rank, found.map_at_10)
            assert [one.value for one in figures] == pytest.approx(expected, abs=1e-9)
            assert all(one.low <= one.high for one in figures)
            means.append(expected[-1])
        assert (scores.num_clips, scores.num_texts) == (26, len(texts))
        assert scores.num_captions == sum(map(len, lists)) > len(texts)
    assert outcome.scores.mean_map_at_10.value == pytest.approx(np.mean(means), abs=1e-9)
    assert (outcome.num_clips, outcome.bad_items, outcome.num_cut_texts) == (26, (), 0)
    assert "does not say what it was trained on" in outcome.notes[0]


def test_only_the_test_split_is_measured(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(40, num_speakers=12))
    splits = SharedRuns(runs=(str(run),), dev_share=0.3, test_share=0.4, seed=1)
    rows = read_evaluation_rows(splits, None)
    task = RetrievalTask(kind="retrieval", splits=splits)
    outcome, _ = measure_retrieval(tiny_embedder(), task, "ours", np.random.default_rng(RNG_SEED))
    assert 0 < outcome.num_clips == len(rows.test) < 40
    assert rows.dev is not None
    assert not np.isin(rows.dev.speaker_N, rows.test.speaker_N).any()


def test_separate_runs_are_checked_for_leaks(runs: RunWriter, tmp_path: Path) -> None:
    roots = []
    for number, speaker in enumerate(("s0", "s1", "s0")):
        spoken = [
            Spoken(f"r{number}-{index}", speaker, 1000 + index, noise_seed=100 * number + index) for index in (0, 1)
        ]
        roots.append(str(runs.write(tmp_path / str(number), spoken)))
    splits = SeparateRuns(kind="runs", train=(roots[0],), dev=(roots[1],), test=(roots[2],))
    with pytest.raises(UsageError, match="speaker s0 stands in train and in test"):
        read_evaluation_rows(splits, None)


def test_rows_that_the_model_was_trained_on_are_refused(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(40, num_speakers=12))
    trained = SharedRuns(runs=(str(run),), dev_share=0.3, test_share=0.3, seed=3)
    training_hashes = TrainingHashes.of(read_splits(trained).train)
    assert read_evaluation_rows(trained, training_hashes).notes == ()
    for splits in (trained.model_copy(update={"seed": 4}), WholeRuns(kind="whole", runs=(str(run),))):
        with pytest.raises(UsageError, match=r"speaker s\d+ stands in .* the model was trained on it") as raised:
            read_evaluation_rows(splits, training_hashes)
        assert "\n" not in str(raised.value)
    foreign = WholeRuns(kind="whole", runs=(str(runs.write(tmp_path / "new", [Spoken("new", "new", noise_seed=9)])),))
    assert read_evaluation_rows(foreign, training_hashes).notes == ()
    (note,) = read_evaluation_rows(foreign, training_hashes.after(None)).notes
    assert "the first stage" in note


def test_an_empty_run_is_refused(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", [])
    with pytest.raises(UsageError, match="holds no row"):
        read_evaluation_rows(WholeRuns(kind="whole", runs=(str(run),)), None)


def test_a_granularity_that_does_not_occur(runs: RunWriter, tmp_path: Path) -> None:
    run = _write(runs, tmp_path / "run", 4, {"global_captions": [[]] * 4})
    splits = WholeRuns(kind="whole", runs=(str(run),))
    embedder = tiny_embedder()
    task = RetrievalTask(kind="retrieval", splits=splits)
    outcome, _ = measure_retrieval(embedder, task, "ours", np.random.default_rng(RNG_SEED))
    assert list(outcome.scores.granularities) == [Granularity.FINE]
    asked = RetrievalTask(kind="retrieval", splits=splits, granularities=(Granularity.GLOBAL,))
    with pytest.raises(UsageError, match="none of 4 rows has a global caption"):
        measure_retrieval(embedder, asked, "ours", np.random.default_rng(RNG_SEED))


def test_long_captions_and_bad_rows_are_counted(runs: RunWriter, tmp_path: Path) -> None:
    captions = [["low voice " * 50], ["high voice " * 50, "short"], ["calm"], ["tense"]]
    run = _write(runs, tmp_path / "run", 4, {"fine_captions": captions, "audio_sha256": ["0" * 64, *_hashes(runs, 4)]})
    splits = WholeRuns(kind="whole", runs=(str(run),))
    task = RetrievalTask(kind="retrieval", splits=splits, granularities=(Granularity.FINE,))
    outcome, _ = measure_retrieval(tiny_embedder(), task, "ours", np.random.default_rng(RNG_SEED))
    assert (outcome.num_clips, outcome.num_texts, outcome.num_cut_texts) == (3, 4, 1)
    assert [item.name.split(": ")[1] for item in outcome.bad_items] == [stored_rows(run)[0]["segment_id"]]


def _hashes(runs: RunWriter, num_rows: int) -> list[str]:
    audio = [runs.audio(spoken, index) for index, spoken in enumerate(corpus(num_rows))]
    return [hashlib.sha256(one.pcm_T.tobytes()).hexdigest() for one in audio[1:]]


def test_published_figures_stand_beside_ours_only_with_the_same_data(runs: RunWriter, tmp_path: Path) -> None:
    captions = list(islice(cycle([["low"], ["high"], ["calm"], ["tense"], ["soft"]]), 5))
    run = _write(runs, tmp_path / "run", 5, {"fine_captions": captions, "global_captions": captions})
    splits = WholeRuns(kind="whole", runs=(str(run),))
    for benchmark, differing in ((None, "data"), (CLSP_TEST, "clips: 241 there, 5 here")):
        task = RetrievalTask(kind="retrieval", splits=splits, benchmark=benchmark)
        outcome, _ = measure_retrieval(tiny_embedder(), task, "ours", np.random.default_rng(RNG_SEED))
        assert len(outcome.comparisons) == 2 * 2 * 4 + 3
        assert not any(item.admissible for item in outcome.comparisons)
        assert all(any(differing in line for line in item.differences) for item in outcome.comparisons)


def test_rows_whose_sound_is_damaged_are_named(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(8), unit_rows=8)
    rows = read_evaluation_rows(WholeRuns(kind="whole", runs=(str(run),)), None)
    shard = next((run / "data").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[4:2004] = b"\xff" * 2000
    shard.write_bytes(bytes(content))
    found = tiny_embedder().rows(rows.test)
    assert found.bad_items
    assert len(found.rows) + len(found.bad_items) == 8
    assert all("FLAC" in item.reason or "changed" in item.reason for item in found.bad_items)


def test_the_job_says_which_captions_of_a_clip_count(runs: RunWriter, tmp_path: Path) -> None:
    lists = [[f"A {word} voice.", "A voice that goes on for longer.", f"A {word} one."] for word in WORDS]
    run = _write(runs, tmp_path / "run", 12, {"fine_captions": lists, "global_captions": [[] for _ in lists]})
    splits = WholeRuns(kind="whole", runs=(str(run),))
    for choice, expected in (("all", 25), ("first", 12), ("last", 12), ("longest", 1)):
        task = RetrievalTask.model_validate({"kind": "retrieval", "splits": splits, "captions": choice})
        outcome, _ = measure_retrieval(tiny_embedder(), task, "ours", np.random.default_rng(RNG_SEED))
        assert outcome.num_texts == expected

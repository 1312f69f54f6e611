"""A run from which something was taken back is sound, says nothing of it, and goes on where a removal was killed."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from fcaps_pipeline.annotate.run.emptied import commit_emptied
from fcaps_pipeline.annotate.run.soundness import damaged_units, strays, verify
from fcaps_pipeline.errors import CorruptRunError, OutputError, UsageError
from fcaps_pipeline.release.removal.from_run import take_back_from_run
from fcaps_pipeline.release.removal.request import Request, What
from fcaps_pipeline.release.removal.run import RunRemoval, planned_removal, remove_from_run
from fcaps_pipeline.shards.layout import RunLayout, Table
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.plan import load, load_units
from fcaps_pipeline.shards.reader import read_commits, read_index, read_rows
from fcaps_pipeline.shards.tombstones import Tombstone, no_tombstones, read_tombstones, write_tombstones
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.local_store import LocalStore
from tests.unit.release.removal.spoken_run import LICENSES, everything, file_sha256, segment_ids


def take_back(run: RunLayout, what: What, *values: str) -> RunRemoval:
    tombstones, found = planned_removal(run, Request(what=what, values=values, reason="asked"))
    with held(run.root, "working in") as lease:
        return remove_from_run(run, tombstones, found, lease)


def ids(run: RunLayout, table: Table) -> list[str]:
    return [row["segment_id"] or row["recording_id"] for row in read_rows(run, table, ["segment_id", "recording_id"])]


def planned(run: RunLayout) -> list[list[str]]:
    return [[one.recording_id for one in unit.recordings] for unit in load_units(run)]


def test_a_speaker_goes_from_every_table_plan_log_and_cache(run: RunLayout) -> None:
    assert b"anna-one" in everything(run)
    removal = take_back(run, "speaker", "speaker-anna")
    assert removal.num_units_rewritten == 3
    assert removal.found.num_segments == 6
    assert removal.reused_runs == ["/runs/earlier"]
    assert planned(run) == [["bob-one"], ["talk-both", "bob-two"]]
    (talk,) = [one for unit in load_units(run) for one in unit.recordings if one.recording_id == "talk-both"]
    assert talk.cuts is not None
    assert [cut.speaker for cut in talk.cuts] == ["speaker-bob"]
    assert talk.transcript is None
    assert ids(run, "data") == [segment_ids("bob-one")[0], segment_ids("talk-both")[1], segment_ids("bob-two")[0]]
    assert ids(run, "failures") == [segment_ids("bob-one")[1]]
    plan = load(run)
    assert (plan.num_units, plan.num_recordings, plan.remarks) == (3, 3, ("a remark about nobody",))
    assert read_index(run).plan_sha256 == plan.sha256
    assert read_index(run).totals.num_recordings == 3
    assert [commit.num_segments for commit in read_commits(run)] == [2, 3, 0]
    assert [commit.attempt for commit in read_commits(run)] == [3, 2, 2]
    left = everything(run)
    for gone in (b"anna", segment_ids("talk-both")[0].encode(), file_sha256("anna-one").encode()):
        assert gone not in left
    assert b"bob-one" in run.log.read()
    list(verify(run))
    assert strays(run) == []


@pytest.mark.parametrize(
    ("what", "value", "gone"),
    [
        ("recording", "bob-one", ["bob-one"]),
        ("source", "bob-two.wav", ["bob-two"]),
        ("license", LICENSES["bob-two"], ["bob-two"]),
        ("license", "license-of-all", ["anna-one", "bob-one", "anna-broken", "talk-both", "anna-silent", "anna-last"]),
    ],
)
def test_recordings_go_by_what_their_source_says(run: RunLayout, what: What, value: str, gone: list[str]) -> None:
    before = [name for unit in planned(run) for name in unit]
    take_back(run, what, value)
    assert [name for unit in planned(run) for name in unit] == [name for name in before if name not in gone]
    outcomes = [one.recording_id for commit in read_commits(run) for one in read_outcomes(run, commit)]
    assert sorted(outcomes) == sorted(name for name in before if name not in gone)
    left = everything(run)
    assert not any(name.encode() in left for name in gone)
    list(verify(run))


@pytest.mark.parametrize("fate", [0, 1])
def test_of_a_segment_the_recording_stays_with_one_fewer(run: RunLayout, fate: int) -> None:
    segment_id = segment_ids("bob-one")[fate]
    take_back(run, "segment", segment_id)
    commit = next(read_commits(run))
    (outcome,) = [one for one in read_outcomes(run, commit) if one.recording_id == "bob-one"]
    assert (outcome.outcome, outcome.num_segments, outcome.warnings) == ("segmented", 1, {"taken_back": 1})
    assert planned(run)[0] == ["anna-one", "bob-one"]
    assert segment_id.encode() not in everything(run)
    assert commit.num_segments == 4
    list(verify(run))


def test_samples_must_not_return_under_another_name_but_the_file_may_be_of_others(run: RunLayout) -> None:
    first = next(read_rows(run, "data", ["segment_id", "audio_sha256"]))
    take_back(run, "segment", first["segment_id"])
    tombstones = read_tombstones(run.tombstones)
    assert tombstones is not None
    assert tombstones.find("audio", first["audio_sha256"]) is not None
    assert tombstones.find("file", file_sha256("anna-one")) is None


def test_an_unfinished_run_loses_it_too_and_a_unit_of_which_nothing_is_left_is_done(run: RunLayout) -> None:
    run.index.delete()
    run.commit(2).delete()
    take_back(run, "speaker", "speaker-anna")
    assert not run.index.exists(), "that is left to annotate"
    commits = list(read_commits(run))
    assert [(commit.unit_index, commit.num_recordings) for commit in commits] == [(0, 1), (1, 2), (2, 0)]
    assert sum(commit.num_recordings for commit in commits) == load(run).num_recordings
    assert b"anna" not in everything(run)
    (shard,) = (run.root / "data").on_disk().glob("unit-00002-*.parquet")
    shard.unlink()
    damaged = damaged_units(run).keys()
    assert commit_emptied(run, {1, *damaged}, 1000) == {2}
    assert damaged_units(run) == {}


def test_values_that_match_nothing_change_nothing(run: RunLayout) -> None:
    before = everything(run)
    with pytest.raises(UsageError, match="has no speaker 'nobody'"):
        take_back(run, "speaker", "speaker-anna", "nobody")
    with pytest.raises(UsageError, match="nothing was taken back"):
        planned_removal(run, None)
    assert everything(run) == before


def test_what_came_with_the_tombstones_of_a_reused_run_is_taken_back_here_too(run: RunLayout) -> None:
    theirs = no_tombstones()
    speaker = Tombstone(what="speaker", digest=theirs.digest("speaker", "speaker-anna"), reason="asked there")
    write_tombstones(run.tombstones, theirs.having([speaker], is_unfinished=False))
    account = take_back_from_run(run.root, None, proves=True)
    assert account.proof is not None
    assert (account.num_recordings, account.num_segments, account.proof.hits) == (4, 6, [])
    assert b"anna" not in everything(run)
    list(verify(run))


def test_to_take_back_again_finds_nothing(run: RunLayout) -> None:
    take_back(run, "speaker", "speaker-anna")
    _, found = planned_removal(run, Request(what="speaker", values=("speaker-anna",), reason="asked"))
    assert not found


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("nth", [0, 1, 4, 9, 14, 19, 23, 26, 29, 32, 35])
def test_a_removal_that_was_killed_is_finished_by_the_same_command(
    run: RunLayout, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    countdown = nth

    def dies(real: Callable[..., object]) -> Callable[..., object]:
        def call(store: LocalStore, key: str, *rest: object) -> object:
            nonlocal countdown
            if ".lease" not in key:
                countdown -= 1
                if countdown < 0:
                    raise KilledError
            return real(store, key, *rest)

        return call

    with monkeypatch.context() as patch:
        for name in ("put", "put_file", "put_if_absent", "delete"):
            patch.setattr(LocalStore, name, dies(getattr(LocalStore, name)))
        with suppress(KilledError):
            take_back(run, "speaker", "speaker-anna")
    tombstones = read_tombstones(run.tombstones)
    assert nth == 0 or tombstones is not None
    if tombstones is None or not tombstones.is_unfinished:
        list(verify(run))
    else:
        with pytest.raises(CorruptRunError, match="fcaps release remove"):
            list(verify(run))
    take_back(run, "speaker", "speaker-anna")
    list(verify(run))
    assert strays(run) == []
    assert b"anna" not in everything(run)
    assert load(run).num_recordings == 3


def test_a_run_that_somebody_works_in_is_left_alone(run: RunLayout) -> None:
    with held(run.root, "working in"), pytest.raises((UsageError, OutputError), match="another process"):
        take_back(run, "speaker", "speaker-anna")


def test_damage_is_refused_before_anything_changes(run: RunLayout) -> None:
    shard = next(run.root / file.path for one in read_commits(run) for file in one.files if file.table == "data")
    content = bytearray(shard.read())
    content[content.index(b"fLaC") + 100] ^= 0xFF
    shard.put(bytes(content))
    with pytest.raises(CorruptRunError, match="was changed: sha256"):
        take_back(run, "speaker", "speaker-anna")
    run.index.put("{")
    with pytest.raises(CorruptRunError, match=r"index\.json is not JSON"):
        take_back(run, "speaker", "speaker-anna")
    assert read_tombstones(run.tombstones) is None

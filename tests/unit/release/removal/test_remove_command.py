"""`fcaps release remove` of runs: what it says, and what it refuses."""

import os
import signal
import subprocess
import sys
import time

from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import load
from fcaps_pipeline.shards.tombstones import read_tombstones
from tests.conftest import Typed
from tests.unit.release.removal.spoken_run import everything


def test_a_speaker_is_taken_back_and_proven_gone(run: RunLayout, typed: Typed) -> None:
    root = run.root.on_disk()
    before = everything(run)
    code, out, _ = typed("release", "remove", root, "--speaker", "speaker-anna", "--dry-run")
    assert code == 0
    assert "4 recordings and 6 segments would be taken back" in out
    assert everything(run) == before
    code, out, _ = typed("release", "remove", root, "--speaker", "speaker-anna", "--prove", "--reason", "by mail")
    assert code == 0, out
    assert "4 recordings and 6 segments were taken back" in out
    assert "refs/convert/parquet" in out
    assert "/runs/earlier" in out
    assert out.splitlines()[-1].endswith(": 0 found")
    assert typed("verify", root)[0] == 0
    assert "3 of 3" in typed("status", root)[1]
    assert "bob-one" in typed("show", root)[1]
    tombstones = read_tombstones(run.tombstones)
    assert tombstones is not None
    assert {one.reason for one in tombstones.entries} == {"by mail"}
    code, out, _ = typed("release", "remove", root, "--speaker", "speaker-anna")
    assert (code, out) == (0, f"{root}: nothing of it is there, it was taken back before\n")


def test_what_is_found_is_told_and_is_exit_code_1(run: RunLayout, typed: Typed) -> None:
    code, out, _ = typed("release", "remove", run.root.on_disk(), "--recording", "bob-two", "--dry-run", "--prove")
    assert code == 1
    assert "found: data/unit-00001-1-" in out
    assert "recording id 'bob-two'" in out


def test_a_damaged_run_is_repaired_first(run: RunLayout, typed: Typed) -> None:
    root = run.root.on_disk()
    (shard,) = (root / "data").glob("unit-00000-2-*.parquet")
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    code, _, err = typed("release", "remove", root, "--speaker", "speaker-anna")
    assert code == 1
    assert "--repair" in err
    assert not (root / "tombstones.json").exists()


def test_values_may_stand_in_a_file(run: RunLayout, typed: Typed) -> None:
    root = run.root.on_disk()
    listed = root.parent / "withdrawn.txt"
    listed.write_text("bob-one\n\n  anna-last \n")
    code, out, _ = typed("release", "remove", root, "--recording", "bob-two", "--file", f"recording={listed}")
    assert code == 0
    assert "3 recordings and 5 segments were taken back" in out


def test_what_cannot_be_is_one_line(run: RunLayout, typed: Typed) -> None:
    root = run.root.on_disk()
    (root.parent / "empty.txt").write_text("\n")
    for arguments, expected in (
        (("--speaker", "nobody"), "has no speaker 'nobody'; nothing was changed"),
        (("--speaker", "speaker-bob", "--license", "x"), "give values of one kind, not of speaker and license"),
        (("--speaker", "speaker-bob", "--out", root / "new"), "is a run, which changes in place"),
        ((), "nothing was taken back from"),
        (("--file", "speakers=x"), "expected KIND=FILE with one of speaker, recording, segment, source, license"),
        (("--file", "speaker=nowhere.txt"), "nowhere.txt cannot be read as text"),
        (("--file", f"speaker={root.parent / 'empty.txt'}"), "holds no value"),
    ):
        code, _, err = typed("release", "remove", root, *arguments)
        assert code == 2
        assert expected in err


def test_a_real_kill_is_made_good_by_the_same_command(run: RunLayout, typed: Typed) -> None:
    root = run.root.on_disk()
    arguments = ["release", "remove", str(root), "--speaker", "speaker-anna"]
    code = "import sys; sys.argv = ['fcaps', *sys.argv[1:]]; from fcaps_pipeline.cli.main import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    before = sorted(path.name for path in (root / "data").iterdir())
    while process.poll() is None:
        if sorted(path.name for path in (root / "data").iterdir()) != before:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.001)
    assert process.wait() == -signal.SIGKILL
    assert typed(*arguments)[0] == 0
    list(verify(run))
    assert load(run).num_recordings == 3
    assert b"anna" not in everything(run)

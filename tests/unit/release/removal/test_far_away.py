"""A run on an object store loses what is taken back like any other."""

import shutil
from pathlib import Path
from uuid import uuid4

from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.release.removal.from_run import take_back_from_run
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.shards.layout import RunLayout


def test_a_speaker_goes_from_a_run_on_an_object_store(run: RunLayout) -> None:
    far, root = RunLayout(f"memory://{uuid4().hex}/run"), run.root.on_disk()
    for path in filter(Path.is_file, root.rglob("*")):
        name = path.relative_to(root).as_posix()
        (far.root / name.replace("run.log.jsonl", "run.log.jsonl.00001")).put(path.read_bytes())
    try:
        request = Request(what="speaker", values=("speaker-anna",), reason="asked")
        account = take_back_from_run(far.root, request, proves=True)
        assert account.proof is not None
        assert account.proof.hits == []
        assert any("earlier versions of its objects" in line for line in account.by_hand)
        assert len(list(verify(far))) > 3
        assert not any(b"anna" in path.read() for path in far.root.list())
    finally:
        shutil.rmtree(far.scratch, ignore_errors=True)

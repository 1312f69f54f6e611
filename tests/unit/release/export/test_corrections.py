"""What comes back from Label Studio is a correction of the caption it was made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export.corrections import read_corrections
from fcaps_pipeline.release.overrides import Override, read_overrides
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.storage.path import store_path
from tests.conftest import Typed
from tests.unit.release.export.exported import caption, exported, rows_of


def _annotated(tasks: list[dict[str, Any]], changes: dict[str, str | None], **about: Any) -> list[dict[str, Any]]:
    """Tasks as Label Studio exports them, each with an annotation that was begun from its prediction.

    Args:
        tasks: as they were imported.
        changes: new texts by the name of the area; None for one that was cleared.
        about: fields of the annotations.
    """
    for number, task in enumerate(tasks):
        kept = [dict(one) for one in task["predictions"][0]["result"] if changes.get(one["from_name"], "") is not None]
        for one in kept:
            if (text := changes.get(one["from_name"])) is not None:
                one["value"] = {"text": [text]}
        reason = {
            "id": "r",
            "from_name": "reason",
            "to_name": "audio",
            "type": "textarea",
            "value": {"text": ["heard"]},
        }
        fields = {"completed_by": 7, "updated_at": "2026-01-02T03:04:05Z", "was_cancelled": False, **about}
        task.update(id=number, annotations=[{"id": number, "result": [*kept, reason], **fields}])
    return tasks


@pytest.fixture
def tasks(run: Path, tmp_path: Path) -> list[dict[str, Any]]:
    exported(run, tmp_path / "out", "labelstudio")
    found: list[dict[str, Any]] = json.loads((tmp_path / "out" / "tasks" / "train-00000.json").read_text())
    return found


def _write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "made.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_changed_captions_become_corrections_of_their_own_clip(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    path = _write(tmp_path, _annotated(tasks, {"global_2": "Ein\nneuer </script> Text", "fine_1": None}))
    with_second = [one["data"]["segment_id"] for one in tasks if "global_2" in one["data"]["captions"]]
    with_fine = [one["data"]["segment_id"] for one in tasks if "fine_1" in one["data"]["captions"]]
    made = list(read_corrections(path))
    assert {one.segment_id for one in made if one.granularity == "global"} == set(with_second)
    assert {one.segment_id for one in made if one.granularity == "fine"} == set(with_fine)
    assert len(made) == len(with_second) + len(with_fine) > 10
    first = next(one for one in made if one.granularity == "global")
    assert first == Override(
        segment_id=first.segment_id,
        granularity="global",
        old_text=caption(first.segment_id, "global", 1),
        new_text="Ein\nneuer </script> Text",
        author="user 7",
        reason="heard",
        time="2026-01-02T03:04:05Z",
    )
    assert all(one.new_text == "" for one in made if one.granularity == "fine")


def test_what_nobody_changed_or_finished_is_no_correction(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    assert list(read_corrections(_write(tmp_path, tasks))) == []
    assert list(read_corrections(_write(tmp_path, _annotated(tasks, {})))) == []
    assert list(read_corrections(_write(tmp_path, _annotated(tasks, {"fine_1": "new"}, was_cancelled=True)))) == []


def test_the_last_annotation_counts(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    task = next(one for one in tasks if "fine_1" in one["data"]["captions"])
    late = _annotated([json.loads(json.dumps(task))], {"fine_1": "late"}, completed_by={"id": 3, "email": "a@b.org"})
    early = _annotated([task], {"fine_1": "early"}, updated_at="2026-01-01T00:00:00Z")
    late[0]["annotations"] += early[0]["annotations"]
    (made,) = read_corrections(_write(tmp_path, late))
    assert (made.new_text, made.author) == ("late", "a@b.org")


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no list of tasks; export .* as JSON \(not JSON-MIN\)"):
        list(read_corrections(_write(tmp_path, {"tasks": []})))
    with pytest.raises(
        UsageError, match=r"task 1 has no usable data\.segment_id .*`fcaps export --format labelstudio`"
    ):
        list(read_corrections(_write(tmp_path, [{"data": {"audio": "x.wav"}}])))
    with pytest.raises(UsageError, match=r"nowhere\.json does not exist"):
        list(read_corrections(tmp_path / "nowhere.json"))


def test_the_command_writes_a_table(tasks: list[dict[str, Any]], tmp_path: Path, typed: Typed) -> None:
    path, out = _write(tmp_path, _annotated(tasks, {"global_1": "A man speaks."})), tmp_path / "overrides.jsonl"
    code, said, _ = typed("release", "overrides", path, "--out", out)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert (code, len(lines)) == (0, sum("global_1" in one["data"]["captions"] for one in tasks))
    assert f"{len(lines)} corrections" in said
    assert read_overrides(store_path(out)) == tuple(read_corrections(path))
    assert list(lines[0]) == ["segment_id", "granularity", "old_text", "new_text", "author", "reason", "time"]
    code, _, told = typed("release", "overrides", path, "--out", out)
    assert (code, "exists; name another file" in told) == (2, True)


def test_a_build_takes_what_came_back(run: Path, tasks: list[dict[str, Any]], tmp_path: Path, typed: Typed) -> None:
    made = _write(tmp_path, _annotated(tasks, {"global_1": "A woman whispers.", "fine_2": None}))
    assert typed("release", "overrides", made, "--out", tmp_path / "overrides.jsonl")[0] == 0
    recipe = {"name": "tales", "version": "1.0.0", "runs": [str(run)], "splits": {"shares": {"train": 1.0}}}
    build_release(Recipe.model_validate({**recipe, "overrides": str(tmp_path / "overrides.jsonl")}), tmp_path / "new")
    before, after = rows_of(open_dataset(run)), rows_of(open_dataset(tmp_path / "new"))
    assert after.keys() == before.keys()
    for name, row in after.items():
        old = before[name]
        assert (
            row["global_captions"] == ["A woman whispers.", *old["global_captions"][1:]][: len(old["global_captions"])]
        )
        assert row["fine_captions"] == old["fine_captions"][:1]

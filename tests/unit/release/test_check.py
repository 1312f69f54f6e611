"""Every check of a release finds nothing in a good one, and what is planted in a bad one."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.check.findings import Finding
from fcaps_pipeline.release.check.leaks import find_proper_noun
from fcaps_pipeline.release.check.release import check_release
from fcaps_pipeline.release.describe import descriptions
from fcaps_pipeline.release.layout import ReleaseFile
from fcaps_pipeline.release.overrides import Override, write_overrides
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import measure
from fcaps_pipeline.shards.tombstones import Tombstone, no_tombstones, write_tombstones
from fcaps_pipeline.storage.path import store_path
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import RunWriter, data_shard
from tests.unit.release.laid_out import SPOKEN, LaidOut, Rows, lay_out, rows_of, with_shard


def finished(made: LaidOut) -> LaidOut:
    """The release with its record and all that is made again by a check, so without pictures."""
    statistics = measure(made.layout, made.draft)
    for name, content in descriptions(made.layout, made.recipe, made.draft, statistics).items():
        (made.layout.root / name).put(content)
    return recorded(made)


def recorded(made: LaidOut) -> LaidOut:
    """The release with a record of what is there."""
    known = {"release.json", "tombstones.json", *(shard.path for shard in made.draft.shards)}
    known |= {file.path for file in made.draft.files}
    made.finish([_file(made, path) for path in made.layout.root.sizes() if path not in known])
    return made


def found(made: LaidOut) -> dict[str, Finding]:
    return {one.check: one for one in check_release(made.layout.root)}


def beyond(made: LaidOut) -> dict[str, float]:
    """The checks that are not well, and their numbers."""
    return {name: one.found for name, one in found(made).items() if not one.is_ok}


def test_a_good_release_is_within_every_bound(laid_out: LaidOut) -> None:
    findings = found(finished(laid_out))
    assert {name for name, one in findings.items() if not one.is_ok} == set()
    assert len(findings) == 25
    assert findings["files in one folder"].found == 4
    assert findings["largest row, MB at most"].found == 0.026


@pytest.mark.usefixtures("no_figures")
def test_what_a_build_makes_is_within_every_bound(run_writer: RunWriter, tmp_path: Path) -> None:
    """With captions that rules left out and one that a person corrected."""
    run = run_writer.write(tmp_path / "run", SPOKEN)
    row = pq.read_table(data_shard(run, 0)).to_pylist()[0]
    correction = Override(
        segment_id=row["segment_id"],
        granularity="fine",
        old_text=row["fine_captions"][0],
        new_text="A man starts softly, then shouts.",
        author="ann",
        reason="he shouts",
        time="2026-11-30T12:00:00Z",
    )
    write_overrides(store_path(tmp_path / "fixes.csv"), [correction])
    shares = {"shares": {"train": 0.5, "test": 0.5}}
    content = {"name": "tales", "version": "1.0.0", "runs": [str(run)], "splits": shares}
    rules = {"captions": {"without": ["measured pace"]}}
    recipe = Recipe.model_validate({**content, "rows": rules, "overrides": str(tmp_path / "fixes.csv")})
    build_release(recipe, tmp_path / "out")
    assert {one.check: one.examples for one in check_release(tmp_path / "out") if not one.is_ok} == {}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "People corrected captions: ann 1." in card
    assert "| fine | dropped: `override` | 1 |" in card
    assert "| global | dropped: `release` | 12 |" in card


@pytest.mark.usefixtures("no_figures")
def test_a_release_without_candidates_says_who_wrote_its_captions(run_writer: RunWriter, tmp_path: Path) -> None:
    """Also where it is made from another such release."""
    run = run_writer.write(tmp_path / "run", SPOKEN)
    rules = {"captions": {"without": ["measured pace"]}}
    content = {"name": "tales", "version": "1.0.0", "candidates": False, "splits": {"shares": {"train": 1}}}
    recipes = [{**content, "runs": [str(run)], "rows": rules}, {**content, "runs": [str(tmp_path / "0")]}]
    for number, one in enumerate(recipes):
        record = build_release(Recipe.model_validate(one), tmp_path / str(number)).record
        assert [(one.granularity, one.model, one.num_captions) for one in record.writers] == [
            ("fine", "package:captioner", 12)
        ]
        card = (tmp_path / str(number) / "README.md").read_text()
        assert "| fine | 12 | `package:captioner` | `sha256:abc` |" in card
        assert {one.check for one in check_release(tmp_path / str(number)) if not one.is_ok} == set()


def test_what_is_no_release_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no release\.json"):
        list(check_release(tmp_path))


def test_a_release_in_a_bucket_is_checked(laid_out: LaidOut) -> None:
    finished(laid_out)
    bucket = store_path("memory://releases/tales")
    for name in laid_out.layout.root.sizes():
        (bucket / name).put((laid_out.layout.root / name).read())
    assert {one.check for one in check_release(bucket) if not one.is_ok} == set()
    (bucket / "README.md").delete()
    (bucket / "data/train-00000.parquet").put(b"PAR1")
    (damaged,) = [one for one in check_release(bucket) if not one.is_ok]
    assert (damaged.check, damaged.found) == ("missing or changed files", 2)


@pytest.mark.parametrize("name", ["data/train-00000.parquet", "croissant.json", "excluded/00000.parquet"])
def test_a_changed_or_missing_file_ends_the_checks(laid_out: LaidOut, name: str) -> None:
    finished(laid_out)
    path = laid_out.layout.root.on_disk() / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"X")
    assert beyond(laid_out) == {"missing or changed files": 1}
    path.unlink()
    assert found(laid_out)["missing or changed files"].examples == (f"{name} is missing",)
    assert "segment ids that stand twice" not in found(laid_out)


def test_a_file_that_nobody_names_is_told(laid_out: LaidOut) -> None:
    root = finished(laid_out).layout.root.on_disk()
    (root / "data" / "train-00009.parquet").write_bytes(b"")
    (root / ".gitattributes").write_bytes(b"")
    (root / "notes.txt").write_bytes(b"")
    finding = found(laid_out)["other files that nobody names"]
    assert (finding.found, finding.examples, finding.refuses) == (1, ("notes.txt",), False)
    finding = found(laid_out)["files among those of tables that nobody names"]
    assert (finding.found, finding.examples, finding.refuses) == (1, ("data/train-00009.parquet",), True)


def test_columns_and_rows_are_those_of_the_record(laid_out: LaidOut) -> None:
    finished(laid_out)
    made = with_shard(laid_out, "data/test-00000.parquet", lambda table: table.drop_columns(["recording_id"]).slice(1))
    recorded(made)
    assert beyond(made) == {
        "columns missing or of another type": 1,
        "files with another number of rows than recorded": 1,
    }


def test_excluded_rows_are_counted(laid_out: LaidOut) -> None:
    draft = laid_out.draft.model_copy(update={"num_excluded": {"license": 5}})
    made = finished(replace(laid_out, draft=draft))
    assert beyond(made) == {"files with another number of rows than recorded": 1}


def _double_a_row(rows: Rows) -> None:
    rows["data"].append({**rows["data"][0], "audio_sha256": "0" * 64})


def _divide_a_speaker(rows: Rows) -> None:
    next(row for row in rows["data"] if row["split"] == "test")["speaker"] = "s0"


def _divide_a_recording(rows: Rows) -> None:
    next(row for row in rows["data"] if row["split"] == "test")["recording_id"] = "r0"


def _divide_a_file(rows: Rows) -> None:
    for split in ("test", "train"):
        next(row for row in rows["data"] if row["split"] == split)["recording_sha256"] = "5" * 64


def _divide_samples(rows: Rows) -> None:
    for split in ("test", "train"):
        next(row for row in rows["data"] if row["split"] == split)["audio_sha256"] = "5" * 64


def _disagree(rows: Rows) -> None:
    rows["data"][0]["fine_captions"] = ["A woman whispers."]


def _reword(rows: Rows) -> None:
    rows["data"][0]["fine_captions"] = ["A woman whispers."]
    rows["data"][0]["captions"][0]["text"] = "A woman whispers."


def _quote(rows: Rows) -> None:
    _caption(rows, "She begins low: leans over the square and everybody, then she stops.")


def _name(rows: Rows) -> None:
    _caption(rows, "A man speaks of Pisa in a calm tone.")


def _measure(rows: Rows) -> None:
    _caption(rows, "A man speaks at 120 Hz.")


def _caption(rows: Rows, text: str) -> None:
    """Makes a caption another one, wherever it stands."""
    row = rows["data"][0]
    row["fine_captions"] = [text]
    row["captions"][0]["text"] = text
    ids = (row["segment_id"], row["captions"][0]["candidate_id"])
    for answer in rows["candidates"]:
        if (answer["segment_id"], answer["candidate_id"]) == ids:
            answer["text"] = text


_PLANTED: list[tuple[Callable[[Rows], None], set[str], str]] = [
    (_double_a_row, {"segment ids that stand twice"}, "hard"),
    (_divide_a_speaker, {"speakers in several splits"}, "hard"),
    (_divide_a_recording, {"recordings in several splits"}, "hard"),
    (_divide_a_file, {"files of recordings in several splits"}, "told"),
    (_divide_samples, {"samples in several splits", "rows with samples of another"}, "hard"),
    (_disagree, {"rows whose columns of captions disagree"}, "hard"),
    (_reword, {"captions that are no kept candidate", "kept candidates that are no caption"}, "hard"),
    (_quote, {"captions with 5 words in a row of the transcript"}, "hard"),
    (_name, {"captions with a proper noun of the transcript"}, "told"),
    (_measure, {"captions with values or words of tools"}, "hard"),
]


@pytest.mark.parametrize(("plant", "checks", "grade"), _PLANTED)
def test_what_is_planted_is_found(
    run_writer: RunWriter, tmp_path: Path, plant: Callable[[Rows], None], checks: set[str], grade: str
) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    plant(rows)
    findings = found(finished(lay_out(tmp_path / "release", rows)))
    told = {name: one for name, one in findings.items() if not one.is_ok}
    assert told.keys() == checks
    assert all(one.examples and one.found == 1 and one.is_hard == (grade == "hard") for one in told.values())


def test_words_of_the_whole_recording_count_where_those_of_the_segment_are_unknown(
    run_writer: RunWriter, tmp_path: Path
) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    rows["data"][1].update(transcript=None, recording_transcript="a man begins softly and grows louder here")
    finding = found(finished(lay_out(tmp_path / "release", rows)))["captions with 5 words in a row of the transcript"]
    assert finding.examples == (f"{rows['data'][1]['segment_id']}: a man begins softly and",)
    assert finding.refuses


def test_rows_stand_in_the_file_of_their_split(laid_out: LaidOut) -> None:
    def move(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index("split")
        return table.set_column(place, "split", pa.array(["train", *table["split"].to_pylist()[1:]]))

    made = finished(with_shard(laid_out, "data/test-00000.parquet", move))
    finding = found(made)["rows in a file of another split"]
    assert (finding.found, finding.examples) == (1, ("data/test-00000.parquet has rows of train",))


def test_where_the_recipe_allows_it_speakers_and_samples_may_return(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    _divide_a_speaker(rows)
    rows["data"][1]["audio_sha256"] = rows["data"][2]["audio_sha256"] = "5" * 64
    rows["data"][2]["split"] = rows["data"][1]["split"]
    rows["data"][2]["speaker"] = rows["data"][1]["speaker"]
    made = lay_out(tmp_path / "release", rows)
    content: dict[str, Any] = made.draft.recipe
    content = {**content, "splits": {**content["splits"], "by": "recording"}}
    content = {**content, "rows": {**content["rows"], "duplicates": "keep"}}
    recipe = type(made.recipe).model_validate(content)
    made = finished(replace(made, recipe=recipe, draft=made.draft.model_copy(update={"recipe": content})))
    told = {name: one for name, one in found(made).items() if not one.is_ok}
    assert told.keys() == {"speakers in several splits", "rows with samples of another"}
    assert not any(one.refuses for one in told.values())


@pytest.mark.parametrize("what", ["speaker", "segment", "source"])
def test_a_row_that_was_taken_back_is_found(laid_out: LaidOut, what: Any) -> None:
    value = {"speaker": "s3", "segment": "x-0-0-1", "source": "y.wav"}[what]
    empty = no_tombstones()
    entry = Tombstone(what=what, digest=empty.digest(what, value), reason="they asked")
    write_tombstones(laid_out.layout.tombstones, empty.having([entry], is_unfinished=False))
    finished(laid_out)
    assert beyond(laid_out) == {"missing or changed files": 1}, "release.json does not know the list"
    digest = sha256(laid_out.layout.tombstones.read()).hexdigest()
    made = replace(laid_out, draft=laid_out.draft.model_copy(update={"tombstones_sha256": digest}))
    finding = found(finished(made))["rows that were taken back"]
    assert (finding.found, finding.refuses) == ({"speaker": 3}.get(what, 1), True)


def test_large_rows_and_row_groups_are_told(run_writer: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(run_writer, tmp_path / "run")
    rows["data"][0].update(duration_s=40.0, audio={"bytes": bytes(2_500_000), "path": "a.flac"})
    findings = found(finished(lay_out(tmp_path / "release", rows)))
    finding = findings["largest row, MB at most"]
    assert (finding.found, finding.examples, finding.is_ok) == (2.5, (rows["data"][0]["segment_id"],), False)
    assert not finding.refuses
    assert findings["largest row group, MB"].found > 2.5


def test_figures_that_are_not_true_are_found(laid_out: LaidOut) -> None:
    splits = {**laid_out.draft.splits}
    splits["test"] = splits["test"].model_copy(update={"num_speakers": 9})
    made = finished(replace(laid_out, draft=laid_out.draft.model_copy(update={"splits": splits})))
    finding = found(made)["figures of splits that are not those of the rows"]
    assert finding.examples == ("test: num_speakers is 1, release.json says 9",)


@pytest.mark.parametrize(
    ("name", "true", "false"),
    [
        ("README.md", "num_examples: 6", "num_examples: 7"),
        ("statistics.json", '"num_speakers": 4', '"num_speakers": 5'),
        ("croissant.json", '"contentSize": "', '"contentSize": "1'),
    ],
)
def test_a_description_of_other_rows_is_found(laid_out: LaidOut, name: str, true: str, false: str) -> None:
    """Also one that another version wrote, of which words may differ but no figure."""
    for version, what in ((laid_out.draft.fcaps_version, "lines"), ("0.0.1", "figures")):
        made = replace(laid_out, draft=laid_out.draft.model_copy(update={"fcaps_version": version}))
        page = finished(made).layout.root / name
        page.put(page.read_text().replace(true, false))
        assert beyond(recorded(made)).keys() == {f"{what} of {name} that are not true"}


def test_another_wording_of_another_version_is_no_fault(laid_out: LaidOut) -> None:
    made = finished(replace(laid_out, draft=laid_out.draft.model_copy(update={"fcaps_version": "0.0.1"})))
    made.layout.card.put(made.layout.card.read_text().replace("segments of speech", "pieces of speech"))
    content = json.loads(made.layout.croissant.read_text())
    content["keywords"] = ["voices"]
    made.layout.croissant.put(json.dumps(content))
    assert beyond(recorded(made)) == {}


@pytest.mark.parametrize(
    ("text", "transcript", "name"),
    [
        ("She says it to Anna, softly.", "then I told Anna to go", "Anna"),
        ("Anna speaks softly.", "then I told Anna to go", None),
        ("He has a British accent.", "they are British people", None),
        ("He turns to Every word.", "Every Word Is Written Like This", None),
        ("He speaks in the Evening.", "it was evening", None),
    ],
)
def test_a_name_has_a_capital_inside_a_sentence(text: str, transcript: str, name: str | None) -> None:
    assert find_proper_noun(text, transcript) == name


def test_the_command_prints_every_check_and_refuses(laid_out: LaidOut, typed: Typed) -> None:
    root = finished(laid_out).layout.root
    code, printed, _ = typed("verify", str(root))
    assert code == 0
    assert re.search(r"segment ids that stand twice +│ +0 +│ +0 +│ yes", printed)
    assert "25 checks, none refuses this release" in printed
    assert typed("verify", str(root), "--orphans")[0] == 2
    (root / "data/more.parquet").put(b"")
    code, printed, told = typed("verify", str(root))
    assert code == 1
    assert re.search(r"files among those of tables that nobody names +│ +1 +│ +0 +│ NO", printed)
    assert "files among those of tables that nobody names: data/more.parquet" in told
    assert (
        "1 of 25 checks refuse this release (files among those of tables that nobody names: data/more.parquet)" in told
    )


def test_the_captions_of_a_release_are_reported_on_like_those_of_a_run(laid_out: LaidOut, typed: Typed) -> None:
    code, printed, _ = typed("report", str(finished(laid_out).layout.root))
    assert code == 0
    assert "24 captions, 22 of them stand before word for word" in printed
    assert "4 named speakers" in printed


def _file(made: LaidOut, path: str) -> ReleaseFile:
    content = (made.layout.root / path).read()
    return ReleaseFile(path=path, num_bytes=len(content), sha256=sha256(content).hexdigest())

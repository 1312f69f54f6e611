from fcaps_pipeline.release.changes import changes_text
from fcaps_pipeline.release.compare.differences import CHANGES, Differences, Needed, Shift, Side
from fcaps_pipeline.release.layout import ParentRelease, Removal
from tests.unit.release.laid_out import LaidOut

_DIFFERENCES = Differences(
    a=Side(where="a", kind="release", name="tales", version="1.0.0", num_rows=14),
    b=Side(where="b", kind="release", name="tales", version="2.0.0", num_rows=12),
    counts={change: {"removed": 2, "same": 12}.get(change, 0) for change in CHANGES},
    removed={"taken back": 2},
    added={},
    moves=(),
    columns={},
    new_columns=("events",),
    lost_columns=(),
    splits=(),
    captions=(),
    shifts=(
        Shift(attribute="age_group", value="child", share_a=0.1, share_b=0.25),
        Shift(attribute="pitch", value=None, share_a=0.1, share_b=0.101),
    ),
    examples=(),
    needed=Needed(level="major", because="rows were removed", lowest="2.0.0"),
)


def test_a_first_version_has_one_line(laid_out: LaidOut) -> None:
    first = laid_out.draft.model_copy(update={"num_excluded": {}})
    assert changes_text(first, None, None) == "# Changes of tales\n\n## 1.0.0\n\nThe first version: 12 rows.\n"


def test_a_version_stands_above_those_before_it(laid_out: LaidOut) -> None:
    parent = ParentRelease(name="tales", version="1.0.0", release_sha256="9" * 64)
    removals = (
        Removal(version="1.0.0", what="license", num_rows=1, reason="old"),
        Removal(version="2.0.0", what="speaker", num_rows=2, reason="they | asked"),
    )
    record = laid_out.draft.model_copy(update={"version": "2.0.0", "parent": parent, "removals": removals})
    former = changes_text(laid_out.draft, None, None)
    page = changes_text(record, _DIFFERENCES, former)
    assert page.index("## 2.0.0") < page.index("## 1.0.0")
    assert page.count("# Changes of tales") == 1
    assert "Follows tales 1.0.0; 12 rows." in page
    assert "A major change: rows were removed." in page
    assert "| `removed` | 2 | rows that only A has |" in page
    assert "| `speaker` | 2 | they \\| asked |" in page
    assert "| old |" not in page
    assert "| age group | `child` | 10.0 % | 25.0 % |" in page
    assert "pitch" not in page
    assert page.endswith(former.partition("\n## ")[2])

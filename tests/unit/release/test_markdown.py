import pytest

from fcaps_pipeline.release.markdown import block, code, escaped, percent


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 1.0.0 (two)", "plain, 1.0.0 (two)"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("--- no rule", "\\--- no rule"),
        ("a | b\n# c", "a \\| b \\# c"),
        ("<b>*x*</b> [y](z)", "\\<b\\>\\*x\\*\\</b\\> \\[y\\](z)"),
        ("http://e.vil @me", "http\\://e.vil \\@me"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_code_ends_neither_itself_nor_a_cell() -> None:
    assert code("a`b|c\nd") == "`a'b¦c d`"
    assert code("") == ""


def test_a_block_is_ended_by_nothing_in_it() -> None:
    assert block("a\n````\nb", "python") == ["`````python", "a", "````", "b", "`````"]


@pytest.mark.parametrize(("part", "shown"), [(0, "0 %"), (3, "1.5 %"), (30, "15 %"), (200, "100 %")])
def test_small_shares_have_a_decimal(part: int, shown: str) -> None:
    assert percent(part, 200) == shown

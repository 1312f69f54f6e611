"""The ladder: together, together, alone, never again."""

from fcaps_pipeline.annotate.run.ladder import Ladder, Step


def test_two_deaths_are_forgiven_the_third_one_is_not() -> None:
    ladder = Ladder()
    seen = []
    for _ in range(3):
        seen.append(ladder.step("a"))
        ladder.died("a", "its process died")
        ladder.lived("b")
    assert [*seen, ladder.step("a")] == [Step.TOGETHER, Step.TOGETHER, Step.ALONE, Step.NEVER]
    assert ladder.reason("a") == "tried 3 times, the last time alone, and each time: its process died"


def test_nobody_is_convicted_while_nothing_else_lives() -> None:
    ladder = Ladder()
    ladder.lived("b")
    for _ in range(9):
        ladder.died("a", "its process died")
    assert ladder.step("a") is Step.ALONE
    assert ladder.step("a", is_last=True) is Step.NEVER
    ladder.lived("b")
    assert ladder.step("a") is Step.NEVER


def test_what_lives_leaves_the_ladder() -> None:
    ladder = Ladder()
    ladder.died("a", "hung")
    ladder.died("a", "hung")
    ladder.lived("a")
    assert (ladder.step("a"), ladder.num_deaths("a")) == (Step.TOGETHER, 0)

"""Restarts: without end, within a budget per hour and cause."""

import pytest

from fcaps_pipeline.annotate.run.supervision import RestartBudget


def test_the_first_restart_is_at_once_and_the_waits_double() -> None:
    budget = RestartBudget(per_hour=20)
    assert [budget.spend("died", 0.0) for _ in range(5)] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert budget.spend("hung", 0.0) == 0.0, "each cause has its own"


def test_what_exceeds_the_budget_of_an_hour_waits_until_the_hour_is_over() -> None:
    budget = RestartBudget(per_hour=3)
    for minute in range(3):
        budget.spend("died", minute * 60.0)
    assert not budget.is_spent(180.0)
    assert budget.spend("died", 180.0) == pytest.approx(3600.0)
    assert budget.is_spent(180.0)
    assert not budget.is_spent(3601.0)
    assert budget.spend("died", 9000.0) == 9000.0, "after an hour without a death all is forgiven"

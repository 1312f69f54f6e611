"""Division of a source into WorkUnits."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.plan import divide
from fcaps_pipeline.jobs.annotate_job import ShardConfig
from fcaps_pipeline.records.audio import Recording

lengths_s = st.lists(st.one_of(st.none(), st.floats(0, 9000)), max_size=40)


def _recordings(durations_s: list[float | None]) -> list[Recording]:
    return [
        Recording(recording_id=f"r{index}", location=f"/a/{index}.wav", source=f"{index}.wav", duration_s=duration_s)
        for index, duration_s in enumerate(durations_s)
    ]


@given(lengths_s)
def test_units_hold_every_recording_once_in_order(durations_s: list[float | None]) -> None:
    recordings = _recordings(durations_s)
    units = list(divide(recordings, ShardConfig(unit_hours=1)))
    assert [one for unit in units for one in unit.recordings] == recordings
    assert [unit.unit_index for unit in units] == list(range(len(units)))


@given(lengths_s)
def test_only_a_long_recording_makes_a_long_unit(durations_s: list[float | None]) -> None:
    for unit in divide(_recordings(durations_s), ShardConfig(unit_hours=1)):
        assert unit.duration_s <= 3600 or len([one for one in unit.recordings if one.duration_s]) == 1


@given(lengths_s)
def test_no_two_neighbours_would_have_fitted_into_one(durations_s: list[float | None]) -> None:
    units = list(divide(_recordings(durations_s), ShardConfig(unit_hours=1)))
    for before, after in itertools.pairwise(units):
        assert before.duration_s + (after.recordings[0].duration_s or 0) > 3600

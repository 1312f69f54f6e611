"""A row does not tell in which files its channels lie; the plan does, where that can matter."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.audio import AudioFile, Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import ChannelMaps
from fcaps_pipeline.shards.schema import Row
from tests.mapped_run import write_plan

FILES = (AudioFile(location="/b.wav", channels=(1, 0)),)


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path)
    plain = Recording(recording_id="a", location="/a.wav", source="a.wav", transcript='"files":[')
    write_plan(layout, [plain, plain.model_copy(update={"recording_id": "b", "files": FILES})])
    return layout


def _row(name: str, channel: str = "0", num_channels: int = 2, *, embedded: bool = False) -> Row:
    audio = {"bytes": b"", "path": "a.flac"} if embedded else None
    return {"recording_id": name, "channel": channel, "num_channels": num_channels, "audio": audio}


def test_only_recordings_that_have_a_map_have_one(layout: RunLayout) -> None:
    maps = ChannelMaps(layout)
    assert [maps.of(_row(name)) for name in "abc"] == [None, FILES, None]
    assert maps.of(_row("b", embedded=True)) == FILES


def test_without_a_plan_it_is_an_error_only_to_need_it(layout: RunLayout) -> None:
    layout.plan.on_disk().unlink()
    maps = ChannelMaps(layout)
    assert maps.of(_row("a", num_channels=1)) is None
    assert maps.of(_row("b", embedded=True)) is None
    for row in (_row("a"), _row("a", "1", 1), _row("a", "mix", 1)):
        with pytest.raises(CorruptRunError, match=r"plan\.json is gone"):
            maps.of(row)


def test_a_changed_plan_is_told_as_one(layout: RunLayout) -> None:
    content = layout.plan_file(1).on_disk().read_bytes()
    layout.plan_file(1).on_disk().write_bytes(content[:-20] + bytes(8) + content[-12:])
    with pytest.raises(CorruptRunError, match=r"is not what plan\.json records"):
        ChannelMaps(layout).of(_row("b"))

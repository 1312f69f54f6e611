"""What was mended in a file stands at its place, in a bounded number of warnings."""

from fcaps_pipeline.audio.warnings import WarningLog

Place = tuple[int | None, int | None]


def _places(log: WarningLog) -> list[Place]:
    return [(one.start_samples, one.end_samples) for one in log.records()]


def test_a_finding_without_duration_is_a_moment_and_one_of_the_file_has_no_place() -> None:
    log = WarningLog()
    log.add("format_change", "another rate", 2.0)
    log.add_of_file("longer_than_header", "100 bytes more")
    assert _places(log) == [(32_000, 32_000), (None, None)]


def test_findings_that_say_the_same_and_touch_become_one() -> None:
    log = WarningLog()
    log.add("format_change", "another rate", 1.0)
    log.add("format_change", "1 channel", 1.0, 8.0)
    log.add("format_change", "1 channel", 9.0, 8.0)
    log.add_of_file("format_change", "1 channel")
    assert _places(log) == [(16_000, 16_000), (16_000, 272_000), (None, None)]
    assert [one.detail for one in log.records()] == ["another rate", "1 channel (2 times)", "1 channel"]


def test_however_damaged_a_file_is_its_warnings_are_bounded() -> None:
    log = WarningLog()
    for second in range(1_000):
        log.add("undecodable_packet", "silence", second, 0.5)
        log.add_of_file("longer_than_header", f"{second} bytes")
    places = _places(log)
    assert len(places) == 202
    assert places[99:101] == [(99 * 16_000, 99 * 16_000 + 8_000), (100 * 16_000, 999 * 16_000 + 8_000)]

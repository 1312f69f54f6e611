"""What a run says of itself when it ends."""

import io

from fcaps_pipeline.annotate.run.report import LastCall, RunReport, State
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.cli.tables import print_report
from fcaps_pipeline.shards.layout import ClaimCounts, Totals


def _ended(num_annotations: int, reasons: dict[str, int], claims: dict[str, ClaimCounts] | None = None) -> str:
    num_rejections = sum(reasons.values())
    counts = {
        "num_segments": num_annotations + num_rejections,
        "num_annotations": num_annotations,
        "num_rejections": num_rejections,
    }
    totals = Totals.model_validate({name: counts.get(name, 0) for name in Totals.model_fields})
    report = RunReport(
        state=State.WHOLE,
        fcaps_version="0",
        engines={},
        totals=totals,
        num_units=1,
        num_units_done=1,
        rejection_reasons=reasons,
        claims=claims or {},
        share_not_understood=0.25 if claims else None,
        failures=(),
        recordings_without_segments=(),
        warnings={},
        ignored_files={},
        last_call=LastCall(),
    )
    stream = io.StringIO()
    print_report(Stream(file=stream), report, "runs/demo")
    return stream.getvalue()


def test_the_commonest_reasons_of_rejection_come_first() -> None:
    text = _ended(10, {"fine: absence": 2, "global: truncated": 7})
    assert "rejected most often for: global: truncated (7), fine: absence (2)" in text
    assert "more than half" not in text


def test_what_became_of_claims_is_one_line() -> None:
    claims = {"rate": ClaimCounts(supported=2, contradicted=1), "other": ClaimCounts(unverifiable=1)}
    text = _ended(10, {}, claims)
    assert "claims: 2 supported, 1 contradicted, 1 unverifiable; 25% of them were not understood\n" in text
    assert "claims" not in _ended(10, {})


def test_more_than_half_rejected_gets_a_line() -> None:
    text = _ended(4, {"fine: absence": 5})
    assert "more than half of the segments were rejected: 5 of 9" in text
    assert "fcaps show runs/demo --rejected" in text
    assert "rejected most often" not in _ended(4, {})

"""`fcaps verify` of a release: each check with its number and bound."""

from typing import TYPE_CHECKING

from rich.table import Table

from fcaps_pipeline.cli.console import messages, result

if TYPE_CHECKING:
    from fcaps_pipeline.release.check.findings import Finding


def is_release(where: str) -> bool:
    """Whether a folder is a release, and not a run."""
    from fcaps_pipeline.release.layout import ReleaseLayout

    return ReleaseLayout(where).record.exists()


def verify_release(where: str) -> None:
    """Prints what every check of a release found.

    Raises:
        CorruptRunError: it must not go out as it is, or cannot be read.
    """
    from fcaps_pipeline.release.check.release import check_release, require_sound

    findings = []
    for finding in check_release(where):
        findings.append(finding)
        if not finding.is_ok:
            for example in finding.examples:
                messages.say(f"{finding.check}: {example}", style="red" if finding.is_hard else "yellow")
    _show(findings)
    require_sound(where, findings)
    told = sum(not one.is_ok for one in findings)
    result.say(f"{len(findings)} checks, none refuses this release{f'; {told} to look at' if told else ''}")


def _show(findings: "list[Finding]") -> None:
    table = Table("check", "found", "bound", "ok")
    for one in findings:
        verdict = "yes" if one.is_ok else "NO" if one.is_hard else "look"
        table.add_row(one.check, f"{one.found:g}", f"{one.bound:g}", verdict)
    result.show(table)

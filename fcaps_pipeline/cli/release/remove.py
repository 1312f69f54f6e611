"""`fcaps release remove`: takes back from a run or a release."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import storable, writable

if TYPE_CHECKING:
    from fcaps_pipeline.release.removal.account import Account
    from fcaps_pipeline.release.removal.request import Request

_EXIT_FOUND = 1


def _option(name: str, meaning: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar="VALUE", help=f"{meaning}; may be repeated.")
    return option


def remove(
    folder: Annotated[str, typer.Argument(parser=storable, metavar="DIR", help="A run, or a release.")],
    speaker: Annotated[list[str] | None, _option("--speaker", "Take back what a speaker says")] = None,
    recording: Annotated[list[str] | None, _option("--recording", "Take back a Recording, by its id")] = None,
    segment: Annotated[list[str] | None, _option("--segment", "Take back one Segment, by its id")] = None,
    source: Annotated[list[str] | None, _option("--source", "Take back the Recording of a source path")] = None,
    license_: Annotated[list[str] | None, _option("--license", "Take back all of a license")] = None,
    *,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="KIND=FILE", help="Take values from a text file, one a line: speaker=list.txt."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(parser=writable, metavar="NEW", help="Folder of the new release; a release itself never changes."),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Of the new release; by default the next MAJOR.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept beside the keyed hashes.")] = "taken back",
    prove: Annotated[
        bool, typer.Option("--prove", help="Search everything that is left; a hit is exit code 1.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Take back from a run, in place, or from a release, into a new one; without a value, go on with what was begun."""
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.release.layout import ReleaseLayout
    from fcaps_pipeline.release.removal.from_release import take_back_from_release
    from fcaps_pipeline.release.removal.from_run import take_back_from_run

    given = {"speaker": speaker, "recording": recording, "segment": segment, "source": source, "license": license_}
    request = _request({what: values or [] for what, values in given.items()}, file or [], reason)
    if ReleaseLayout(folder).record.exists():
        if request is None or (out is None and not dry_run):
            raise UsageError(
                f"{folder} is a release, and a version once written stays: give --out for the new one, and what to "
                "take back, for instance --speaker VALUE"
            )
        account = take_back_from_release(
            folder, request, out or folder, version=version, proves=prove, is_dry=dry_run, told=messages.say
        )
    elif out is not None or version is not None:
        raise UsageError(f"{folder} is a run, which changes in place: leave --out and --version out")
    else:
        account = take_back_from_run(folder, request, proves=prove, is_dry=dry_run, told=messages.say)
    _say(account, is_dry=dry_run)
    if account.proof is not None and account.proof.hits:
        raise typer.Exit(_EXIT_FOUND)


def _request(given: dict[str, list[str]], files: list[str], reason: str) -> "Request | None":
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.release.removal.request import Request

    for text in files:
        what, _, path = text.partition("=")
        if what not in given or not path:
            raise UsageError(f"--file {text}: expected KIND=FILE with one of {', '.join(given)}")
        given[what] += _listed(path)
    named = {what: tuple(dict.fromkeys(values)) for what, values in given.items() if values}
    if len(named) > 1:
        raise UsageError(f"give values of one kind, not of {' and '.join(named)}; repeat the command for the others")
    for what, values in named.items():
        return Request.model_validate({"what": what, "values": values, "reason": reason})
    return None


def _listed(path: str) -> list[str]:
    """The lines of a text file, without those that are empty."""
    from fcaps_pipeline.errors import UsageError

    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--file: {path} cannot be read as text ({error}); expected one value a line") from error
    if not (values := list(filter(None, map(str.strip, lines)))):
        raise UsageError(f"--file: {path} holds no value, expected one a line")
    return values


def _say(account: "Account", *, is_dry: bool) -> None:
    what = f"{account.num_recordings} recordings and {account.num_segments} segments"
    rows = ", ".join(f"{number} of {table}" for table, number in account.num_rows.items() if number)
    if is_dry:
        result.say(f"{account.where}: {what} would be taken back{f' (rows: {rows})' if rows else ''}")
    elif account.is_changed:
        units = f"; {account.num_units} units were written again" if account.num_units else ""
        result.say(f"{account.where}: {what} were taken back{f' (rows: {rows})' if rows else ''}{units}")
    else:
        result.say(f"{account.where}: nothing of it is there, it was taken back before")
    for line in account.notes:
        result.say(line, style="yellow")
    if account.by_hand:
        result.say("still to be seen to by hand, wherever there are copies:")
    for line in account.by_hand:
        result.say(f"- {line}")
    _say_proof(account)


def _say_proof(account: "Account") -> None:
    if account.proof is None:
        return
    proof = account.proof
    for hit in proof.hits[:LISTED]:
        result.say(f"found: {hit.path}, {hit.place}: {hit.needle.what} {hit.needle.value!r}", style="red")
    if len(proof.hits) > LISTED:
        result.say(f"found: and {len(proof.hits) - LISTED} more")
    shared = f"; {account.num_shared} others are also of what stays" if account.num_shared else ""
    result.say(
        f"searched {proof.num_files} files with {proof.num_bytes:,} bytes for {account.num_needles} values{shared}: "
        f"{len(proof.hits)} found"
    )

"""`fcaps release publish`."""

from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from fcaps_pipeline.release.publish import Publication

_EXIT_INTERRUPTED = 130


def publish(
    release: Annotated[
        str, typer.Argument(parser=local_path, metavar="DIR", help="Folder of `fcaps release build`, finished.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="hf://datasets/ORG/NAME, or s3://BUCKET/PREFIX of one version.")
    ],
    *,
    public: Annotated[
        bool, typer.Option("--public", help="Everybody may see the repository; private by default.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Do it, or show what would be done.")] = False,
) -> None:
    """Publish a release on the Hub, as one commit with a tag, or in a bucket. Shows first what it would do."""
    from fcaps_pipeline.release.publish import finished, target_of

    place = target_of(target, public=public)
    publication = place.look(finished(release))
    if publication.is_done:
        result.say(f"{publication.release.title} is already published in {publication.where}; nothing to do")
        return
    _print(publication)
    if not yes:
        result.say("nothing was done; give --yes to do it")
        return
    try:
        place.bring(publication, messages.say)
    except KeyboardInterrupt:
        messages.say("interrupted: nobody sees a part of it, and the same command goes on where it stopped")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    at = f", tag {publication.tag}" if publication.tag is not None else ""
    result.say(f"published: {publication.release.title} in {publication.where}{at}")


def _print(publication: "Publication") -> None:
    from rich.table import Table

    table = Table(show_header=False)
    table.add_row("release", publication.release.title)
    table.add_row("goes to", publication.where)
    if publication.creates is not None:
        table.add_row("makes", publication.creates)
    table.add_row("uploads", f"{len(publication.uploads)} files, {publication.num_bytes:,} bytes")
    table.add_row("there already", f"{publication.num_there} files")
    if publication.deletions:
        table.add_row("takes away", f"{len(publication.deletions)} files of the version before")
    if publication.tag is not None:
        table.add_row("tag", publication.tag)
    result.show(table)

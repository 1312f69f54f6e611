"""The whole of a removal from a run: what falls, the change, the search afterwards, and what people must do."""

import hashlib
from collections.abc import Callable
from contextlib import nullcontext

from fcaps_pipeline.release.removal.account import Account
from fcaps_pipeline.release.removal.copies import by_hand
from fcaps_pipeline.release.removal.needles import left_in_run, of_request, of_run, without_shared
from fcaps_pipeline.release.removal.proof import prove
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.release.removal.run import planned_removal, refuse_damaged, remove_from_run
from fcaps_pipeline.release.removal.search import Search
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.run_folder import existing
from fcaps_pipeline.shards.tombstones import read_tombstones
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import Where


def take_back_from_run(
    where: Where,
    request: Request | None,
    *,
    proves: bool = False,
    is_dry: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Account:
    """Takes back from a run, in place.

    Args:
        where: the run.
        request: what is taken back; None goes on with a removal that was killed.
        proves: whether everything that is left is searched; of a dry run, for the values of the request alone.
        is_dry: whether nothing is changed.
        told: about each step.

    Raises:
        UsageError: a value matches nothing, the folder is no run, or another process works in it.
        CorruptRunError: the run cannot be read.
        OutputError: it cannot be written.
    """
    layout = existing(where)
    with nullcontext() if is_dry else held(layout.root, "working in", told) as lease:
        tombstones, found = planned_removal(layout, request)
        account = Account(str(layout.root), found.num_recordings, found.num_segments, dict(found.num_rows))
        needles = [] if request is None else of_request(request)
        before = read_tombstones(layout.tombstones)
        if lease is not None and (found or (before is not None and before.is_unfinished)):
            needles += of_run(layout, found) if proves else []
            refuse_damaged(layout, found)
            former = _sha256(layout)
            removal = remove_from_run(layout, tombstones, found, lease, told)
            needles, account.num_shared = without_shared(needles, left_in_run(layout))
            account.is_changed, account.num_units = True, removal.num_units_rewritten
            account.notes = removal.notes
            account.by_hand = by_hand(layout.root, former, removal.reused_runs)
        if proves:
            account.num_needles = len(needles)
            account.proof = prove(layout.root, Search(needles))
        return account


def _sha256(layout: RunLayout) -> str | None:
    return hashlib.sha256(layout.index.read()).hexdigest() if layout.index.exists() else None

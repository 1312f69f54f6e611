"""What a removal cannot reach: copies, and what was made of them, which people must see to."""

from collections.abc import Sequence

from fcaps_pipeline.storage.path import StorePath


def by_hand(root: StorePath, former_index_sha256: str | None, reused_runs: Sequence[str]) -> list[str]:
    """What is still to be done, one line each.

    Args:
        root: the run or release that something was taken back from.
        former_index_sha256: of its `index.json` or `release.json` before; None where it had none.
        reused_runs: runs whose answers it took over.
    """
    if root.local is None:
        earlier = f"{root}: earlier versions of its objects stay where the bucket keeps versions; expire or delete them"
    else:
        earlier = f"{root}: snapshots and backups of its file system"
    of_index = f" (their release.json names its index as {former_index_sha256})" if former_index_sha256 else ""
    return [
        earlier,
        f"releases built from it{of_index}: `fcaps release remove RELEASE --out NEW` makes one without, publish that",
        "runs that reused it with --reuse, or have it as their source: the same removal there",
        *(
            f"run {one}, whose answers it reused: the same removal there, or --reuse brings them back"
            for one in reused_runs
        ),
        (
            "where it is published on the Hugging Face Hub: its history (squash it), tags and pull requests "
            "(refs/pr/*), and the converted files (refs/convert/parquet), which follow the main branch after a while"
        ),
        "mirrors, caches and downloads of others, exports made with `fcaps export`, and models trained on it",
        "the source itself: tombstones keep it out of this run, the audio is still there",
    ]

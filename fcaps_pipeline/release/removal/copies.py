"""What a removal cannot reach: copies, and what was made of them, which people must see to."""

from collections.abc import Sequence

from fcaps_pipeline.storage.path import StorePath


def by_hand(
    root: StorePath, former_index_sha256: str | None, origins: Sequence[str], *, is_release: bool = False
) -> list[str]:
    """What is still to be done, one line each.

    Args:
        root: the run or release that something was taken back from.
        former_index_sha256: of its `index.json` or `release.json` before; None where it had none.
        origins: runs whose answers a run took over, or that a release was made of.
        is_release: whether it is a release, which stays as it was beside the new one.
    """
    if root.local is None:
        earlier = f"{root}: earlier versions of its objects stay where the bucket keeps versions; expire or delete them"
    else:
        earlier = f"{root}: snapshots and backups of its file system"
    of_index = f" (their release.json names its index as {former_index_sha256})" if former_index_sha256 else ""
    of_origins = "which it was made of" if is_release else "whose answers it reused"
    lines = [
        earlier,
        f"releases built from it{of_index}: `fcaps release remove RELEASE --out NEW` makes one without, publish that",
        *(f"{one}, {of_origins}: the same removal there" for one in origins),
        (
            "where it is published on the Hugging Face Hub: its history (squash it), tags and pull requests "
            "(refs/pr/*), and the converted files (refs/convert/parquet), which follow the main branch after a while"
        ),
        "mirrors, caches and downloads of others, exports made with `fcaps export`, and models trained on it",
    ]
    if is_release:
        return [f"{root} itself, which still holds it: delete that version", *lines]
    return [
        *lines,
        "runs that reused it with --reuse, or have it as their source: the same removal there",
        "the source itself: tombstones keep it out of this run, the audio is still there",
    ]

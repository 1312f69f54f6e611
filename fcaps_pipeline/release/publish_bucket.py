"""A release as a folder of a bucket: its files first, `release.json` last, put if absent."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from fcaps_pipeline.errors import OutputError, UsageError
from fcaps_pipeline.release.layout import ReleaseFile
from fcaps_pipeline.release.publish import Finished, Publication, Say
from fcaps_pipeline.storage.path import StorePath, check_reachable, store_path

_BLOCK_BYTES = 8 * 2**20
_THREADS = 4


def bucket_target(where: str) -> "BucketTarget":
    """The folder of an address.

    Raises:
        UsageError: nothing can be stored there.
        StorageError: there is no such bucket, it may not be seen, or it does not answer.
    """
    check_reachable(where)
    return BucketTarget(store_path(where))


class BucketTarget:
    """A folder, which nobody else may publish to meanwhile; see `Target`."""

    def __init__(self, root: StorePath) -> None:
        """Takes the folder, one for each version."""
        self._root = root

    def look(self, release: Finished) -> Publication:
        """See `Target`; files of an interrupted upload are read, since a bucket tells no sha256."""
        record, files = self._root / release.own.path, (*release.files, release.own)
        if record.exists():
            release.check_same(record.read(), str(self._root))
            return Publication(release, str(self._root), (), len(files), is_done=True)
        sizes = self._root.sizes()
        stranger = next((name for name in sorted(sizes) if name not in {one.path for one in files}), None)
        if stranger is not None:
            raise UsageError(
                f"{self._root} is neither empty nor this release (it holds {stranger}); give another folder"
            )
        alike = [one for one in release.files if sizes.get(one.path) == one.num_bytes]
        with ThreadPoolExecutor(_THREADS) as pool:
            there = {one.path for one, is_same in zip(alike, pool.map(self._is_same, alike), strict=True) if is_same}
        missing = tuple(one for one in files if one.path not in there)
        return Publication(release, str(self._root), missing, len(there))

    def bring(self, publication: Publication, say: Say) -> None:
        """See `Target`."""
        release = publication.release
        content = [one for one in publication.uploads if one != release.own]
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                for number, _ in enumerate(pool.map(lambda one: self._put(release, one), content), start=1):
                    say(f"{number} of {len(content)} files are sent")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        sizes = self._root.sizes()
        lost = next((one.path for one in release.files if sizes.get(one.path) != one.num_bytes), None)
        if lost is not None:
            raise OutputError(f"{self._root}/{lost} is not what was sent; run the same command again")
        record = self._root / release.own.path
        if not record.put_if_absent(release.content):
            release.check_same(record.read(), str(self._root))

    def _put(self, release: Finished, file: ReleaseFile) -> None:
        path = self._root / file.path
        path.store.put(path.key, _blocks(release.path(file)))

    def _is_same(self, file: ReleaseFile) -> bool:
        digest = hashlib.sha256()
        for block in _blocks(self._root / file.path):
            digest.update(block)
        return digest.hexdigest() == file.sha256


def _blocks(path: StorePath) -> Iterator[bytes]:
    with path.open() as file:
        while block := file.read(_BLOCK_BYTES):
            yield block

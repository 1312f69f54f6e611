"""A process that reads mutated files one after the other: what would take a segmenter down takes it down.

Enters, on stdin: lines of `path seed index`. Leaves, on stdout: a line per file, `read`, `refused` or the name of an
error that nobody foresaw, and the seconds that it took. Memory is limited by the system, time by whoever waits.
"""

import resource
import sys
import time
from pathlib import Path
from random import Random

from fcaps_pipeline.audio.probe import probe_duration_s
from fcaps_pipeline.audio.stream import AudioStream
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.lab.bench.readers.mutations import mutate


def main() -> None:
    """Says that it is ready, then works until stdin ends."""
    folder, max_bytes = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        path, seed, index = line.split()
        whole = Path(path)
        damaged = folder / f"damaged{whole.suffix}"
        damaged.write_bytes(mutate(whole.read_bytes(), Random(f"{seed} {whole.name} {index}")))
        begun_s = time.monotonic()
        outcome = _read(damaged)
        sys.stdout.write(f"{outcome} {time.monotonic() - begun_s:.6f}\n")
        sys.stdout.flush()


def _read(path: Path) -> str:
    try:
        probe_duration_s(str(path))
        with AudioStream(str(path), "each") as stream:
            for _ in stream.blocks():
                pass
    except RecordingError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - to find these is what it is for
        return type(error).__name__
    return "read"


if __name__ == "__main__":
    main()

"""The log of a run: `log.jsonl`, and the same figures for TensorBoard where it is installed.

Enters: figures of steps and measurements, bad rows. Leaves: one JSON object per line, flushed at
once. A resumed run drops the lines after its checkpoint: the steps they tell of are taken again.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fcaps_pipeline.learn.data.batches import BadRow
from fcaps_pipeline.storage.files import write_durably, writing

Entry = dict[str, Any]


class MetricsLog:
    """Open while a run goes on."""

    def __init__(self, path: Path, tensorboard: Path, *, step: int) -> None:
        """Keeps the lines up to a step.

        Args:
            path: `log.jsonl`.
            tensorboard: folder of event files.
            step: steps that the checkpoint has taken; 0 for a new run.
        """
        self._path = path
        with writing(path):
            kept = [json.dumps(entry) + "\n" for entry in read_log(path) if entry["step"] <= step]
            write_durably(path, "".join(kept))
            self._file = path.open("a", encoding="utf-8")
        self._board = _open_board(tensorboard, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def figures(self, event: str, step: int, values: Mapping[str, float]) -> None:
        """Logs figures of a step or of a measurement."""
        self._write({"event": event, "step": step, **values})
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{event}/{name}", value, step)

    def bad_row(self, step: int, split: str, row: BadRow) -> None:
        """Names a row that could not be used."""
        self._write({"event": "bad_row", "step": step, "split": split, **row.model_dump(mode="json")})

    def changes(self, step: int, changes: Sequence[str]) -> None:
        """Tells what of the job is another from this step on."""
        self._write({"event": "changed", "step": step, "changes": list(changes)})

    def _write(self, entry: Entry) -> None:
        with writing(self._path):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()


def read_log(path: Path) -> list[Entry]:
    """All whole lines; a line that a kill cut off is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step or None)

"""Checkpoints that exist whole or not at all, and go on exactly where they were made.

Enters: model, optimizer, averages and the state of the run. Leaves: `step-00000500/` with

model/                 what is evaluated and released: the averages where there are any, else the weights; beside
                       them what the model was trained on
weights/               the weights themselves, beside averages
optimizer.safetensors  the moments of AdamW
ema.safetensors        the averages with their count
state.json             written last into the folder: step, place in the data, best step, counts

A checkpoint is written into a hidden folder, synced, and renamed; whatever kills the process, the
newest `step-` folder is whole. Older ones go only after the links `last` and `best` have left them.
Random states are not in a checkpoint: each step seeds its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fcaps_pipeline.errors import CorruptRunError, OutputError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.storage import read_weights, write_weights
from fcaps_pipeline.learn.training.ema import Ema
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import sync_folder, usual_rights, writing

MODEL = "model"
_WEIGHTS = "weights"
_OPTIMIZER = "optimizer.safetensors"
_EMA = "ema.safetensors"
_STATE = "state.json"
_PREFIX = "step-"
_HIDDEN = ".writing-"


class Best(Record):
    """The step whose checkpoint dev likes most."""

    step: int
    value: float


class TrainState(Record):
    """Where a run is, besides its weights."""

    step: int = 0
    """Steps taken."""
    position: Position = Position()
    """Next batch."""
    best: Best | None = None
    num_bad_rows: int = 0
    """Times that a bad row stood in a batch, all epochs together; the log names them."""
    num_truncated: int = 0
    """Captions that were cut to the length of the text tower."""
    num_substituted: int = 0
    """Rows that lacked the captions a batch asked for and brought others."""
    num_rows: int = 0
    """Rows trained on, all epochs together."""
    step_s: float = 0.0
    """Time of all steps, waiting included."""
    wait_s: float = 0.0
    """Of that, waiting for data."""
    text_s: float = 0.0
    """Of that, drawing, tokenizing and comparing texts, in which towers wait as well."""


@dataclass(frozen=True)
class Learner:
    """What learns."""

    model: DualEncoder
    optimizer: torch.optim.Optimizer
    ema: Ema | None


class Checkpoints:
    """The checkpoints of one run folder, and its links to two of them."""

    def __init__(self, folder: Path, *, keep: int, last_link: Path, best_link: Path) -> None:
        """Says where they are.

        Args:
            folder: of the checkpoints.
            keep: how many of the newest are kept beside the best.
            last_link: points to the model folder of the newest.
            best_link: points to that of the best.
        """
        self._folder = folder
        self._keep = keep
        self._last_link, self._best_link = last_link, best_link

    def last(self) -> Path | None:
        """The newest checkpoint; None before the first."""
        found = sorted(self._folder.glob(f"{_PREFIX}*"))
        return found[-1] if found else None

    def at(self, step: int) -> Path:
        """Folder of the checkpoint after so many steps."""
        return self._folder / f"{_PREFIX}{step:08d}"

    def save(self, learner: Learner, state: TrainState, training_hashes: TrainingHashes) -> Path:
        """Writes a checkpoint, links to it, and removes those that need not be kept.

        Raises:
            OutputError: it cannot be written; those before are as they were.
        """
        final = self.at(state.step)
        temporary = self._folder / f"{_HIDDEN}{final.name}"
        with _writing(final):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _write(temporary, learner, state)
            training_hashes.save(temporary / MODEL)
            _sync_tree(temporary)
            temporary.rename(final)
            sync_folder(self._folder)
        self.update_links(state)
        return final

    def update_links(self, state: TrainState) -> None:
        """Links to the newest and the best checkpoint, and removes what a kill left of others or need not be kept.

        Args:
            state: of the newest checkpoint, or of a new run.

        Raises:
            OutputError: the folder cannot be written.
        """
        if state.step:
            link_to(self._last_link, self.at(state.step) / MODEL)
        if state.best is not None:
            link_to(self._best_link, self.at(state.best.step) / MODEL)
        with _writing(self._folder):
            self._prune(state)

    def _prune(self, state: TrainState) -> None:
        kept = {self.at(state.best.step)} if state.best else set()
        for path in sorted(self._folder.glob(f"{_PREFIX}*"))[: -self._keep]:
            if path not in kept:
                # Under its own name a half-removed checkpoint would look whole.
                path.rename(path.with_name(f"{_HIDDEN}{path.name}"))
        for path in self._folder.glob(f"{_HIDDEN}*"):
            shutil.rmtree(path)


def read_state(checkpoint: Path) -> TrainState:
    """Where the run was.

    Raises:
        CorruptRunError: the file is missing or unreadable.
    """
    path = checkpoint / _STATE
    try:
        return TrainState.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CorruptRunError(
            f"{path} cannot be read ({type(error).__name__}); remove {checkpoint} to go on from the checkpoint before"
        ) from error


def restore(checkpoint: Path, learner: Learner) -> None:
    """Loads weights, moments and averages into a learner whose model came from `MODEL`.

    Raises:
        CorruptRunError: a file is missing or broken.
        ModelError: the weights are those of another model.
    """
    if learner.ema is not None:
        read_weights(checkpoint / _WEIGHTS, learner.model)
        learner.ema.load_state_dict(_read(checkpoint / _EMA))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _read(checkpoint / _OPTIMIZER).items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    groups = learner.optimizer.state_dict()["param_groups"]
    learner.optimizer.load_state_dict({"state": state, "param_groups": groups})


def link_to(link: Path, target: Path) -> None:
    """Makes a relative link to a folder, replacing an older one in one step."""
    with writing(link):
        temporary = link.with_name(f".{link.name}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(target, link.parent))
        temporary.replace(link)


def _write(folder: Path, learner: Learner, state: TrainState) -> None:
    if learner.ema is None:
        learner.model.save_pretrained(folder / MODEL)
    else:
        with learner.ema.swapped(learner.model):
            learner.model.save_pretrained(folder / MODEL)
        (folder / _WEIGHTS).mkdir()
        write_weights(folder / _WEIGHTS, learner.model)
        with usual_rights(folder / _EMA):
            save_file(learner.ema.state_dict(), folder / _EMA)
    moments = learner.optimizer.state_dict()["state"]
    tensors = {f"{index}.{key}": value.contiguous() for index, one in moments.items() for key, value in one.items()}
    with usual_rights(folder / _OPTIMIZER):
        save_file(tensors, folder / _OPTIMIZER)
    (folder / _STATE).write_text(state.model_dump_json(indent=1), encoding="utf-8")


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    except (OSError, SafetensorError) as error:
        raise CorruptRunError(
            f"{path} cannot be read ({error}); remove {path.parent} to go on from the checkpoint before"
        ) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        with writing(path):
            yield
    except SafetensorError as error:
        raise OutputError(
            f"cannot write {path}: {error}; make room or access there, then run the same command again to go on"
        ) from error

"""Checkpoints that exist whole or not at all, are written behind the steps, and go on exactly where they were made.

Enters: model, optimizer, averages and the state of the run. Leaves: `step-00000500/` with

model/       what is evaluated and released: the averages where there are any, else the weights; beside
             them what the model was trained on
training/    a distributed checkpoint of torch: the moments of AdamW and, beside averages, the weights themselves
state.json   step, place in the data, best step, counts
SHA256SUMS   of all other files, written last

A checkpoint is copied to the CPU, written behind the next steps into a hidden folder, synced, and renamed; whatever
kills the process, the newest `step-` folder is whole. Older ones go only after the links `last` and `best` have left
them. Random states are not in a checkpoint: each step seeds its own.
"""

import hashlib
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.optim.swa_utils import AveragedModel

from fcaps_pipeline.errors import CorruptRunError, OutputError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.storage import write_weights
from fcaps_pipeline.learn.training.collectives import num_ranks
from fcaps_pipeline.learn.training.sharding import full
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import sync_folder, writing

MODEL = "model"
_TRAINING = "training"
_STATE = "state.json"
_SUMS = "SHA256SUMS"
_PREFIX = "step-"
_HIDDEN = ".writing-"
_ALL = "all"
"""One name for everything in `_TRAINING`, because torch takes notes of each."""
_NUM_AVERAGED = "num_averaged"


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
    ema: AveragedModel | None

    @property
    def released(self) -> DualEncoder:
        """What is evaluated and released."""
        if self.ema is None:
            return self.model
        averages = self.ema.module
        assert isinstance(averages, DualEncoder)
        return averages


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
        self._is_main = num_ranks() == 1 or distributed.get_rank() == 0
        # Of its own, because it talks while the steps do.
        self._group = distributed.new_group(backend="gloo") if num_ranks() > 1 else None
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._open: Future[Any] | None = None

    def last(self) -> Path | None:
        """The newest checkpoint; None before the first."""
        found = sorted(self._folder.glob(f"{_PREFIX}*"))
        return found[-1] if found else None

    def at(self, step: int) -> Path:
        """Folder of the checkpoint after so many steps."""
        return self._folder / f"{_PREFIX}{step:08d}"

    def save(self, learner: Learner, state: TrainState, training_hashes: TrainingHashes) -> None:
        """Begins a checkpoint of this moment, after which `update_links` is done. All ranks call it together.

        Raises:
            OutputError: this one or the one before cannot be written; those before are as they were.
        """
        self.finish()
        final = self.at(state.step)
        temporary = self._folder / f"{_HIDDEN}{final.name}"
        with _writing(final):
            if self._is_main:
                _begin(temporary, learner.released, state, training_hashes)
            if self._group is not None:
                distributed.barrier(self._group)
            _pass_over_single_ranks()
            staged = async_save(
                {_ALL: _staged(learner)},
                storage_writer=FileSystemWriter(temporary / _TRAINING),
                process_group=self._group,
                no_dist=self._group is None,
            )
            assert isinstance(staged, Future)
            weights = _weights(learner.released)
        self._open = staged
        if self._is_main:
            self._open = self._writer.submit(self._complete, staged, weights, temporary, state)

    def poll(self) -> None:
        """Tells what became of a checkpoint that is no longer being written.

        Raises:
            OutputError: it could not be written; those before are as they were.
        """
        if self._open is not None and self._open.done():
            self.finish()

    def finish(self) -> None:
        """Waits for the checkpoint that is being written, if any.

        Raises:
            OutputError: it cannot be written; those before are as they were.
        """
        begun, self._open = self._open, None
        if begun is not None:
            with _writing(self._folder):
                begun.result()

    def _complete(self, staged: "Future[Any]", weights: dict[str, Tensor], temporary: Path, state: TrainState) -> None:
        final = self.at(state.step)
        try:
            with _writing(final):
                staged.result()
                write_weights(temporary / MODEL, weights)
                _sum_up(temporary)
                _sync_tree(temporary)
                temporary.rename(final)
                sync_folder(self._folder)
        except OutputError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self.update_links(state)

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


def require_sound(checkpoint: Path) -> None:
    """Compares every file of a checkpoint with its checksum.

    Raises:
        CorruptRunError: one is missing or was changed.
    """
    try:
        listed = (checkpoint / _SUMS).read_text(encoding="utf-8").splitlines()
        differing = [
            name for sha256, name in (line.split("  ", 1) for line in listed) if _sha256(checkpoint / name) != sha256
        ]
    except (OSError, ValueError) as error:
        raise CorruptRunError(
            f"{checkpoint} is not whole ({error}); remove it to go on from the checkpoint before"
        ) from error
    if differing:
        raise CorruptRunError(
            f"{checkpoint / differing[0]} is not what was written, by its checksum; remove {checkpoint} to go on from "
            "the checkpoint before"
        )


def restore(checkpoint: Path, learner: Learner) -> None:
    """Loads weights and moments into a learner whose model and averages came from `MODEL`; all ranks together.

    Raises:
        CorruptRunError: the checkpoint is broken, or that of another model.
    """
    reader = FileSystemReader(checkpoint / _TRAINING)
    try:
        stored = reader.read_metadata().state_dict_metadata
        moments = _empty_moments(stored, dict(learner.model.named_parameters()))
        kept = _kept(learner)
        _pass_over_single_ranks()
        content = {_ALL: {**kept, **_flat(moments)}}
        load(content, storage_reader=reader, no_dist=num_ranks() == 1)
    except (OSError, RuntimeError, KeyError, ValueError, CheckpointException) as error:
        raise CorruptRunError(
            f"{checkpoint / _TRAINING} cannot be read ({_cause(error)}); remove {checkpoint} to go on from the "
            "checkpoint before"
        ) from error
    weights = dict(learner.model.named_parameters())
    for name, one in moments.items():
        learner.optimizer.state[weights[name]] = one


def link_to(link: Path, target: Path) -> None:
    """Makes a relative link to a folder, replacing an older one in one step."""
    with writing(link):
        temporary = link.with_name(f".{link.name}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(target, link.parent))
        temporary.replace(link)


def _pass_over_single_ranks() -> None:
    """That a single process saves for itself is meant, and not worth a word on the terminal."""
    warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)


def _begin(folder: Path, released: DualEncoder, state: TrainState, training_hashes: TrainingHashes) -> None:
    """All but the large files: these are written later."""
    shutil.rmtree(folder, ignore_errors=True)
    released.save_configuration(folder / MODEL)
    training_hashes.save(folder / MODEL)
    (folder / _STATE).write_text(state.model_dump_json(indent=1), encoding="utf-8")


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Whole copies on the CPU; weights that are one and the same come once."""
    named = model.state_dict()
    once = {name for name, _ in (*model.named_parameters(), *model.named_buffers())} & named.keys()
    return {name: full(named[name]).detach().to("cpu", copy=True).contiguous() for name in named if name in once}


def _staged(learner: Learner) -> dict[str, Tensor]:
    """What `_TRAINING` holds; torch copies it to the CPU before the next step."""
    names: dict[Tensor, str] = {weight: name for name, weight in learner.model.named_parameters()}
    moments = {names[weight]: one for weight, one in learner.optimizer.state.items()}
    return {name: value.detach() for name, value in {**_kept(learner), **_flat(moments)}.items()}


def _kept(learner: Learner) -> dict[str, Tensor]:
    """What stands beside averages."""
    if learner.ema is None:
        return {}
    weights = {f"weight/{name}": value for name, value in learner.model.state_dict().items()}
    return {**weights, _NUM_AVERAGED: learner.ema.n_averaged}


def _flat(moments: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"moment/{name}/{key}": value for name, one in moments.items() for key, value in one.items()}


def _empty_moments(stored: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Room for the moments that are stored: weights that never learnt have none."""
    moments: dict[str, dict[str, Tensor]] = {}
    for path in stored:
        kind, _, rest = path.removeprefix(f"{_ALL}.").partition("/")
        name, _, key = rest.rpartition("/")
        if kind == "moment":
            weight = weights[name].detach()
            empty = torch.zeros((), device=weight.device) if key == "step" else torch.zeros_like(weight)
            moments.setdefault(name, {})[key] = empty
    return moments


def _sum_up(folder: Path) -> None:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{_sha256(folder / name)}  {name}\n" for name in names]
    (folder / _SUMS).write_text("".join(lines), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        with writing(path):
            yield
    except (SafetensorError, RuntimeError, CheckpointException) as error:
        raise OutputError(
            f"cannot write {path}: {_cause(error)}; make room or access there, then run the same command again to go on"
        ) from error


def _cause(error: BaseException) -> BaseException:
    """What happened, where torch wraps it with the traceback of the rank it happened on."""
    if isinstance(error, CheckpointException) and error.failures:
        return next(iter(error.failures.values()))[0]
    return error

"""What a model was trained on, kept in its folder, so that no later stage and no evaluation measures it there.

Enters: the train split of each stage. Leaves: `training_hashes.safetensors` in the model folder, with three
sorted lists of 64-bit hashes: speakers, Recordings and audio, 8 bytes each. What pretrained towers
were trained on is not known here.

Shape suffix: K distinct values.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.row_store import NO_SPEAKER
from fcaps_pipeline.learn.data.splits import shown
from fcaps_pipeline.storage.files import usual_rights

_FILE = "training_hashes.safetensors"
_WHOLE = "whole"
_WHAT = ("speaker", "recording", "audio")

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class TrainingHashes:
    """Everything that the weights have learnt from, over all stages."""

    speaker_K: _Hashes
    recording_K: _Hashes
    audio_K: _Hashes
    whole: bool = field(default=True, kw_only=True)
    """False where a stage started from a folder without this record."""

    @classmethod
    def of(cls, train: Catalogue) -> "TrainingHashes":
        """What one stage learns from."""
        return cls(*(_distinct(key_N) for key_N in (train.speaker_N, train.recording_N, train.audio_N)))

    def after(self, earlier: "TrainingHashes | None") -> "TrainingHashes":
        """This stage and those before it; None where these are not known."""
        if earlier is None:
            return TrainingHashes(self.speaker_K, self.recording_K, self.audio_K, whole=False)
        pairs = zip(self._columns(), earlier._columns(), strict=True)
        return TrainingHashes(*(np.union1d(own_K, other_K) for own_K, other_K in pairs), whole=earlier.whole)

    def refuse(self, name: str, split: Catalogue, model: str, allow_shared: Collection[str] = ()) -> None:
        """Makes sure that rows are new to the model.

        Args:
            name: of the rows, for the message.
            split: rows to be measured.
            model: for the message.
            allow_shared: what they may have in common with what it was trained on.

        Raises:
            UsageError: one of them has a speaker, a Recording or audio that the model was trained on.
        """
        for what, key_K in zip(_WHAT, self._columns(), strict=True):
            if what in allow_shared:
                continue
            key_N = getattr(split, f"{what}_N")
            shared_N = np.isin(key_N, key_K)
            if not shared_N.any():
                continue
            names = split.names(int(np.argmax(shared_N)))
            raise UsageError(
                f"{shown(what, names)} stands in {name} (Segment {names.segment_id} in {names.shard}) and {model} "
                f"was trained on it, as on {len(np.unique(key_N[shared_N])) - 1} more; results on {name} would "
                "flatter: keep the splits of the job that trained it, or give rows that are new to it"
            )

    def save(self, folder: Path) -> None:
        """Writes the record into a model folder."""
        tensors = dict(zip(_WHAT, self._columns(), strict=True))
        with usual_rights(folder / _FILE):
            save_file(tensors, folder / _FILE, metadata={_WHOLE: "yes" if self.whole else "no"})

    def _columns(self) -> tuple[_Hashes, _Hashes, _Hashes]:
        return self.speaker_K, self.recording_K, self.audio_K


def read_training_hashes(folder: Path) -> TrainingHashes | None:
    """The record of a model folder; None where there is none.

    Raises:
        ModelError: the file is broken.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="np") as stored:
            columns = [stored.get_tensor(what) for what in _WHAT]
            return TrainingHashes(*columns, whole=(stored.metadata() or {}).get(_WHOLE) == "yes")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read ({error}); copy the model folder again") from error


def _distinct(key_N: _Hashes) -> _Hashes:
    return np.setdiff1d(key_N, np.array([NO_SPEAKER]))

"""Audio of unequal length as one padded batch, and the checks every batch passes before a tower.

Enters: float32 mono arrays at 16 kHz. Leaves: `audio_BT`, zero after each clip's end, and its
`lengths_B` in samples.

Shape suffixes: B clips, T samples, F frames.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.errors import RecordingError, UsageError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


def collate_audio(clips: Sequence[npt.NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pads mono clips at 16 kHz with zeros to the longest.

    Returns:
        `audio_BT` in float32 and `lengths_B` in samples, both on the CPU.

    Raises:
        UsageError: no clip, or one that is not a float32 vector.
        RecordingError: a clip is empty or holds NaN or infinity.
    """
    if not clips:
        raise UsageError("no audio to embed: expected at least one clip")
    for row, clip_T in enumerate(clips):
        if clip_T.ndim != 1 or clip_T.dtype != np.float32:
            raise UsageError(
                f"clip {row} is {clip_T.dtype} of shape {clip_T.shape}; expected mono float32 of shape (samples,)"
            )
        if not len(clip_T):
            raise RecordingError(f"clip {row} is empty; leave it out")
        if not np.isfinite(clip_T).all():
            raise RecordingError(_non_finite(row))
    audio_BT = torch.zeros(len(clips), max(map(len, clips)))
    for row, clip_T in enumerate(clips):
        audio_BT[row, : len(clip_T)] = torch.from_numpy(clip_T)
    return audio_BT, torch.tensor([len(clip_T) for clip_T in clips])


def check_audio(
    audio_BT: torch.Tensor, lengths_B: torch.Tensor, *, min_samples: int, max_samples: int | None
) -> torch.Tensor:
    """Returns the batch with zeros after each clip's end, whatever stood there.

    Args:
        audio_BT: float32 at 16 kHz.
        lengths_B: samples per clip.
        min_samples: shortest clip from which the tower makes a frame.
        max_samples: longest clip the tower takes; None is any.

    Raises:
        UsageError: the shapes or types do not belong together.
        RecordingError: a clip is too short or too long for the tower, or not finite.
    """
    if audio_BT.ndim != 2 or audio_BT.dtype != torch.float32 or lengths_B.shape != audio_BT.shape[:1]:
        raise UsageError(
            f"audio is {audio_BT.dtype} of shape {tuple(audio_BT.shape)} with lengths {tuple(lengths_B.shape)}; "
            "expected float32 (B, T) and (B,), as collate_audio gives them"
        )
    for row, length in enumerate(lengths_B.tolist()):
        if length > audio_BT.shape[1]:
            raise UsageError(f"clip {row} has length {length}, but the batch holds {audio_BT.shape[1]} samples")
        if length < min_samples:
            raise RecordingError(
                f"clip {row} has {length} samples, shorter than one frame of the speech tower "
                f"({min_samples} samples at 16 kHz); leave it out"
            )
        if max_samples is not None and length > max_samples:
            raise RecordingError(
                f"clip {row} lasts {length / SAMPLE_RATE_HZ:.2f} s; the speech tower takes "
                f"{max_samples / SAMPLE_RATE_HZ:.2f} s at most: crop it"
            )
    clean_BT = audio_BT.masked_fill(~valid_mask(lengths_B, audio_BT.shape[1]), 0.0)
    finite_B = torch.isfinite(clean_BT).all(dim=1)
    if not finite_B.all():
        raise RecordingError(_non_finite(int(finite_B.int().argmin())))
    return clean_BT


def valid_mask(lengths_B: torch.Tensor, size: int) -> torch.Tensor:
    """True for the first `lengths_B` of `size` positions, `(B, size)`."""
    return torch.arange(size, device=lengths_B.device) < lengths_B[:, None]


def _non_finite(row: int) -> str:
    return f"clip {row} holds NaN or infinity; decode the recording anew or leave it out"

"""Embeddings as they enter a measurement: torch or numpy rows in, checked unit rows out."""

import numpy as np
import numpy.typing as npt
import torch

from fcaps_pipeline.errors import UsageError

Embeddings = torch.Tensor | npt.NDArray[np.float32]


def unit_rows(embeddings_ND: Embeddings, what: str) -> torch.Tensor:
    """Rows of length 1, float32, so that products are cosines.

    Args:
        embeddings_ND: one row per item, on any device.
        what: the kind of item, for the error message.

    Raises:
        UsageError: no rows, or a row that is zero or not finite.
    """
    rows_ND: torch.Tensor = torch.as_tensor(embeddings_ND).detach().to(torch.float32)
    if rows_ND.ndim != 2 or 0 in rows_ND.shape:
        raise UsageError(f"{what} embeddings have shape {tuple(rows_ND.shape)}; expected one row per {what}")
    lengths_N = rows_ND.norm(dim=1)
    bad_N = ~torch.isfinite(lengths_N) | (lengths_N == 0)
    if bad_N.any():
        raise UsageError(
            f"the embedding of {what} {int(bad_N.nonzero()[0])} is zero or not finite, with {int(bad_N.sum())} of "
            f"{len(rows_ND)} such rows; look at the loss of the model's training"
        )
    return torch.div(rows_ND, lengths_N[:, None])

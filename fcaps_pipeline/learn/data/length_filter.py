"""Takes rows out of a batch that the towers or the job cannot use, as bad rows with their reason.

Shape suffixes: B rows of the batch, T samples at 16 kHz.
"""

from dataclasses import replace

from fcaps_pipeline.learn.data.batches import BadRow, TrainingBatch, TrainingRow
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


def drop_unusable(batch: TrainingBatch, tower: SpeechTower, catalogue: Catalogue) -> TrainingBatch:
    """The batch without rows that are too short or too long for the tower, or have no caption at all.

    It is as long as its longest row: a tower of fixed length takes no padding beyond that length.

    Args:
        batch: any batch.
        tower: knows the lengths it takes.
        catalogue: what the batch was read from, for where the rows stand.
    """
    reasons = [_reason(row, length, tower) for row, length in zip(batch.rows, batch.lengths_B.tolist(), strict=True)]
    kept = [index for index, reason in enumerate(reasons) if reason is None]
    if len(kept) == len(batch.rows):
        return batch
    bad_rows = [
        BadRow(segment_id=row.segment_id, shard=catalogue.names(row.row).shard, reason=reason)
        for row, reason in zip(batch.rows, reasons, strict=True)
        if reason is not None
    ]
    lengths_B = batch.lengths_B[kept]
    return replace(
        batch,
        audio_BT=batch.audio_BT[kept, : int(lengths_B.max()) if kept else 0],
        lengths_B=lengths_B,
        rows=tuple(batch.rows[index] for index in kept),
        bad_rows=(*batch.bad_rows, *bad_rows),
    )


def _reason(row: TrainingRow, num_samples: int, tower: SpeechTower) -> str | None:
    if not row.global_captions and not row.fine_captions:
        return "has no caption"
    if num_samples < tower.min_samples:
        return f"lasts {num_samples} samples, the speech tower takes {tower.min_samples} at least"
    if tower.max_samples is not None and num_samples > tower.max_samples:
        return (
            f"lasts {num_samples / SAMPLE_RATE_HZ:.2f} s, the speech tower takes "
            f"{tower.max_samples / SAMPLE_RATE_HZ:.2f} s at most"
        )
    return None

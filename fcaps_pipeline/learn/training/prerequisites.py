"""Refuses, before any step, a job whose rows lack what it learns from.

Enters: a job, its train split, the rows that dev is measured with. Leaves nothing: what is wrong is an
error of one line. Reads captions and events alone, and stops at the first row group that has them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.attributes.flipping import flip_attribute
from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.objective_config import OneEach
from fcaps_pipeline.learn.training.row_sampling import sample_captions
from fcaps_pipeline.records.captions import Granularity

_NUM_FLIP_TEXTS = 1000


def require_learnable(job: TrainJob, train: Catalogue, dev: Catalogue) -> None:
    """Looks for captions, events and captions that can be changed, as far as the job needs them.

    Args:
        job: says what is learnt.
        train: rows to train on.
        dev: rows to embed.

    Raises:
        JobError: no row of train has all captions that a row must bring, dev lacks a granularity, or nothing can be
            learnt from events or changed captions.
        CorruptRunError: a row group cannot be read.
    """
    _require_train_captions(job, train)
    for granularity in job.dev_granularities:
        if not any(_has_items(table, [_column(granularity)]) for table in _tables(dev, [_column(granularity)])):
            raise JobError(
                f"split dev has no {granularity} caption in the {len(dev)} rows that are measured, so nothing can be "
                "chosen by it; name other granularities in captions, or give another dev run"
            )
    if job.objectives.frames and not any(_has_items(table, ["events"]) for table in _tables(train, ["events"])):
        raise JobError(
            f"objectives.frames learns from timed events, and none of {len(train)} rows of the train split has any; "
            "give runs whose shards have the column `events`, or leave the objective out"
        )
    if job.objectives.flips:
        _require_flips(job, train)


def _require_train_captions(job: TrainJob, train: Catalogue) -> None:
    """A row must bring each granularity of `one_each`, and any caption for `two_texts`."""
    named = sorted(job.granularities)
    wanted = [[_column(one) for one in named]] if named else [[_column(one)] for one in Granularity]
    columns = [column for together in wanted for column in together]
    if any(_has_items(table, together) for table in _tables(train, columns) for together in wanted):
        return
    shown = " and ".join(f"a {one} caption" for one in named) or "a caption"
    raise JobError(
        f"none of {len(train)} rows of the train split has {shown}, so no row could be used; "
        "name other granularities in captions, or give other runs"
    )


def _require_flips(job: TrainJob, train: Catalogue) -> None:
    """Changes are made to the first caption of a row."""
    captions = job.captions
    first = captions.granularities[:1] if isinstance(captions, OneEach) else tuple(Granularity)
    texts = sample_captions(train, job.seed, first, _NUM_FLIP_TEXTS)[:_NUM_FLIP_TEXTS]
    rng = np.random.default_rng(job.seed)
    if all(flip_attribute(text, rng) is None for text in texts):
        raise JobError(
            f"objectives.flips changes one stated attribute of a caption, and none of {len(texts)} captions of the "
            "train split states one that can be changed; leave the objective out"
        )


def _column(granularity: Granularity) -> str:
    return f"{granularity}_captions"


def _tables(catalogue: Catalogue, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of the catalogue, row group after row group."""
    return catalogue.tables(columns)


def _has_items(table: pa.Table, columns: Sequence[str]) -> bool:
    """Whether a row has an item in each of these columns."""
    if not set(columns) <= set(table.column_names):
        return False
    has = [pc.fill_null(pc.greater(pc.list_value_length(table[column]), 0), fill_value=False) for column in columns]
    return bool(np.logical_and.reduce([one.to_numpy() for one in has]).any())

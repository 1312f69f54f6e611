"""What training needs to know of all rows at once: captions for a tokenizer, tags, and how often each row comes.

Enters: the catalogue of the train split. Leaves: texts, label matrices, or a catalogue with rows of
rare tags repeated. Only light columns are read.

Shape suffixes: R rows of the catalogue, G tags, M rows after repetition.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.data.row_groups import read_row_group
from fcaps_pipeline.learn.training.targets import row_weights
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.schema import Row

_MAX_TOKENIZER_TEXTS = 50_000
_GRANULARITIES = tuple(Granularity)


def sample_captions(
    catalogue: Catalogue,
    seed: int,
    granularities: Sequence[Granularity] = _GRANULARITIES,
    num_texts: int = _MAX_TOKENIZER_TEXTS,
) -> list[str]:
    """Captions from whole row groups in random order, empty ones left out: their rows are bad.

    Args:
        catalogue: rows.
        seed: decides the order.
        granularities: which captions.
        num_texts: where to stop; enough to learn a tokenizer from.

    Raises:
        CorruptRunError: a row group cannot be read.
    """
    starts = catalogue.row_group_starts()
    columns = [f"{granularity}_captions" for granularity in granularities]
    texts: list[str] = []
    for group in np.random.default_rng(seed_sequence(seed, Stream.TOKENIZER_TEXTS)).permutation(len(starts) - 1):
        if len(texts) >= num_texts:
            break
        for row in _rows(catalogue, int(starts[group]), int(starts[group + 1]), columns):
            texts += [text for column in columns for text in row[column] or () if text]
    return texts


def tag_labels(catalogue: Catalogue, tags: Sequence[str]) -> npt.NDArray[np.bool_]:
    """label_RG: which rows have which tags; other tags of the rows do not count.

    Raises:
        CorruptRunError: a row group cannot be read.
    """
    number = {tag: index for index, tag in enumerate(tags)}
    label_RG = np.zeros((len(catalogue), len(tags)), np.bool_)
    starts = catalogue.row_group_starts()
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        for offset, row in enumerate(_rows(catalogue, start, end, ("tags",))):
            label_RG[start + offset, [number[tag] for tag in row["tags"] or () if tag in number]] = True
    return label_RG


def oversample_rare_tags(
    catalogue: Catalogue, label_RG: npt.NDArray[np.bool_], *, max_repeats: int, seed: int
) -> tuple[Catalogue, npt.NDArray[np.int64]]:
    """Rows with rare tags come several times per epoch, in proportion to `row_weights`; every row comes once at least.

    Args:
        catalogue: the train split.
        label_RG: tags of its rows.
        max_repeats: greatest number of times.
        seed: rounds fractional numbers of times up or down.

    Returns:
        The longer catalogue, and the row that each of its rows is, `(M,)`.

    Source: class-balanced sampling as in ParaSpeechCLAP, arXiv 2603.28737, without leaving rows out.
    """
    weight_R = row_weights(label_RG)
    wanted_R = np.minimum(weight_R / weight_R.min(), max_repeats)
    rng = np.random.default_rng(seed_sequence(seed, Stream.REPEATS))
    times_R = np.floor(wanted_R + rng.random(len(wanted_R))).astype(np.int64)
    rows_M = np.repeat(np.arange(len(catalogue)), np.minimum(times_R, max_repeats))
    return catalogue.take(rows_M), rows_M


def evenly_spaced(catalogue: Catalogue, max_rows: int) -> Catalogue:
    """At most so many rows, at equal distances."""
    if len(catalogue) <= max_rows:
        return catalogue
    return catalogue.take(np.arange(max_rows) * len(catalogue) // max_rows)


def _rows(catalogue: Catalogue, start: int, end: int, columns: Sequence[str]) -> Iterator[Row]:
    """Rows of the catalogue that stand in one row group."""
    shard = catalogue.shards[catalogue.shard_N[start]]
    table = read_row_group(shard, int(catalogue.row_group_N[start]), columns)
    yield from table.take(catalogue.row_N[start:end]).to_pylist()

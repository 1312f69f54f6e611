"""What training needs to know of all rows at once: captions for a tokenizer, tags, and how often each row comes.

Enters: the catalogue of the train split. Leaves: texts, label matrices, or a catalogue with rows of
rare tags repeated. Only light columns are read.

Shape suffixes: R rows of the catalogue, G tags, M rows after repetition.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank
from fcaps_pipeline.learn.training.targets import row_weights
from fcaps_pipeline.records.captions import Granularity

_MAX_TOKENIZER_TEXTS = 50_000
_ROWS_AT_ONCE = 1024
_GRANULARITIES = tuple(Granularity)


def sample_captions(
    catalogue: Catalogue,
    seed: int,
    granularities: Sequence[Granularity] = _GRANULARITIES,
    num_texts: int = _MAX_TOKENIZER_TEXTS,
) -> list[str]:
    """Captions of rows in random order, empty ones left out: their rows are bad.

    Args:
        catalogue: rows.
        seed: decides the order.
        granularities: which captions.
        num_texts: where to stop; enough to learn a tokenizer from.

    """
    columns = [f"{granularity}_captions" for granularity in granularities]
    rng = np.random.default_rng(seed_sequence(seed, Stream.TOKENIZER_TEXTS))
    order = rng.permutation(len(catalogue))
    texts: list[str] = []
    for start in range(0, len(order), _ROWS_AT_ONCE):
        if len(texts) >= num_texts:
            break
        for row in catalogue.contents(order[start : start + _ROWS_AT_ONCE], columns):
            texts += [text for column in columns for text in row[column] or () if text]
    return texts


def read_phrases(catalogue: Catalogue) -> PhraseBank:
    """The phrases of the events of all rows.

    Raises:
        CorruptRunError: a row group cannot be read.
    """
    told = (row for table in catalogue.tables(("events",)) for row in table["events"].to_pylist())
    found = {event["phrase"] for events in told for event in events or () if event["phrase"]}
    return PhraseBank(found)


def tag_labels(catalogue: Catalogue, tags: Sequence[str]) -> npt.NDArray[np.bool_]:
    """label_RG: which rows have which tags; other tags of the rows do not count."""
    number = {tag: index for index, tag in enumerate(tags)}
    label_RG = np.zeros((len(catalogue), len(tags)), np.bool_)
    told = (row for table in catalogue.tables(("tags",)) for row in table["tags"].to_pylist())
    for row, found in enumerate(told):
        label_RG[row, [number[tag] for tag in found or () if tag in number]] = True
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

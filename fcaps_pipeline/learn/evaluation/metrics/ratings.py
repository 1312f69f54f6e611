"""Human ratings of how well a caption fits a clip: reading them, and how far the raters agree.

Enters: a CSV file with the columns `clip`, `caption`, `rating` and, optionally, `rater`. Leaves: ratings, their
means per pair of clip and caption, and the raters' agreement with an interval. A higher rating is a better fit.
Suffixes: R raters, P pairs of clip and caption, NaN where a rater did not rate a pair.
"""

import csv
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, Floats, metric_estimates
from fcaps_pipeline.records.base import Record

_REQUIRED = ("clip", "caption", "rating")
_MAX_MISTAKES = 20


class Rating(Record):
    """What one person said of one pair."""

    clip: str
    caption: str
    rating: float
    rater: str | None
    """None where the file has no such column."""


class RatedPair(Record):
    """One caption beside one clip, with the mean of its ratings."""

    clip: str
    caption: str
    rating: float
    num_ratings: int


class Agreement(Record):
    """How far raters agree, which bounds what a model can reach."""

    num_raters: int
    mean_correlation: float | None
    """Mean Pearson correlation over pairs of raters; None where no two share pairs on which both vary."""
    num_correlations: int
    """Pairs of raters in that mean."""
    alpha: Estimate
    """Krippendorff's alpha for interval data; 1 is full agreement, 0 is chance."""


def read_ratings(path: Path) -> tuple[Rating, ...]:
    """Reads a CSV file with a header line.

    Raises:
        SourceError: the file cannot be read, has no ratings, or has bad lines, of which each is named.
    """
    ratings: list[Rating] = []
    mistakes: list[str] = []
    seen: set[tuple[str, str, str]] = set()
    for number, row in _rows(path):
        try:
            rating = _rating(row)
            if rating.rater is not None:
                _check_new((rating.rater, rating.clip, rating.caption), seen)
        except ValueError as error:
            mistakes.append(f"{path}:{number}: {error}")
        else:
            ratings.append(rating)
    if mistakes:
        shown = "; ".join(mistakes[:_MAX_MISTAKES])
        raise SourceError(f"{path}: {len(mistakes)} bad lines, correct or remove them: {shown}")
    if not ratings:
        raise SourceError(f"{path} holds no rating; expected one per line under the header {','.join(_REQUIRED)}")
    return tuple(ratings)


def mean_ratings(ratings: Sequence[Rating]) -> tuple[RatedPair, ...]:
    """Averages over raters; pairs in the order of their first rating."""
    by_pair: dict[tuple[str, str], list[float]] = {}
    for rating in ratings:
        by_pair.setdefault((rating.clip, rating.caption), []).append(rating.rating)
    return tuple(
        RatedPair(clip=clip, caption=caption, rating=float(np.mean(values)), num_ratings=len(values))
        for (clip, caption), values in by_pair.items()
    )


def rater_agreement(ratings: Sequence[Rating], rng: np.random.Generator) -> Agreement | None:
    """How far the raters agree; None without raters' names, with one rater, or where alpha is undefined.

    Args:
        ratings: as read.
        rng: draws pairs of clip and caption for the interval of alpha.
    """
    raters = sorted({rating.rater for rating in ratings if rating.rater is not None})
    if len(raters) < 2:
        return None
    table_RP = _table(ratings, raters)
    if math.isnan(krippendorff_alpha(table_RP)):
        return None
    correlations = [value for pair in combinations(table_RP, 2) if (value := _correlation(*pair)) is not None]
    (alpha,) = metric_estimates(lambda positions: [krippendorff_alpha(table_RP[:, positions])], table_RP.shape[1], rng)
    return Agreement(
        num_raters=len(raters),
        mean_correlation=float(np.mean(correlations)) if correlations else None,
        num_correlations=len(correlations),
        alpha=alpha,
    )


def krippendorff_alpha(table_RP: Floats) -> float:
    """Krippendorff's alpha with the interval metric; NaN where no pair has two ratings, or all are equal.

    With m_u ratings of pair u, n their sum over the pairs with at least two, alpha = 1 - D_o / D_e, where
    D_o = (1/n) sum_u (1/(m_u - 1)) sum_(i != j in u) (v_i - v_j)^2 and
    D_e = (1/(n (n - 1))) sum_(i != j) (v_i - v_j)^2. A sum of squared differences of m values over ordered
    pairs is 2 m times their sum of squares around the mean.

    Args:
        table_RP: one row per rater, NaN where a rating is missing.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    counts_P = np.isfinite(table_RP).sum(axis=0)
    pairable_RP, m_P = table_RP[:, counts_P >= 2], counts_P[counts_P >= 2]
    values = pairable_RP[np.isfinite(pairable_RP)]
    if len(values) == 0 or np.ptp(values) == 0:
        return math.nan
    means_P = np.nansum(pairable_RP, axis=0) / m_P
    within_P = np.nansum((pairable_RP - means_P) ** 2, axis=0)
    observed = float((2 * m_P * within_P / (m_P - 1)).sum()) / len(values)
    expected = 2 * float(((values - values.mean()) ** 2).sum()) / (len(values) - 1)
    return 1 - observed / expected


def _rows(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", strict=True)
            header = list(reader.fieldnames or ())
            if unknown := sorted({*_REQUIRED} ^ {*header} - {"rater"}):
                raise SourceError(
                    f"{path}:1: expected the columns {', '.join(_REQUIRED)} and optionally rater, found "
                    f"{', '.join(header) or 'none'}; look at {', '.join(unknown)}"
                )
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise SourceError(f"ratings {path} do not exist; check the path") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"ratings {path} cannot be read as CSV in UTF-8: {error}") from error


def _rating(row: dict[str, str | None]) -> Rating:
    """Raises ValueError with the mistake."""
    if "" in row or None in row.values():
        raise ValueError("the line has another number of cells than the header")
    cells = {name: (value or "").strip() for name, value in row.items()}
    if empty := [name for name, value in cells.items() if not value]:
        raise ValueError(f"{', '.join(empty)} is empty")
    try:
        rating = float(cells["rating"])
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise ValueError(f"rating must be a number, found {cells['rating']!r}")
    return Rating(clip=cells["clip"], caption=cells["caption"], rating=rating, rater=cells.get("rater"))


def _check_new(key: tuple[str, str, str], seen: set[tuple[str, str, str]]) -> None:
    if key in seen:
        raise ValueError(f"rater {key[0]} rated this caption of clip {key[1]} before")
    seen.add(key)


def _table(ratings: Sequence[Rating], raters: Sequence[str]) -> Floats:
    pairs = {pair: column for column, pair in enumerate(dict.fromkeys((r.clip, r.caption) for r in ratings))}
    rows = {rater: row for row, rater in enumerate(raters)}
    table_RP = np.full((len(rows), len(pairs)), np.nan)
    for rating in ratings:
        if rating.rater is not None:
            table_RP[rows[rating.rater], pairs[rating.clip, rating.caption]] = rating.rating
    return table_RP


def _correlation(first_P: Floats, second_P: Floats) -> float | None:
    both_P = np.isfinite(first_P) & np.isfinite(second_P)
    first, second = first_P[both_P], second_P[both_P]
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])

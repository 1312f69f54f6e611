"""Ratings are read line by line, and agreement equals published worked examples."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.learn.evaluation.metrics.ratings import (
    Rating,
    krippendorff_alpha,
    mean_ratings,
    rater_agreement,
    read_ratings,
)

_GAP = np.nan
_KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _GAP, _GAP, _GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _GAP, 3],
    [_GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _GAP],
]
"""Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, section C; alpha for interval data .849."""


def _slow_alpha(table: np.ndarray) -> float:
    units = [column[np.isfinite(column)] for column in table.T]
    units = [values for values in units if len(values) > 1]
    pooled = np.concatenate(units)
    observed = sum(((v[:, None] - v[None, :]) ** 2).sum() / (len(v) - 1) for v in units) / len(pooled)
    expected = ((pooled[:, None] - pooled[None, :]) ** 2).sum() / (len(pooled) * (len(pooled) - 1))
    return float(1 - observed / expected)


def test_alpha_of_the_published_example() -> None:
    assert krippendorff_alpha(np.array(_KRIPPENDORFF_2011)) == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_full_agreement_and_of_none() -> None:
    assert krippendorff_alpha(np.array([[1.0, 2, 3], [1, 2, 3]])) == 1.0
    assert krippendorff_alpha(np.array([[1.0, 3], [3, 1]])) < 0
    assert np.isnan(krippendorff_alpha(np.array([[1.0, 1], [1, 1]])))
    assert np.isnan(krippendorff_alpha(np.array([[1.0, _GAP], [_GAP, 2]])))


@given(st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.5, 5.0, _GAP]), min_size=4, max_size=4), min_size=2, max_size=9))
def test_alpha_equals_its_definition(columns: list[list[float]]) -> None:
    table = np.array(columns).T
    alpha = krippendorff_alpha(table)
    assert np.isnan(alpha) or alpha == pytest.approx(_slow_alpha(table))


def test_agreement_counts_raters_and_their_pairs() -> None:
    ratings = [
        Rating(clip=f"c{unit}", caption="x", rating=value, rater=f"r{rater}")
        for rater, row in enumerate(_KRIPPENDORFF_2011)
        for unit, value in enumerate(row)
        if np.isfinite(value)
    ]
    agreement = rater_agreement(ratings, np.random.default_rng(0))
    assert agreement is not None
    assert (agreement.num_raters, agreement.num_correlations) == (4, 6)
    assert agreement.alpha.value == pytest.approx(0.849, abs=5e-4)
    assert agreement.alpha.low < 0.849 < agreement.alpha.high
    expected = []
    for first in range(4):
        for second in range(first):
            table = np.array([_KRIPPENDORFF_2011[first], _KRIPPENDORFF_2011[second]])
            expected.append(np.corrcoef(table[:, np.isfinite(table).all(axis=0)])[0, 1])
    assert agreement.mean_correlation == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("raters", [(None, None), ("a", "a"), ("a", "b")])
def test_agreement_that_cannot_be_said_is_none(raters: tuple[str | None, str | None]) -> None:
    ratings = [Rating(clip=f"{n}", caption="x", rating=n, rater=rater) for n, rater in enumerate(raters)]
    assert rater_agreement(ratings, np.random.default_rng(0)) is None


def test_ratings_are_averaged_over_raters(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(
        'clip,caption,rating,rater\na.wav,"Soft, slow.",4,r1\na.wav,"Soft, slow.",1.5,r2\nb.wav,Loud.,3,r1\n'
    )
    ratings = read_ratings(path)
    assert ratings[0] == Rating(clip="a.wav", caption="Soft, slow.", rating=4.0, rater="r1")
    means = mean_ratings(ratings)
    assert [(pair.clip, pair.rating, pair.num_ratings) for pair in means] == [("a.wav", 2.75, 2), ("b.wav", 3.0, 1)]


def test_the_rater_is_optional(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("rating,caption,clip\n4,Soft.,a.wav\n")
    assert read_ratings(path) == (Rating(clip="a.wav", caption="Soft.", rating=4.0, rater=None),)


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(
        "clip,caption,rating,rater\na,x,good,r1\na,x,nan,r1\na,,3,r1\na,x,3\na,x,3,r1,more\nb,x,3,r1\nb,x,4,r1\nc,x,5,\n"
    )
    with pytest.raises(SourceError) as caught:
        read_ratings(path)
    first, _, lines = str(caught.value).partition(" them: ")
    assert first == f"{path}: 7 bad lines, correct or remove"
    assert lines.split("; ") == [
        f"{path}:2: rating must be a number, found 'good'",
        f"{path}:3: rating must be a number, found 'nan'",
        f"{path}:4: caption is empty",
        f"{path}:5: the line has another number of cells than the header",
        f"{path}:6: the line has another number of cells than the header",
        f"{path}:8: rater r1 rated this caption of clip b before",
        f"{path}:9: rater is empty",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"clip,caption,score\na,x,1\n", "expected the columns .* found clip, caption, score; look at rating, score"),
        (b"", "found none"),
        (b"clip,caption,rating\n", "holds no rating"),
        (b"clip,caption,rating\n\xff\xfe,x,1\n", "cannot be read as CSV in UTF-8"),
        (b'clip,caption,rating\na,"x,1\n', "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_table_of_ratings_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_ratings(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="do not exist"):
        read_ratings(tmp_path / "none.csv")

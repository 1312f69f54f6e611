"""Both datasets side by side in figures, from the database of a comparison."""

from typing import TYPE_CHECKING

from fcaps_pipeline.records.captions import Granularity, Profile
from fcaps_pipeline.release.compare.differences import CaptionLengths, Move, Shift, SplitSizes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NUM_VALUES = 10
"""Values listed of an attribute."""


def moves(database: "DuckDBPyConnection") -> tuple[Move, ...]:
    """Rows that went from one split to another, most first."""
    found = database.execute(
        "SELECT split_a, split_b, count(*) FROM pairs WHERE change = 'moved' GROUP BY ALL ORDER BY 3 DESC, 1, 2"
    )
    return tuple(Move(split_a=a, split_b=b, num_rows=number) for a, b, number in found.fetchall())


def split_sizes(database: "DuckDBPyConnection") -> tuple[SplitSizes, ...]:
    """All rows together, then every split."""
    a, b = _sizes(database, "a"), _sizes(database, "b")
    none = (0, 0.0, 0)
    splits = sorted({**a, **b}, key=lambda split: split or "")
    return tuple(
        SplitSizes(split=split, num_rows=num_rows, hours=hours, num_speakers=num_speakers)
        for split in splits
        for num_rows, hours, num_speakers in [zip(a.get(split, none), b.get(split, none), strict=True)]
    )


def _sizes(database: "DuckDBPyConnection", side: str) -> dict[str | None, tuple[int, float, int]]:
    sums = f"count(*), coalesce(sum(duration_s), 0) / 3600, count(DISTINCT speaker) FROM {side}"
    found = database.execute(
        f"SELECT NULL AS split, {sums} UNION ALL SELECT split, {sums} WHERE split IS NOT NULL GROUP BY split"
    )
    return {split: (num_rows, hours, num_speakers) for split, num_rows, hours, num_speakers in found.fetchall()}


def caption_lengths(database: "DuckDBPyConnection") -> tuple[CaptionLengths, ...]:
    """Number and lengths of captions, by granularity."""
    return tuple(_lengths(database, granularity) for granularity in Granularity)


def _lengths(database: "DuckDBPyConnection", granularity: Granularity) -> CaptionLengths:
    a, b = (
        database.execute(
            "SELECT count(*), avg(n), median(n), quantile_cont(n, 0.95) "
            f"FROM (SELECT length(unnest({granularity}_captions)) AS n FROM {side})"
        ).fetchall()[0]
        for side in ("a", "b")
    )
    num_captions, mean, median, p95 = zip(a, b, strict=True)
    return CaptionLengths(granularity=granularity.value, num_captions=num_captions, mean=mean, median=median, p95=p95)


def shifts(database: "DuckDBPyConnection") -> tuple[Shift, ...]:
    """The values of each attribute of the profile whose shares differ most, largest difference first."""
    found = [shift for attribute in Profile.model_fields for shift in _shares(database, attribute)]
    return tuple(sorted(found, key=lambda one: (-abs(one.share_b - one.share_a), one.attribute, one.value or "")))


def _shares(database: "DuckDBPyConnection", attribute: str) -> list[Shift]:
    found = database.execute(
        f"""
        SELECT value, count_if(side = 'a') / nullif(sum(count_if(side = 'a')) OVER (), 0) AS share_a,
            count_if(side = 'b') / nullif(sum(count_if(side = 'b')) OVER (), 0) AS share_b
        FROM (SELECT {attribute} AS value, 'a' AS side FROM a UNION ALL SELECT {attribute}, 'b' FROM b)
        GROUP BY value
        ORDER BY abs(coalesce(share_b, 0) - coalesce(share_a, 0)) DESC, value LIMIT {_NUM_VALUES}
        """
    )
    return [
        Shift(attribute=attribute, value=value, share_a=share_a or 0.0, share_b=share_b or 0.0)
        for value, share_a, share_b in found.fetchall()
    ]

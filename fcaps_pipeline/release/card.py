"""The dataset card: what a release is, how it was made, what it holds, what not to expect, how to load it.

Enters: recipe, record and figures of a release. Leaves: `README.md`, with the front matter that the Hub reads. What
strangers wrote, descriptions, licenses, names, stands there escaped.
"""

from collections.abc import Iterator

from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.card_header import DEFAULT_CONFIG, EXCLUDED, excluded_files, front_matter, schema_of, tables
from fcaps_pipeline.release.card_making import making
from fcaps_pipeline.release.figures import FIGURES
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, SplitSums
from fcaps_pipeline.release.limits import known_limits
from fcaps_pipeline.release.markdown import block, code, escaped, hours, percent, table
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics
from fcaps_pipeline.shards.schema import COLUMNS

_PARAGRAPH = 5_000
_LISTED = 20
_SPREAD_NAMES = ("p5", "p25", "median", "p75", "p95")
_MEASURES = {
    "duration_s": "length, s",
    "f0_median_hz": "median F0, Hz",
    "articulation_syllables_per_s": "syllables per second without pauses",
    "snr_db": "signal to noise, dB",
}
_REASONS = {
    "rejected": "no caption passed the rules when the run was made",
    "failed": "it could not be read or asked about when the run was made",
    "license": "its license is not among those allowed",
    "language": "its language is not among those chosen",
    "attribute": "an attribute of its voice is not among those chosen",
    "caption": "too few of its captions pass the rules of the release",
    "duplicate": "another row has the same samples",
    "decontamination": "it belongs to a benchmark that is held out",
    "override": "a person took its captions out",
}


def card_text(layout: ReleaseLayout, recipe: Recipe, record: ReleaseRecord, statistics: Statistics) -> str:
    """Content of `README.md`.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    sections = (
        _opening(recipe, record, statistics),
        making(recipe, record, statistics),
        _splits(statistics),
        _attributes(statistics),
        _captions(statistics),
        _answers(statistics),
        _sound(statistics),
        _left_out(recipe, record),
        _limits(recipe, statistics),
        _loading(recipe, record),
        _columns(layout, record),
        _licenses(recipe, statistics),
        _citing(recipe),
    )
    lines = [*front_matter(layout, recipe, record, statistics), ""]
    for section in sections:
        lines += [*section, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _opening(recipe: Recipe, record: ReleaseRecord, statistics: Statistics) -> Iterator[str]:
    found = statistics.all
    num_captions = found.num_global_captions + found.num_fine_captions
    yield f"# {escaped(recipe.card.title or recipe.name)}"
    yield ""
    if recipe.card.description:
        yield escaped(recipe.card.description, _PARAGRAPH)
        yield ""
    yield (
        f"Version {record.version}: {found.num_rows} segments of speech, {hours(found.duration_s)}, of "
        f"{found.num_speakers} named speakers in {found.num_recordings} recordings, with {num_captions} captions of "
        f"how they are spoken: {found.num_global_captions} global ones, which describe the voice as a whole, and "
        f"{found.num_fine_captions} fine ones, which tell how the delivery unfolds in time. What changed since earlier "
        "versions stands in [CHANGES.md](CHANGES.md), every figure of this page in "
        "[statistics.json](statistics.json)."
    )
    if recipe.card.homepage:
        yield ""
        yield f"Project: {escaped(recipe.card.homepage)}"


def _splits(statistics: Statistics) -> Iterator[str]:
    yield "## Splits"
    yield ""
    header = ("split", "rows", "hours", "recordings", "speakers", "global captions", "fine captions")
    rows = [_split_cells(name, sums) for name, sums in statistics.splits.items()]
    yield from table(header, [*rows, _split_cells("all", statistics.all)])
    for column, title in (("language", "Languages"), ("corpus", "Corpora")):
        listed = [one for one in statistics.values[column].listed if one.value is not None][:_LISTED]
        if listed:
            yield ""
            named = ", ".join(f"{code(one.value or '')} {one.total}" for one in listed)
            unlisted = statistics.values[column].num_values - len(listed)
            yield f"{title}, in rows: {named}{f', and {unlisted} more' if unlisted > 0 else ''}."
    yield ""
    yield from _figure("durations")


def _split_cells(name: str, sums: SplitSums) -> tuple[str, ...]:
    counts = (sums.num_recordings, sums.num_speakers, sums.num_global_captions, sums.num_fine_captions)
    return (name, str(sums.num_rows), f"{sums.duration_s / 3600:.2f}", *map(str, counts))


def _attributes(statistics: Statistics) -> Iterator[str]:
    yield "## Attributes"
    yield ""
    yield "What most global captions of a row state of its voice, in shares of the rows of each split."
    yield ""
    splits = list(statistics.splits)
    rows = []
    for name in Profile.model_fields:
        for one in statistics.values[name].listed[:_LISTED]:
            shares = [percent(one.num_rows.get(split, 0), statistics.splits[split].num_rows) for split in splits]
            value = "left open" if one.value is None else code(one.value)
            rows.append((name.replace("_", " "), value, *shares, percent(one.total, statistics.all.num_rows)))
    yield from table(("attribute", "value", *splits, "all"), rows)
    yield ""
    yield from _figure("attributes")


def _captions(statistics: Statistics) -> Iterator[str]:
    yield "## Captions"
    yield ""
    rows = []
    for granularity, found in statistics.captions.items():
        for what, spread in (("characters", found.characters), ("words", found.words)):
            if spread is not None:
                quantiles = (f"{getattr(spread, one):.0f}" for one in _SPREAD_NAMES)
                cells = (f"{spread.mean:.1f}", f"{spread.minimum:.0f}", *quantiles, f"{spread.maximum:.0f}")
                rows.append((granularity.value, what, str(found.num_captions), *cells))
    yield from table(("granularity", "length in", "captions", "mean", "least", *_SPREAD_NAMES, "most"), rows)
    yield ""
    per_row = [
        f"{granularity.value}: "
        + ", ".join(f"{count} rows with {number}" for number, count in found.rows_by_number.items())
        for granularity, found in statistics.captions.items()
    ]
    yield f"Captions of a row: {'; '.join(per_row)}."
    yield ""
    yield from _figure("caption_lengths")


def _answers(statistics: Statistics) -> Iterator[str]:
    yield "## Verdicts"
    yield ""
    if not statistics.answers:
        yield "The answers of the model that were not kept are not part of this release."
        return
    yield (
        "Every answer of the model about a row stands in the configuration `candidates` with its verdict. `surplus` "
        "and `duplicate` say that nothing spoke against an answer but others were preferred; an answer may have "
        "several reasons against it."
    )
    yield ""
    rows = []
    for granularity, found in statistics.answers.items():
        whole = found.num_candidates
        rows.append((granularity.value, "kept", str(found.num_kept), percent(found.num_kept, whole)))
        rows += [
            (granularity.value, f"dropped: {code(reason)}", str(count), percent(count, whole))
            for reason, count in found.dropped.items()
        ]
    yield from table(("granularity", "verdict", "answers", "share"), rows)


def _sound(statistics: Statistics) -> Iterator[str]:
    yield "## Sound"
    yield ""
    rows = [
        (title, str(spread.num), *(f"{getattr(spread, one):g}" for one in _SPREAD_NAMES))
        for column, title in _MEASURES.items()
        if (spread := statistics.spreads[column]) is not None
    ]
    yield from table(("measure", "rows", *_SPREAD_NAMES), rows)
    if statistics.warnings:
        yield ""
        named = ", ".join(f"{code(name)} {count}" for name, count in list(statistics.warnings.items())[:_LISTED])
        yield f"Warnings about the sound, in rows: {named}."
    yield ""
    yield from _figure("pitch")


def _left_out(recipe: Recipe, record: ReleaseRecord) -> Iterator[str]:
    yield "## What is not here"
    yield ""
    if record.num_excluded:
        where = " The configuration `excluded` names each." if excluded_files(record) else ""
        yield f"What the runs had and this release has not, by reason.{where}"
        yield ""
        rows = [(code(reason), str(count), _REASONS.get(reason, "")) for reason, count in record.num_excluded.items()]
        yield from table(("reason", "rows", "because"), rows)
    else:
        yield "Every row of the runs is here."
    if recipe.rows.held_out:
        yield ""
        held_out = ", ".join(f"{escaped(one.name)} (by {code(one.by)})" for one in recipe.rows.held_out)
        yield f"Held out: {held_out}."
    if record.removals:
        yield ""
        yield "Taken back, and not to be used by who has an earlier version:"
        yield ""
        removed = [
            (escaped(one.version), code(one.what), str(one.num_rows), escaped(one.reason)) for one in record.removals
        ]
        yield from table(("since version", "by", "rows", "reason"), removed)


def _limits(recipe: Recipe, statistics: Statistics) -> Iterator[str]:
    yield "## Known limits"
    yield ""
    for sentence in known_limits(recipe, statistics):
        yield f"- {escaped(sentence, _PARAGRAPH)}"


def _loading(recipe: Recipe, record: ReleaseRecord) -> Iterator[str]:
    splits = list(dict.fromkeys(shard.split for shard in record.shards))
    first = splits[0] if splits else "train"
    yield "## Loading"
    yield ""
    lines = [
        "from datasets import load_dataset",
        "",
        f'rows = load_dataset("PATH OR NAME OF THIS DATASET", split="{first}", streaming=True)',
        "for row in rows:",
        '    print(row["segment_id"], row["fine_captions"])',
    ]
    if "candidates" in tables(record):
        lines += ["", f'answers = load_dataset("PATH OR NAME OF THIS DATASET", "candidates", split="{first}")']
    yield from block("\n".join(lines), "python")
    yield ""
    names = [DEFAULT_CONFIG if one == "data" else one for one in tables(record)]
    configs = ", ".join(code(name) for name in (*names, *([EXCLUDED] if excluded_files(record) else [])))
    yield (
        f"Configurations: {configs}. Rows of all are joined by `segment_id`. Without `streaming=True` the whole split "
        "is fetched first; `columns=[...]` fetches some columns alone."
    )
    if recipe.audio == "embed":
        yield ""
        yield (
            "`audio` is FLAC, mono, 16 bit, 16 kHz; "
            '`rows.cast_column("audio", datasets.Audio(decode=False))` gives the bytes as they are.'
        )


def _columns(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[str]:
    known: set[str] = set()
    yield "## Columns"
    for name in tables(record):
        present = set(schema_of(layout, record, name).names)
        rows = [(code(one.name), one.meaning) for one in COLUMNS[name] if one.name in present - known]
        known |= {one.name for one in COLUMNS[name]}
        yield ""
        yield f"Of {code(name)}{'' if name == 'data' else ', beside those with the same name above'}:"
        yield ""
        yield from table(("column", "meaning"), rows)


def _licenses(recipe: Recipe, statistics: Statistics) -> Iterator[str]:
    yield "## Licenses"
    yield ""
    stated = recipe.card.license
    yield (
        f"The captions: {escaped(stated)}. The audio has licenses of its own, which go on holding:"
        if stated
        else "No license of the captions was stated; ask the maintainers. The audio has licenses of its own:"
    )
    yield ""
    rows = [
        ("not known" if one.value is None else escaped(one.value), str(one.total))
        for one in statistics.values["license"].listed
    ]
    yield from table(("license of the audio, column `license`", "rows"), rows)


def _citing(recipe: Recipe) -> Iterator[str]:
    yield "## Citing"
    yield ""
    if recipe.card.citation:
        yield from block(recipe.card.citation)
    else:
        yield f"Cite it by name and version: {escaped(recipe.card.title or recipe.name)}, version {recipe.version}."


def _figure(name: str) -> Iterator[str]:
    yield f"![{FIGURES[name]}](figures/{name}.png)"

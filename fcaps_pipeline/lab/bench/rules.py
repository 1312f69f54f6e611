"""What each rule is worth: true statements it drops, false ones it finds.

Enters: synthetic clips of held-out voices, whose truth is known, and the captions written by hand. Leaves: a row per
attribute that evidence judges, and a row per rule with precision and recall. With `calibrate_bounds` the bounds of
evidence are taken anew from other voices.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.annotate.verification.bounds import Attribute, BoundTable, shipped_bounds
from fcaps_pipeline.annotate.verification.evidence import Statement, StatementsOfCaption, read_statements, weigh
from fcaps_pipeline.annotate.verification.rules import RULES
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.bench.calibration import calibrate, true_statements
from fcaps_pipeline.lab.bench.natural_captions import natural_captions
from fcaps_pipeline.lab.embedded.grammar import fine_caption
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_corpus
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth, Split
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics
from fcaps_pipeline.records.base import Record

_MIN_CLIP_S = 2.0
_OPPOSITES = {
    "female": "male",
    "male": "female",
    "low": "high",
    "high": "low",
    "slow": "fast",
    "fast": "slow",
    "some": "none",
    "none": "some",
    "rising": "falling",
    "falling": "rising",
}
"""What a flipped statement says; the middle of a scale has no opposite."""
_HUMAN_FILE = "captions.jsonl"


class AttributeRow(Record):
    """Statements about one attribute, held against measurements."""

    attribute: str
    num_true: int
    """True statements that a measurement bears on."""
    num_dropped: int
    """Of those, the ones that evidence calls false."""
    num_flipped: int
    """The same statements with the opposite value, where there is one."""
    num_found: int


class RuleRow(Record):
    """One rule on the captions written by hand."""

    rule: str
    num_expected: int
    """Captions that it must drop."""
    num_found: int
    """Of those, the ones it drops."""
    num_hits: int
    """All captions that it drops."""
    num_wrong: int
    """Of those, the ones that no rule should drop."""


class RuleBench(Record):
    """Both tables, and the captions written from the truth that evidence drops."""

    attributes: tuple[AttributeRow, ...]
    rules: tuple[RuleRow, ...]
    num_captions: int
    num_captions_dropped: int
    provenance: str
    """Of the bounds."""


def bench_rules(work: Path, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]) -> RuleBench:
    """Measures the rules on voices that no bound was taken from.

    Args:
        work: keeps the clips; used again, it goes on where it was.
        num_clips: clips to make.
        seed: of the clips.
        workers: processes of the synthesis.
        on_clips: told of finished clips.

    Raises:
        DependencyError: a synthesizer is missing.
        UsageError: no clip holds enough speech.
        JobError: the folder was begun with other clips.
    """
    clips = _measured(work, "test", num_clips=num_clips, seed=seed, workers=workers, on_clips=on_clips)
    if not clips:
        raise UsageError(f"{num_clips} clips hold no speech of {_MIN_CLIP_S} s; ask for more of them")
    weighed = [(whole, weigh(_written(whole), acoustics)) for whole, acoustics in clips]
    return RuleBench(
        attributes=tuple(_attribute_rows([(whole.speech, acoustics) for whole, acoustics in clips if whole.speech])),
        rules=tuple(_rule_rows()),
        num_captions=len(clips),
        num_captions_dropped=sum(any(one.score < 0 for one in found) for _, found in weighed),
        provenance=shipped_bounds().provenance,
    )


def calibrate_bounds(
    work: Path, human: Path | None, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> BoundTable:
    """Bounds from the voices of the train split, and from captions that people vouch for.

    Args:
        work: keeps the clips.
        human: folder of audio with `captions.jsonl` (`file`, `fine_caption`, `global_caption`); None for none.
        num_clips: clips to make.
        seed: of the clips.
        workers: processes of the synthesis.
        on_clips: told of finished clips.

    Raises:
        DependencyError: a synthesizer is missing.
        UsageError: the folder of human captions cannot be read.
    """
    clips = _measured(work, "train", num_clips=num_clips, seed=seed, workers=workers, on_clips=on_clips)
    vouched = list(_human(human)) if human else []
    provenance = (
        f"{len(clips)} synthetic clips of the train voices (fcaps bench rules --calibrate, seed {seed}) "
        f"and {len(vouched)} human captions"
    )
    return calibrate([(whole.speech, acoustics) for whole, acoustics in clips if whole.speech], vouched, provenance)


def _measured(
    work: Path, split: Split, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> list[tuple[ClipTruth, Acoustics]]:
    blocks = write_corpus(work, split, num_clips=num_clips, seed=seed, workers=workers, on_block=on_clips)
    return [
        (truth, measure_acoustics(decode_flac(path.read_bytes())))
        for block in blocks
        for truth, path in read_truths(block)
        if truth.speech and truth.num_samples >= _MIN_CLIP_S * SAMPLE_RATE_HZ
    ]


def _written(whole: ClipTruth) -> StatementsOfCaption:
    """What a caption says that tells nothing but the truth."""
    return read_statements(fine_caption(whole, np.random.default_rng(0)).text, None)


def _attribute_rows(clips: Sequence[tuple[SpeechTruth, Acoustics]]) -> Iterator[AttributeRow]:
    names: dict[Attribute, None] = {name: None for truth, _ in clips for name in true_statements(truth)}
    for name in names:
        said = [(truth, value, acoustics) for truth, acoustics in clips if (value := true_statements(truth).get(name))]
        true = [_is_false(name, value, truth, acoustics) for truth, value, acoustics in said]
        flipped = [
            _is_false(name, opposite, truth, acoustics)
            for truth, value, acoustics in said
            if (opposite := _OPPOSITES.get(value))
        ]
        yield AttributeRow(
            attribute=name,
            num_true=sum(one is not None for one in true),
            num_dropped=sum(one is True for one in true),
            num_flipped=sum(one is not None for one in flipped),
            num_found=sum(one is True for one in flipped),
        )


def _is_false(name: Attribute, value: str, truth: SpeechTruth, acoustics: Acoustics) -> bool | None:
    """What evidence says of one statement; None where no measurement bears on it."""
    said = StatementsOfCaption((Statement(name, value),), truth.gender)
    weighed = weigh(said, acoustics)
    return weighed[0].score < 0 if weighed else None


def _rule_rows() -> Iterator[RuleRow]:
    judged = [(caption.verdict, set(caption.reasons())) for caption in natural_captions()]
    for rule in RULES:
        expected = [reasons for verdict, reasons in judged if verdict == rule.name]
        hits = [verdict for verdict, reasons in judged if rule.name in reasons]
        if expected or hits:
            yield RuleRow(
                rule=rule.name,
                num_expected=len(expected),
                num_found=sum(rule.name in reasons for reasons in expected),
                num_hits=len(hits),
                num_wrong=hits.count("keep"),
            )


def _human(folder: Path) -> Iterator[tuple[str, Acoustics]]:
    try:
        lines = (folder / _HUMAN_FILE).read_text(encoding="utf-8").splitlines()
        captions = [json.loads(line) for line in lines]
        for caption in captions:
            acoustics = measure_acoustics(decode_all(str(folder / caption["file"]))[0])
            yield from ((caption[name], acoustics) for name in ("fine_caption", "global_caption"))
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{folder / _HUMAN_FILE}: expected lines with file, fine_caption and global_caption, found {error!r}"
        ) from error

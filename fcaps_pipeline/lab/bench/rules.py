"""What each rule is worth: true statements it drops, false ones it finds.

Enters: synthetic clips of held-out voices, whose truth is known, and the captions written by hand. Leaves: a row per
attribute that evidence judges, and a row per rule with precision and recall. With `calibrate_bounds` the bounds of
evidence are taken anew from other voices.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.verification.bounds import VALUES, BoundTable, shipped_bounds
from fcaps_pipeline.annotate.verification.claims import PARTS, part_of, read_claims
from fcaps_pipeline.annotate.verification.evidence import weigh_claims
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Weighed
from fcaps_pipeline.annotate.verification.remedies import CONTRADICTED
from fcaps_pipeline.annotate.verification.rules import RULES
from fcaps_pipeline.attributes.reading import read_caption
from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.bench.calibration import Vouched, calibrate, true_statements
from fcaps_pipeline.lab.bench.natural_captions import natural_captions
from fcaps_pipeline.lab.embedded.grammar import fine_caption
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_corpus
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth, Split
from fcaps_pipeline.records.annotations import Claim
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Gender
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
_NEVER_SAID = {("whisper", "none"), *((f"{name}_course", "steady") for name in ("loudness", "pitch", "rate"))}
"""What may be true, and no caption claims."""
_HUMAN_FILE = "captions.jsonl"


_AT: dict[Place, str] = {"beginning": "at the beginning", "middle": "in the middle", "end": "at the end"}


class AttributeRow(Record):
    """Statements about one attribute, of the whole or of a part, held against measurements."""

    attribute: str
    num_true: int
    """True statements that a measurement bears on."""
    num_dropped: int
    """Of those, the ones that evidence calls false."""
    num_supported: int
    """Of those, the ones that evidence bears out."""
    num_flipped: int
    """The same statements with the opposite value, where there is one."""
    num_found: int
    """Of those, the ones that evidence calls false."""
    num_misled: int
    """Of those, the ones that evidence bears out."""


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
    return RuleBench(
        attributes=tuple(_attribute_rows([(whole.speech, facts) for whole, facts in clips if whole.speech])),
        rules=tuple(_rule_rows()),
        num_captions=len(clips),
        num_captions_dropped=sum(
            any(one.claim.result == "contradicted" for one in _weighed_caption(whole, facts)) for whole, facts in clips
        ),
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
    return calibrate([(whole.speech, facts) for whole, facts in clips if whole.speech], vouched, provenance)


def _measured(
    work: Path, split: Split, *, num_clips: int, seed: int, workers: int, on_clips: Callable[[int], None]
) -> list[tuple[ClipTruth, Facts]]:
    blocks = write_corpus(work, split, num_clips=num_clips, seed=seed, workers=workers, on_block=on_clips)
    return [
        (truth, _facts(decode_flac(path.read_bytes())))
        for block in blocks
        for truth, path in read_truths(block)
        if truth.speech and truth.num_samples >= _MIN_CLIP_S * SAMPLE_RATE_HZ
    ]


def _facts(pcm_T: npt.NDArray[np.int16]) -> Facts:
    """What code alone measures: who speaks is not told."""
    found = measure_segment(pcm_T)
    return Facts(found.acoustics, len(pcm_T), pcm_T, found.tracks)


def _weighed_caption(whole: ClipTruth, facts: Facts) -> tuple[Weighed, ...]:
    """What evidence makes of a caption that tells nothing but the truth."""
    text = fine_caption(whole, np.random.default_rng(0)).text
    claims = read_claims(read_caption(text), None, facts.num_samples)
    return weigh_claims(claims, text, facts, shipped_bounds())


def _attribute_rows(clips: Sequence[tuple[SpeechTruth, Facts]]) -> Iterator[AttributeRow]:
    said_of_any = {key for truth, _ in clips for key in true_statements(truth)}
    for name, place in (key for key in product(VALUES, (None, *PARTS)) if key in said_of_any):
        said = [(truth, value, facts) for truth, facts in clips if (value := true_statements(truth).get((name, place)))]
        true = [
            _result(name, place, value, truth.gender, facts)
            for truth, value, facts in said
            if (name, value) not in _NEVER_SAID
        ]
        flipped = [
            _result(name, place, opposite, truth.gender, facts)
            for truth, value, facts in said
            if (opposite := "whole" if (name, value) == ("whisper", "none") else _OPPOSITES.get(value))
        ]
        yield AttributeRow(
            attribute=name if place is None else f"{name} {_AT[place]}",
            num_true=sum(one is not None for one in true),
            num_dropped=true.count("contradicted"),
            num_supported=true.count("supported"),
            num_flipped=sum(one is not None for one in flipped),
            num_found=flipped.count("contradicted"),
            num_misled=flipped.count("supported"),
        )


def _result(name: str, place: Place | None, value: str, gender: Gender, facts: Facts) -> str | None:
    """What evidence says of one statement in the words of the bounds; None where no measurement bears on it."""
    attribute, claimed = {
        ("whisper", "whole"): ("voice_quality", "whisper"),
        ("pauses", "some"): ("pauses", "one"),
    }.get((name, value), (name, value))
    interval = None if place is None else part_of(place, facts.num_samples)
    claims = [Claim(attribute=attribute, value=claimed, interval=interval, result="unverifiable")]
    if attribute != "gender":
        claims.append(Claim(attribute="gender", value=gender, result="unverifiable"))
    found = weigh_claims(claims, "", facts, shipped_bounds())[0]
    return None if found.score is None else found.claim.result


def _rule_rows() -> Iterator[RuleRow]:
    judged = [(caption.verdict, set(caption.reasons())) for caption in natural_captions()]
    for name in (*(rule.name for rule in RULES), CONTRADICTED):
        expected = [reasons for verdict, reasons in judged if verdict == name]
        hits = [verdict for verdict, reasons in judged if name in reasons]
        if expected or hits:
            yield RuleRow(
                rule=name,
                num_expected=len(expected),
                num_found=sum(name in reasons for reasons in expected),
                num_hits=len(hits),
                num_wrong=hits.count("keep"),
            )


def _human(folder: Path) -> Iterator[Vouched]:
    try:
        lines = (folder / _HUMAN_FILE).read_text(encoding="utf-8").splitlines()
        captions = [json.loads(line) for line in lines]
        for caption in captions:
            facts = _facts(decode_all(str(folder / caption["file"]))[0])
            for name in ("fine_caption", "global_caption"):
                text = caption[name]
                yield Vouched(text, read_claims(read_caption(text), None, facts.num_samples), facts)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{folder / _HUMAN_FILE}: expected lines with file, fine_caption and global_caption, found {error!r}"
        ) from error

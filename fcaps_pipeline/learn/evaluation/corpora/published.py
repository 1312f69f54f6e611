"""Published figures with their protocol, and whether a figure of ours may stand beside them.

Enters: the protocol of a measurement. Leaves: the published figures of the same measure, each with every difference in
protocol or data. A figure may stand beside another only where there is none. Values are shares, not percent.
Source of all figures here: Yang et al., Towards Fine-Grained and Multi-Granular Contrastive Language-Speech
Pre-training, ACL 2026, arXiv 2601.03065; sentences and age limits from the authors' recipe code.
"""

from collections.abc import Sequence
from typing import Literal

from fcaps_pipeline.learn.evaluation.corpora.crema_d import CREMA_D_EMOTIONS
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import AGE_GROUPS
from fcaps_pipeline.learn.evaluation.corpora.ravdess import RAVDESS_EMOTIONS
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate
from fcaps_pipeline.learn.evaluation.metrics.retrieval import GranularityScores
from fcaps_pipeline.learn.evaluation.metrics.zero_shot import LabelSentences, load_label_sentences
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity

Direction = Literal["speech to text", "text to speech"]
EqualCaptions = Literal["none", "merged", "apart"]

CLSP = "CLSP"
CLSP_TEST = "CLSP retrieval test set"
IEMOCAP_4 = "IEMOCAP-4"
RAVDESS_8 = "RAVDESS-8"
CREMA_D_6 = "CREMA-D-6"
RAVDESS_GENDER = "RAVDESS gender"
CREMA_D_AGE = "CREMA-D age-4"
_IEMOCAP_LABELS = ("happy", "excited", "angry", "sad", "neutral")
_SELECTED_ON_TEST = "its checkpoint was chosen on these very clips, which flatters it"


class Protocol(Record):
    """How a figure was measured; None where a field does not apply or was not published."""

    task: Literal["retrieval", "zero-shot", "similarity"]
    data: str
    """Name of the evaluation set."""
    num_clips: int | None = None
    granularity: Granularity | None = None
    direction: Direction | None = None
    captions_per_clip: int | None = None
    equal_captions: EqualCaptions | None = None
    """Whether equal captions were one answer; `none` where no two are equal, which both rules agree on."""
    sentences: tuple[str, ...] | None = None
    """What the labels were embedded as, sorted."""
    num_raters: int | None = None


class PublishedFigure(Record):
    """One number of a paper."""

    system: str
    measure: str
    value: float
    protocol: Protocol
    caveat: str | None = None
    """What to say beside it even where protocol and data are the same."""


class Comparison(Record):
    """A published figure beside one of ours."""

    published: PublishedFigure
    ours: Estimate
    differences: tuple[str, ...]
    """Everything that keeps the two apart."""

    @property
    def admissible(self) -> bool:
        """Whether protocol and data are the same."""
        return not self.differences


def compare(measure: str, ours: Estimate, protocol: Protocol) -> tuple[Comparison, ...]:
    """Sets a figure beside all published ones of the same measure and task.

    Retrieval is matched by granularity and direction, zero-shot classification by data, so that unlike things
    do not meet at all.
    """
    return tuple(
        Comparison(published=figure, ours=ours, differences=differences(figure.protocol, protocol))
        for figure in published_figures()
        if figure.measure == measure and _same_question(figure.protocol, protocol)
    )


def differences(published: Protocol, ours: Protocol) -> tuple[str, ...]:
    """One line per field that was published and that ours does not match."""
    found = []
    for name in Protocol.model_fields:
        theirs, mine = getattr(published, name), getattr(ours, name)
        if theirs is None or theirs == mine or (name == "equal_captions" and mine == "none"):
            continue
        shown = ("the published", "others") if name == "sentences" else (_shown(theirs), _shown(mine))
        found.append(f"{name.removeprefix('num_').replace('_', ' ')}: {shown[0]} there, {shown[1]} here")
    return tuple(found)


def retrieval_protocol(
    data: str, granularity: Granularity, direction: Direction, scores: GranularityScores
) -> Protocol:
    """The protocol that `score_retrieval` follows."""
    whole = scores.num_captions % scores.num_clips == 0
    return Protocol(
        task="retrieval",
        data=data,
        num_clips=scores.num_clips,
        granularity=granularity,
        direction=direction,
        captions_per_clip=scores.num_captions // scores.num_clips if whole else None,
        equal_captions="none" if scores.num_texts == scores.num_captions else "merged",
    )


def zero_shot_protocol(data: str, num_clips: int, sentences: LabelSentences) -> Protocol:
    """The protocol that `predict_labels` follows."""
    return Protocol(task="zero-shot", data=data, num_clips=num_clips, sentences=tuple(sorted(sentences.sentences)))


def published_figures() -> tuple[PublishedFigure, ...]:
    """All figures, in the order of the paper."""
    return (*_retrieval_figures(), *_zero_shot_figures(), *_similarity_figures())


def _same_question(published: Protocol, ours: Protocol) -> bool:
    if published.task != ours.task:
        return False
    if published.task == "zero-shot":
        return published.data == ours.data
    return (published.granularity, published.direction) == (ours.granularity, ours.direction)


def _shown(value: object) -> str:
    return "unknown" if value is None else str(value)


_RETRIEVAL: Sequence[tuple[Granularity, Direction, tuple[float, float, float, float]]] = (
    (Granularity.GLOBAL, "speech to text", (0.456, 0.759, 0.842, 0.587)),
    (Granularity.GLOBAL, "text to speech", (0.403, 0.743, 0.826, 0.545)),
    (Granularity.FINE, "speech to text", (0.681, 0.909, 0.959, 0.779)),
    (Granularity.FINE, "text to speech", (0.672, 0.909, 0.963, 0.772)),
)
_ABLATION = (("CLSP, stage 1 only", 0.386), ("CLSP, stage 2 only", 0.362), (CLSP, 0.671))
_RAVDESS_CLIPS = 1440
"""Audio-only speech. Source: Livingstone and Russo, The Ryerson Audio-Visual Database, PLOS ONE, 2018."""
_CREMA_D_CLIPS = 7442
"""Source: Cao et al., CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, 2014."""
_IEMOCAP_4_CLIPS = 5531
"""1,636 happy or excited, 1,103 angry, 1,084 sad, 1,708 neutral. Source: counted over the five sessions of the release
of Busso et al., IEMOCAP: Interactive emotional dyadic motion capture database, 2008."""
_ZERO_SHOT = (
    (IEMOCAP_4, _IEMOCAP_4_CLIPS, "zero_shot_emotion.v1", _IEMOCAP_LABELS, (0.572, 0.561)),
    (RAVDESS_8, _RAVDESS_CLIPS, "zero_shot_emotion.v1", RAVDESS_EMOTIONS, (0.468, 0.460)),
    (CREMA_D_6, _CREMA_D_CLIPS, "zero_shot_emotion.v1", CREMA_D_EMOTIONS, (0.351, 0.372)),
    (RAVDESS_GENDER, _RAVDESS_CLIPS, "zero_shot_gender.v1", ("male", "female"), (1.0, 1.0)),
    (CREMA_D_AGE, _CREMA_D_CLIPS, "zero_shot_age.v1", AGE_GROUPS, (0.406, 0.445)),
)
_SIMILARITY = (("intrinsic", 0.893), ("situational", 0.903), ("both", 0.886))


def _retrieval_figures() -> tuple[PublishedFigure, ...]:
    shared = {"task": "retrieval", "data": CLSP_TEST, "num_clips": 241, "captions_per_clip": 1}
    figures = [
        PublishedFigure(
            system=CLSP,
            measure=measure,
            value=value,
            protocol=Protocol(**shared, granularity=granularity, direction=direction, equal_captions="apart"),
            caveat=_SELECTED_ON_TEST,
        )
        for granularity, direction, values in _RETRIEVAL
        for measure, value in zip(("R@1", "R@5", "R@10", "mAP@10"), values, strict=True)
    ]
    figures += [
        PublishedFigure(
            system=system,
            measure="mean mAP@10",
            value=value,
            protocol=Protocol(**shared, equal_captions="apart"),
            caveat=_SELECTED_ON_TEST,
        )
        for system, value in _ABLATION
    ]
    return tuple(figures)


def _zero_shot_figures() -> tuple[PublishedFigure, ...]:
    return tuple(
        PublishedFigure(
            system=CLSP,
            measure=measure,
            value=value,
            protocol=Protocol(
                task="zero-shot",
                data=data,
                num_clips=num_clips,
                sentences=tuple(sorted(load_label_sentences(reference, labels).sentences)),
            ),
            caveat="taken to be of the whole corpus as released, for its number of clips is not on record",
        )
        for data, num_clips, reference, labels, values in _ZERO_SHOT
        for measure, value in zip(("WA", "UA"), values, strict=True)
    )


def _similarity_figures() -> tuple[PublishedFigure, ...]:
    return tuple(
        PublishedFigure(
            system=CLSP,
            measure="Pearson",
            value=value,
            protocol=Protocol(task="similarity", data=f"CLSP style ratings, {kind}", num_raters=20),
        )
        for kind, value in _SIMILARITY
    )

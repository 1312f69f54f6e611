"""Zero-shot classification: labels become sentences, and a clip gets the label whose sentences it is nearest to.

Enters: a prompt file of label templates, embeddings of its sentences and of clips. Leaves: predicted labels.
The caller embeds the sentences. Each line of a template file is one of two kinds:

    A speaker in a {x} tone.             for every label, which takes the place of {x}
    child: A child or young teenager speaker.    for this label alone

Several sentences of one label are averaged and the average is made a unit vector again, as CLIP does.
Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021, section 3.1.4.
Suffixes: N clips, S sentences, L labels, D embedding.
"""

import re
from collections.abc import Mapping, Sequence

import torch

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.learn.evaluation.metrics.embeddings import Embeddings, unit_rows
from fcaps_pipeline.records.base import Record

_PLACE = "{x}"
_OF_ONE_LABEL = re.compile(r"(?P<label>[a-z][a-z -]*): (?P<sentence>.+)")


class LabelSentences(Record):
    """What to embed for a set of labels."""

    reference: str
    """Prompt file, with version."""
    sha256: str
    """Hash of the prompt file."""
    labels: tuple[str, ...]
    sentences: tuple[str, ...]
    owners: tuple[int, ...]
    """Position in `labels` of the label that each sentence speaks for."""


def load_label_sentences(reference: str, labels: Sequence[str]) -> LabelSentences:
    """Puts labels into the templates of a prompt file.

    Args:
        reference: `NAME.vN` of a shipped file such as `zero_shot_emotion.v1`, or a path.
        labels: as they shall stand in the sentences.

    Raises:
        UsageError: there is no such file, a line is of neither kind, or a label has no sentence.
    """
    prompt = load_prompt(reference)
    lines = [line.strip() for line in prompt.text.splitlines() if line.strip()]
    pairs = [
        (owner, sentence)
        for owner, label in enumerate(labels)
        for line in lines
        if (sentence := _sentence(line, label, prompt.reference)) is not None
    ]
    if missing := sorted(set(range(len(labels))) - {owner for owner, _ in pairs}):
        names = ", ".join(labels[owner] for owner in missing)
        raise UsageError(f"prompt {reference} has no sentence for {names}; add a line with {_PLACE} or `LABEL: ...`")
    return LabelSentences(
        reference=prompt.reference,
        sha256=prompt.sha256,
        labels=tuple(labels),
        sentences=tuple(sentence for _, sentence in pairs),
        owners=tuple(owner for owner, _ in pairs),
    )


def predict_labels(
    clips_ND: Embeddings, sentences_SD: Embeddings, sentences: LabelSentences, merges: Mapping[str, str]
) -> tuple[str, ...]:
    """The nearest label of each clip; of labels that are equally near, the first.

    Args:
        clips_ND: embeddings of the clips.
        sentences_SD: embeddings of `sentences.sentences`, on the same device.
        sentences: what was embedded.
        merges: labels that count as another one once predicted, such as excited as happy in IEMOCAP-4.

    Raises:
        UsageError: shapes do not fit, or an embedding is zero or not finite.
    """
    scores_NL = unit_rows(clips_ND, "clip") @ label_vectors(sentences_SD, sentences).T
    nearest = (sentences.labels[position] for position in scores_NL.argmax(dim=1).tolist())
    return tuple(merges.get(label, label) for label in nearest)


def label_vectors(sentences_SD: Embeddings, sentences: LabelSentences) -> torch.Tensor:
    """One unit vector per label, shape L x D: the mean of its sentences' unit vectors.

    Raises:
        UsageError: the number of rows is not that of the sentences, or an embedding is zero or not finite.
    """
    rows_SD = unit_rows(sentences_SD, "sentence")
    if len(rows_SD) != len(sentences.sentences):
        raise UsageError(f"{len(rows_SD)} embeddings were given for {len(sentences.sentences)} sentences")
    sums_LD = rows_SD.new_zeros(len(sentences.labels), rows_SD.shape[1])
    sums_LD.index_add_(0, torch.tensor(sentences.owners, device=rows_SD.device), rows_SD)
    return unit_rows(sums_LD, "label")


def _sentence(line: str, label: str, reference: str) -> str | None:
    """The sentence that a line holds for a label; None where it speaks for another label."""
    if _PLACE in line:
        return line.replace(_PLACE, label)
    match = _OF_ONE_LABEL.fullmatch(line)
    if match is None:
        raise UsageError(f"prompt {reference}: the line {line!r} has neither {_PLACE} nor `LABEL: ` in front")
    return match["sentence"] if match["label"] == label else None
